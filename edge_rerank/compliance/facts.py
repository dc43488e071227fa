"""Facts that an opened store says of itself, for the compliance report."""

from __future__ import annotations

import json

from edge_rerank.compliance.checks import Facts
from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.aggregates import epsilon_left
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.scrub import KEPT_NOTE

_PERSONALISATION = "personalisation"


def gather(store: HistoryStore, source: KeySource) -> Facts:
    """Open everything in the store once and count.

    Args:
        store: is only read.
        source: where its key comes from.

    Raises:
        HistoryError: when the store cannot be read at all; what is damaged in it is a fact.
    """
    people = events = entries = without_consent = withdrawn = 0
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
        found = store.verify()
        damage, entries = "; ".join(found.findings), found.audit_entries
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
        retention_days=store.retention.max_age_days,
        retention_events=store.retention.max_events,
        expired=0 if damage else store.overdue(),
        damage=damage,
        audit_entries=entries,
        rotation_due=store.rotation_due,
        key_replaceable=source.replaceable,
        anchored=store.anchored,
        kept_kinds=kept,
        epsilon_left=left,
    )
