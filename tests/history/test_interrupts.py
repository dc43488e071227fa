"""An interrupt at any line leaves a history that is whole, and can be closed and opened again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.vault import file
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
HISTORY = str(Path("edge_rerank", "history"))


def interrupted(call: Callable[[], object], line: int) -> bool:
    """Interrupt ``call`` before a line of the history's code; whether it came to that line."""
    lines = 0

    def look(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if HISTORY not in frame.f_code.co_filename:
            return None
        if event == "line":
            lines += 1
            if lines == line:
                raise KeyboardInterrupt
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def clicks(first: int, count: int) -> list[Event]:
    """Events that there were none of before."""
    return [
        Event("click", Item(f"i{n}", "text"), timestamp=1000.0 * n, id=str(n))
        for n in range(first, first + count)
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HistoryStore]:
    with HistoryStore.open(tmp_path / "me.db", KEY) as store:
        for user in ("alice", "bob"):
            store.set_consent(user, "personalisation", True)
        store.append("alice", clicks(0, 3))
        yield store


CALLS: dict[str, Callable[[HistoryStore, int], object]] = {
    "append": lambda store, n: store.append("alice", clicks(10 * n, 2)),
    "enrol": lambda store, n: store.set_consent(f"person {n}", "personalisation", True),
    "erase": lambda store, n: (store.append("cleo", clicks(10 * n, 1)), store.erase("cleo")),
    "rotate": lambda store, n: store.rotate_person_key("alice"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_interrupted_happened_or_did_not(
    store: HistoryStore, tmp_path: Path, name: str
) -> None:
    line, step = 1, 7
    while interrupted(partial(CALLS[name], store, line), line):
        store.load("alice")
        assert store.append("bob", clicks(10 * line, 1)).stored
        line += step
    assert line > 20 * step
    assert store.verify().ok
    mine = [len(store.load(user)) for user in ("alice", "bob")]
    store.close()
    with HistoryStore.open(tmp_path / "me.db", KEY) as again:
        assert again.verify().ok
        assert [len(again.load(user)) for user in ("alice", "bob")] == mine


def test_what_is_closed_a_second_time_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    line = 1
    while True:
        store = HistoryStore.open(path, KEY)
        store.append("alice", clicks(line, 1))
        again = interrupted(store.close, line)
        store.close()
        if not again:
            break
        line += 1
    assert line > 10


@pytest.mark.parametrize("part", ["_feedback", "_history", "_engine"])
def test_a_reranker_closes_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    reranker = Reranker.open(history=tmp_path / "me.db", key=KEY)

    def cut() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(getattr(reranker, part), "close", cut)
    with pytest.raises(KeyboardInterrupt):
        reranker.close()
    monkeypatch.undo()
    reranker.close()
    Reranker.open(history=tmp_path / "me.db", key=KEY).close()


LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000000)"


def test_an_interrupt_inside_a_long_statement_is_one_and_no_damage(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite asks whether to go on, Python raises then, and SQLite keeps that to itself."""

    def interrupt(_: Path) -> int:
        raise KeyboardInterrupt

    def run() -> None:
        with typed_errors():
            store._vault.file.execute(f"{LONG} SELECT max(i) FROM n").fetchone()

    monkeypatch.setattr(file, "FREE_TICKS", 1)
    for _ in range(2):
        with monkeypatch.context() as asked, pytest.raises(KeyboardInterrupt):
            asked.setattr(file, "size_of", interrupt)
            run()
        with pytest.raises(HistoryCorrupt, match="SQLITE_INTERRUPT"):
            run()
    assert store.count("alice") == 3
