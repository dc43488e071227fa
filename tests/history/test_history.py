"""The public history: what it checks, what it needs, and whom it tells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import ClosedError, HistoryKeyError, HistoryUnavailable, InvalidRequest
from edge_rerank.history.history import History
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.ranking.engine import RankingEngine

KEY = bytes(range(32))
CLICK = Event("click", Item("a", "tea"), timestamp=5)


@pytest.fixture
def history() -> History:
    opened = History.open()
    opened.consent("alice", True)
    return opened


def test_it_needs_no_model() -> None:
    """Neither onnxruntime nor a tokenizer nor anything that ranks is imported for it."""
    script = (
        "import importlib.util, sys, types\n"
        "package = types.ModuleType('edge_rerank')  # __init__ brings the rest along\n"
        "package.__path__ = importlib.util.find_spec('edge_rerank').submodule_search_locations\n"
        "sys.modules['edge_rerank'] = package\n"
        "import edge_rerank.history.history\n"
        "heavy = ('onnxruntime', 'tokenizers', 'edge_rerank.ranking', 'edge_rerank.inference')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_file_is_written_and_read_by_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with History.open(path, KEY) as history:
        history.consent("alice", True)
        assert history.record(CLICK, user="alice") == 1
        assert history.record([CLICK], user="alice") == 0
    with History.open(str(path), KEY) as history:
        assert history.events("alice") == history.all_events("alice") == (CLICK,)
        assert history.verify().ok
        history.consent("alice", False)
        assert history.events("alice") == ()
        assert history.all_events("alice") == (CLICK,)


def test_opening(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="history file: expected a path or None, got int"):
        History.open(5, KEY)  # type: ignore[arg-type]
    with pytest.raises(HistoryKeyError, match="got None"):
        History.open(tmp_path / "me.db")
    with pytest.raises(InvalidRequest, match="retention: expected a Retention, got int"):
        History.open(retention=30)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="scrubber: expected a Scrubber, got str"):
        History.open(scrubber="phone")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="anchor"):
        History.open(tmp_path / "me.db", KEY, anchor=5)  # type: ignore[arg-type]
    for alone in ({"key": KEY}, {"anchor": tmp_path / "anchor"}):
        with pytest.raises(InvalidRequest, match="expected one with a key or an anchor, got None"):
            History.open(**alone)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


CALLS: dict[str, Callable[[History, object], object]] = {
    "record": lambda history, user: history.record(CLICK, user=user),  # type: ignore[arg-type]
    "events": lambda history, user: history.events(user),  # type: ignore[arg-type]
    "all_events": lambda history, user: history.all_events(user),  # type: ignore[arg-type]
    "consent": lambda history, user: history.consent(user, True),  # type: ignore[arg-type]
    "consents": lambda history, user: history.consents(user),  # type: ignore[arg-type]
    "pause": lambda history, user: history.pause(user),  # type: ignore[arg-type]
    "resume": lambda history, user: history.resume(user),  # type: ignore[arg-type]
    "access": lambda history, user: history.access(user),  # type: ignore[arg-type]
    "export": lambda history, user: history.export(user, bytes(32), "x"),  # type: ignore[arg-type]
    "remove_event": lambda history, user: history.remove_event(user, 1),  # type: ignore[arg-type]
    "forget": lambda history, user: history.forget(user),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("user", [None, 5.5, "", "u" * 513, "\ud800", b"alice"])
def test_whoever_is_nobody_is_refused(history: History, call: str, user: object) -> None:
    with pytest.raises(InvalidRequest, match="user: expected"):
        CALLS[call](history, user)


@pytest.mark.parametrize("call", [name for name in CALLS if name != "export"])
def test_after_close(history: History, call: str) -> None:
    history.close()
    history.close()
    with pytest.raises(ClosedError):
        CALLS[call](history, "alice")


@pytest.mark.parametrize(
    "call",
    [
        lambda history: history.record("click", user="alice"),
        lambda history: history.record([CLICK, 5], user="alice"),
        lambda history: history.record(None, user="alice"),
        lambda history: history.consent("alice", "yes"),
        lambda history: history.consent("alice", True, 5),
        lambda history: history.export("alice", b"short", "target"),
        lambda history: history.export("alice", bytes(32), 5),
        lambda history: history.restore(5, user="alice"),
        lambda history: history.import_log(5),
        lambda history: history.import_log("log.jsonl", user=""),
    ],
)
def test_malformed_arguments(history: History, call: Callable[[History], object]) -> None:
    with pytest.raises(InvalidRequest, match="expected"):
        call(history)
    assert history.all_events("alice") == ()


def test_what_works_beside_it_completes_events_and_is_told_of_erasure(history: History) -> None:
    forgotten: list[str] = []
    history.before_record(lambda event: replace(event, position=3))
    history.on_forget(forgotten.append)
    history.record([CLICK], user="alice")
    assert history.events("alice")[0].position == 3
    assert history.forget("alice").events == 1
    assert forgotten == ["alice"]


def test_what_is_beside_it_is_dropped_even_if_the_erasure_fails(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    history.on_forget(forgotten.append)

    def refuse(*_: object) -> None:
        raise HistoryUnavailable("the file system refused")

    monkeypatch.setattr(HistoryStore, "erase", refuse)
    with pytest.raises(HistoryUnavailable):
        history.forget("alice")
    assert forgotten == ["alice"]


@pytest.mark.parametrize("door", ["reranker", "history"])
def test_both_doors_do_the_same(
    reranker: Reranker, shelf: list[Item], door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[RankingEngine] = []

    def note(engine: RankingEngine, user: str | None = None) -> None:
        dropped.append(engine)

    monkeypatch.setattr(RankingEngine, "forget", note)
    entry: Reranker | History = reranker if door == "reranker" else reranker.history
    entry.consent("alice", True)
    ranking = reranker.rank(shelf, user="alice", query="a private question")
    entry.record(Event("click", ranking[2].item, ranking=ranking.id), user="alice")
    (event,) = reranker.history.events("alice")
    assert event.position == 3
    assert entry.forget("alice").events == 1
    assert dropped == [reranker.engine]
    entry.consent("alice", True)
    entry.record(Event("click", ranking[2].item, ranking=ranking.id), user="alice")
    (event,) = reranker.history.events("alice")
    assert event.position is None  # what was shown is forgotten as well
