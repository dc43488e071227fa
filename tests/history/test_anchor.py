"""The anchor: files that are missing or emptied, and an anchor that cannot be written."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from edge_rerank import AnchorCallback, Event, History, Item, Reranker
from edge_rerank.errors import HistoryRolledBack, HistoryUnavailable, InvalidRequest
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))


def clicks(count: int, *, start: int = 0) -> list[Event]:
    return [
        Event("click", Item(f"i{n}"), timestamp=1000.0 + n) for n in range(start, start + count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY, anchor=tmp_path / "anchor", new=True) as store:
        store.append("alice", clicks(3))
    return path


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def strip(path: Path) -> None:
    """A database with our application id and nothing in it."""
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 0x65727231")
    connection.close()


@pytest.mark.parametrize("how", [remove, empty, strip])
def test_an_empty_or_missing_file_is_refused_and_the_anchor_unchanged(path: Path, how) -> None:  # type: ignore[no-untyped-def]
    anchor = path.with_name("anchor")
    how(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for opening in (HistoryStore.open, History.open):
        with pytest.raises(HistoryRolledBack, match="put the file back, or say new=True"):
            opening(path, KEY, anchor=anchor)
    with pytest.raises(HistoryRolledBack):
        Reranker.open(history=path, key=KEY, anchor=anchor)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    with HistoryStore.open(path, KEY, anchor=anchor, new=True) as store:
        assert store.count("alice") == 0
        store.append("alice", clicks(1))
    with HistoryStore.open(path, KEY, anchor=anchor) as store:
        assert store.count("alice") == 1


@pytest.mark.parametrize("anchored", [True, False])
def test_new_refuses_a_history_that_is_there(path: Path, anchored: bool) -> None:
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(InvalidRequest, match="no history file there yet"):
        HistoryStore.open(
            path, KEY, anchor=path.with_name("anchor") if anchored else None, new=True
        )
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_an_anchor_that_cannot_be_written_is_behind_until_it_can(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = [path.with_name("anchor").read_bytes()]
    broken = True

    def save(state: bytes) -> None:
        if broken:
            raise RuntimeError
        kept.append(state)

    anchor = AnchorCallback(lambda: kept[-1], save)
    with History.open(path, KEY, anchor=anchor) as history:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            history.consent("alice", True)
            assert history.record(clicks(1, start=50), user="alice") == 1  # stored, so no error
        assert "behind" in caplog.text
        assert history.anchor_behind
        assert [finding for finding in history.verify().findings if "behind" in finding]
        assert len(history.events("alice")) == 4
    assert len(kept) == 1
    with History.open(path, KEY, anchor=anchor) as history:  # a newer file passes
        assert history.anchor_behind
        broken = False
        assert history.verify().ok
        assert not history.anchor_behind
        assert len(history.events("alice")) == 4
    del kept[:-1]
    with History.open(path, KEY, anchor=anchor) as history:
        assert not history.anchor_behind


def test_one_that_is_behind_catches_up_when_the_file_is_opened(path: Path) -> None:
    anchor = path.with_name("anchor")
    old = anchor.read_bytes()
    with HistoryStore.open(path, KEY, anchor=anchor) as store:
        store.append("alice", clicks(1, start=50))
    anchor.write_bytes(old)
    HistoryStore.open(path, KEY, anchor=anchor).close()
    assert anchor.read_bytes() != old


def test_an_anchor_that_was_never_written_is_refused_before_anything_is_changed(
    tmp_path: Path,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        generation = store.verify().generation
        with pytest.raises(HistoryUnavailable):
            store.anchor_to(AnchorCallback(lambda: None, fail))
        assert store.verify().generation == generation
        assert not store.anchored


def test_who_has_lost_the_anchor_gives_the_history_a_new_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "anchor").unlink()
    with pytest.raises(HistoryRolledBack, match=r"History\.anchor_to\(\) takes a new one"):
        History.open(path, KEY, anchor=tmp_path / "anchor")
    with History.open(path, KEY) as history:
        for wrong in (None, 5):
            with pytest.raises(InvalidRequest, match="anchor: expected a path or an anchor"):
                history.anchor_to(wrong)  # type: ignore[arg-type]
        history.anchor_to(tmp_path / "new")
        assert [entry.action for entry in history.audit_log()][-1] == "anchored"
    older = path.read_bytes()
    with History.open(path, KEY, anchor=tmp_path / "new") as history:
        assert history.verify().anchored
        history.consent("alice", True)
    path.write_bytes(older)
    with pytest.raises(HistoryRolledBack):
        History.open(path, KEY, anchor=tmp_path / "new")
