"""Damaged bytes: a typed error or the right answer, never a wrong one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryError
from edge_rerank.history._primitives import SealingKey, Unsealable
from edge_rerank.history.store import HistoryStore
from tests.fault.conftest import FULL

KEY = bytes(range(32))
EVERY = 1 if FULL else 97


def answers(path: Path) -> dict[str, object]:
    with HistoryStore.open(path, KEY) as store:
        return {
            user: (store.load(user), dict(store.consents(user)))
            for user in ("alice", "bob", "nobody")
        }


@pytest.mark.slow
def test_every_byte_of_a_file_inverted_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        for user in ("alice", "bob"):
            store.set_consent(user, "personalisation", True)
            store.append(
                user, [Event("click", Item(f"{user}{n}", "text"), timestamp=n) for n in range(4)]
            )
    whole, expected = path.read_bytes(), answers(path)
    detected = harmless = 0
    for place in range(0, len(whole), EVERY):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            found = answers(path)
        except HistoryError:
            detected += 1
        else:
            assert found == expected, f"byte {place} gave a wrong answer"
            harmless += 1
        for left in tmp_path.glob("me.db-*"):
            left.unlink()
    # Most bytes of a small file lie in unused parts of its pages.
    assert min(detected, harmless) > 1000 / EVERY


def test_every_bit_of_a_sealed_value_and_every_truncation() -> None:
    key = SealingKey(KEY)
    sealed = key.seal(b"an event", b"context")
    assert key.open(sealed, b"context") == b"an event"
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unsealable):
            key.open(bytes(flipped), b"context")
    for size in range(len(sealed)):
        with pytest.raises(Unsealable):
            key.open(sealed[:size], b"context")
    for context in (b"", b"contexT", b"context "):
        with pytest.raises(Unsealable):
            key.open(sealed, context)


def test_an_old_copy_of_a_page(tmp_path: Path) -> None:
    """Each page put back as it was before the last event; an untouched control passes."""
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        store.append("alice", [Event("click", Item(str(n)), timestamp=n) for n in range(30)])
    before = path.read_bytes()
    with HistoryStore.open(path, KEY) as store:
        store.append("alice", [Event("click", Item("late"), timestamp=100)])
    after = path.read_bytes()
    expected = answers(path)
    size = sqlite3.connect(path).execute("PRAGMA page_size").fetchone()[0]
    changed = [
        at
        for at in range(size, min(len(before), len(after)), size)
        if before[at : at + size] != after[at : at + size]
    ]
    assert len(changed) >= 2
    for at in changed:
        path.write_bytes(after[:at] + before[at : at + size] + after[at + size :])
        with pytest.raises(HistoryError):
            answers(path)
    path.write_bytes(after)
    assert answers(path) == expected
