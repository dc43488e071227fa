"""What an opened store says of itself, for the compliance report."""

from __future__ import annotations

import json

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.keys import KeySource
from edge_rerank.history.store import HistoryStore
from edge_rerank.privacy._checks import Facts
from edge_rerank.privacy.aggregates import epsilon_left
from edge_rerank.privacy.scrub import KEPT_NOTE, Kind

_PERSONALISATION = "personalisation"


def gather(store: HistoryStore, source: KeySource) -> Facts:
    """Open everything in the store once and count.

    Args:
        store: is only read.
        source: where its key comes from.

    Raises:
        HistoryError: when the store cannot be read at all; what is damaged in it is a fact.
    """
    people = events = without_consent = withdrawn = 0
    damage = ""
    left = 0.0
    kept: frozenset[Kind] | None = None
    try:
        for consents, history in store.everyone():
            people += 1
            events += len(history)
            if history and not consents.get(_PERSONALISATION, False):
                withdrawn += _PERSONALISATION in consents
                without_consent += _PERSONALISATION not in consents
        left = epsilon_left(store)
        note = store.read_note(KEPT_NOTE)
        kept = None if note is None else frozenset(map(Kind, json.loads(note)))
    except HistoryCorrupt as error:
        damage = str(error)
    return Facts(
        people=people,
        events=events,
        without_consent=without_consent,
        withdrawn=withdrawn,
        retention_days=None,
        retention_events=None,
        expired=0,
        damage=damage,
        audit_entries=0,
        rotation_due=False,
        key_replaceable=source.replaceable,
        anchored=False,
        kept_kinds=kept,
        epsilon_left=left,
    )
