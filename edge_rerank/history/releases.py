"""Releases of model packs that a history has seen, so that an older one is noticed.

Only packs that the host's trusted keys signed count: what an unsigned manifest says of itself
could be anybody's, and a high number in it would lock the real pack out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import MAX_PLAINTEXT
from edge_rerank.history.vault.store import HistoryStore

NOTE = "releases"


def seen_releases(store: HistoryStore) -> dict[str, int]:
    """The highest release seen of each pack, by name.

    Raises:
        HistoryCorrupt: when the note is not one of ours.
    """
    note = store.read_note(NOTE)
    if note is None:
        return {}
    try:
        return {str(name): int(release) for name, release in json.loads(note).items()}
    except (ValueError, TypeError, AttributeError):
        raise HistoryCorrupt("the record of pack releases cannot be read") from None


def remember_releases(store: HistoryStore, opened: Mapping[str, int]) -> None:
    """Note what was opened now; nothing is written when nothing is new.

    Where the names no longer fit into one note, the pack that was first seen the longest ago
    is dropped from it.

    Args:
        store: keeps the note.
        opened: releases of signed packs by name.

    Raises:
        HistoryError: when the note cannot be written.
    """
    known = seen_releases(store)
    newest = known | {name: max(known.get(name, 0), release) for name, release in opened.items()}
    if newest == known:
        return
    while len(content := json.dumps(newest).encode()) > MAX_PLAINTEXT:
        del newest[next(iter(newest))]
    store.write_note(NOTE, content)
