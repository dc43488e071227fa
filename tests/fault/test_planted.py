"""Schema objects planted in the file without any key: refused before SQLite runs them."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.vault.file import LIMITS
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        store.append("alice", clicks(3))
        store.write_note("aggregates", b"{}")
    return path


def clicks(count: int, *, start: int = 0) -> list[Event]:
    return [
        Event("click", Item(f"i{n}"), timestamp=1000.0 + n) for n in range(start, start + count)
    ]


PLANTED = {
    "drops new events as if known": (
        "CREATE TRIGGER t BEFORE INSERT ON events BEGIN SELECT RAISE(IGNORE); END",
    ),
    "keeps erased rows": (
        "CREATE TRIGGER t BEFORE DELETE ON events BEGIN SELECT RAISE(IGNORE); END",
    ),
    "refunds the budget": (
        "CREATE TRIGGER t BEFORE INSERT ON notes BEGIN SELECT RAISE(IGNORE); END",
    ),
    "never ends": (
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN"
        f" SELECT * FROM ({ENDLESS}) WHERE new.name = 'root'; END",
    ),
    "a view": ("CREATE VIEW v AS SELECT 1",),
    "a table": ("CREATE TABLE t (x)",),
    "an index": ("CREATE INDEX i ON audit (sealed)",),
    "statistics": ("ANALYZE",),
    "a table that is a view": (
        "ALTER TABLE notes RENAME TO kept",
        "CREATE VIEW notes AS SELECT * FROM kept",
    ),
    "a default": ("ALTER TABLE notes ADD COLUMN x TEXT DEFAULT 'y'",),
    "a table less": ("DROP TABLE notes",),
    "other SQL under the same name": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (length(name) BETWEEN 1 AND 64)', '')",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_any_foreign_schema_object_is_refused_unchanged(path: Path, what: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in PLANTED[what]:
            connection.execute(statement)
    connection.close()
    before, started = path.read_bytes(), time.perf_counter()
    with pytest.raises(HistoryCorrupt, match="schema"):
        HistoryStore.open(path, KEY)
    assert time.perf_counter() - started < 2.0
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_white_space_alone_is_no_difference(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, '    ', ' ')")
    connection.close()
    with HistoryStore.open(path, KEY) as store:
        assert len(store.load("alice")) == 3


@pytest.mark.parametrize(
    "what", ["drops new events as if known", "keeps erased rows", "refunds the budget"]
)
def test_what_is_planted_while_the_file_is_open_is_refused_at_the_next_write(
    path: Path, what: str
) -> None:
    with HistoryStore.open(path, KEY) as store:
        for statement in PLANTED[what]:
            store._vault.file.execute(statement)
        for write in (
            lambda: store.append("alice", clicks(1, start=9)),
            lambda: store.erase("alice"),
            lambda: store.write_note("aggregates", b"[]"),
        ):
            with pytest.raises(HistoryCorrupt, match="schema"):
                write()
        assert len(store.load("alice")) == 3


def test_no_trigger_runs_even_unseen(path: Path) -> None:
    """The second line, were the check of the schema to miss one."""
    with HistoryStore.open(path, KEY) as store:
        file = store._vault.file
        assert {limit: file.db.conn.getlimit(limit) for limit in LIMITS} == LIMITS
        for statement in PLANTED["keeps erased rows"]:
            file.execute(statement)
        with pytest.raises(sqlite3.Error):
            file.execute("DELETE FROM events")
        assert file.execute("SELECT count(*) FROM events").fetchone() == (3,)


def test_a_statement_without_end_is_stopped(path: Path) -> None:
    with HistoryStore.open(path, KEY) as store:
        started = time.perf_counter()
        with pytest.raises(HistoryCorrupt, match="INTERRUPT"), store._use() as vault:
            vault.file.execute(ENDLESS)
        assert time.perf_counter() - started < 2.0
        assert store.verify().ok
