"""Damaged bytes: a typed error or the right answer, never a wrong one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryError
from edge_rerank.history.crypto import SealingKey, Unsealable
from edge_rerank.history.vault import root
from edge_rerank.history.vault.store import HistoryStore
from tests.fault.conftest import FULL

KEY = bytes(range(32))
EVERY = 1 if FULL else 97


def answers(path: Path) -> dict[str, object]:
    with HistoryStore.open(path, KEY) as store:
        people = {
            user: (store.load(user), dict(store.consents(user)), store.state(user, "head"))
            for user in ("alice", "bob", "nobody")
        }
        return {**people, "note": store.read_note("note"), "audit": store.audit_log()}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed file with something in every table."""
    monkeypatch.setattr(root, "FINE_FROM", 0)
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        for user in ("alice", "bob"):
            store.set_consent(user, "personalisation", True)
            store.append(
                user,
                [
                    Event("click", Item(f"{user}{n}", "text"), timestamp=n, id=str(n))
                    for n in range(3)
                ]
                + [Event("click", Item(f"{user}3", "a long text " * 80), timestamp=3, id="3")],
            )
            store.set_state(user, "head", b"learnt" * 50)
        store.write_note("note", b"content")
    return path


@pytest.mark.slow
def test_every_byte_of_a_file_inverted_in_turn(path: Path) -> None:
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
        for left in path.parent.glob("me.db-*"):
            left.unlink()
    # Most bytes of a small file lie in unused parts of its pages.
    assert min(detected, harmless) > 1000 / EVERY


@pytest.mark.parametrize(
    "column", ["events.sealed", "parts.part", "people.head", "notes.sealed", "states.sealed"]
)
def test_one_bit_of_a_sealed_value_in_the_file(path: Path, column: str) -> None:
    """A letter that becomes another letter: nothing but the seal can tell."""
    table, _, name = column.partition(".")
    with sqlite3.connect(path) as connection:
        (sealed,) = connection.execute(f"SELECT {name} FROM {table} LIMIT 1").fetchone()
    connection.close()
    whole = path.read_bytes()
    start = whole.index(sealed)
    for place in range(start, start + len(sealed), 1 if FULL else 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(HistoryError):
            answers(path)


COLUMNS = {
    "meta": ("value",),
    "outer_keys": ("commitment",),
    "rings": ("id", "outer_id", "wrapped"),
    "wrapped_keys": ("owner", "id", "wrapped"),
    "people": ("pseudonym", "head", "epoch", "number"),
    "events": ("content_tag", "id_tag", "sealed"),
    "parts": ("part",),
    "hints": ("person", "hint", "seq"),
    "states": ("person", "seq", "sealed"),
    "notes": ("name", "sealed"),
    "audit": ("sealed",),
    "sums": ("sealed",),
}


def lax(path: Path) -> list[tuple[str, str]]:
    """Take the checks of types and sizes out of the schema; returns it as it was, by name."""
    with sqlite3.connect(path) as connection:
        schema = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL")
        before = schema.fetchall()
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in before:
            tail = "" if "STRICT, WITHOUT ROWID" not in sql else " WITHOUT ROWID"
            connection.execute(
                "UPDATE sqlite_schema SET sql = ? WHERE name = ?",
                [sql[: sql.rindex(")") + 1] + tail, name],
            )
    connection.close()
    return before


def strict(path: Path, schema: list[tuple[str, str]]) -> None:
    """Put the schema back, with whatever stands in the tables."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in schema:
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", [sql, name])
    connection.close()


@pytest.mark.parametrize("table", COLUMNS)
def test_values_of_another_type(path: Path, table: str) -> None:
    """As in a damaged record: SQLite checks types when a value is written, not when it is read."""
    expected = answers(path)
    schema = lax(path)
    loosened = path.read_bytes()
    for column in COLUMNS[table]:
        for value in ("text", 7, 1.5, b"blob"):
            path.write_bytes(loosened)
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA ignore_check_constraints = ON")
                (before,) = connection.execute(f"SELECT {column} FROM {table}").fetchone()
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {column} = ?", [value, before]
                )
            connection.close()
            strict(path, schema)
            try:
                assert answers(path) == expected, (column, value)
            except HistoryError as error:
                assert "schema" not in str(error)


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
