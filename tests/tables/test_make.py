"""From a log, a folder or histories to tables: what counts, and what few people did does not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Event, History, Item, Reranker, Tables
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.formats.dataset import DataSet
from edge_rerank.formats.logs import read_log
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.ranking.signals.counts import CountTable
from edge_rerank.ranking.signals.pairs import PairTable
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.tables.choices import Choices
from edge_rerank.tables.make import (
    Making,
    Part,
    make,
    make_folder,
    make_history_tables,
    steps_for,
)
from edge_rerank.tables.people import read_people


def chosen(choices: Choices) -> list[list[str]]:
    return [[choices.names[row] for row in path] for path in choices.paths]


def pairs_of(tables: Tables) -> PairTable:
    return PairTable.from_bytes(tables.read(tables.manifest.tables["together"]))


def common(table: PairTable, first: str, second: str) -> float:
    """People who chose both."""
    rows = table.rows(item_keys([first, second]))
    return float(np.expm1(3 * table.signals(rows[1:], rows[:1])[1, 0, 0]))


def test_of_a_log_what_was_chosen_counts(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"user": "ada", "type": "like", "item": {"id": "a", "text": "Tea"}, "timestamp": 200},
        {"user": "ada", "type": "purchase", "item": "b", "timestamp": 100},
        {"user": "ada", "type": "like", "item": "a", "timestamp": 300},
        {"user": "ada", "type": "dislike", "item": "c", "timestamp": 400},
        {"user": "ada", "type": "click", "item": "d", "dwell_s": 1, "timestamp": 500},
        {"user": "bob", "type": "rating", "item": "a", "value": 1, "timestamp": 100},
        {"user": "bob", "type": "rating", "item": "c", "value": 5, "timestamp": 100},
        {"user": "bob", "type": "search", "query": "green tea", "timestamp": 300},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    people = read_people(read_log(path), update=lambda done, total: None)
    choices = Choices.of_deeds(people.deeds, {**people.items, "z": Item("z", "never chosen")})
    assert chosen(choices) == [["b", "a"], ["c"]]
    assert [path.tolist() for path in choices.times] == [[100, 200], [100]]
    assert (choices.count, choices.people) == (3, 2)
    texts = dict(zip(choices.names, choices.texts, strict=True))
    assert texts["a"] == "Tea"
    assert texts["z"] == "never chosen"
    assert not texts["b"]


def test_of_a_folder_the_training_part_alone(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(
        '{"id": "a", "text": "Tea"}\n{"id": "b", "text": "Bus"}\n'
    )
    (tmp_path / "train.jsonl").write_text(
        '{"user": 1, "items": ["b", "gone", "a", "b"], "timestamps": [1, 2, 3, 4]}\n'
    )
    (tmp_path / "test.jsonl").write_text("what is asked for\n")
    choices = Choices.of_folder(DataSet.open(tmp_path))
    assert chosen(choices) == [["b", "a"]]
    assert choices.times[0].tolist() == [1, 3]
    (tmp_path / "train.jsonl").unlink()
    request = {"history": ["a"], "candidates": ["b", "a"], "clicked": ["b"], "timestamp": 9}
    (tmp_path / "train_requests.jsonl").write_text(json.dumps(request) + "\n")
    choices = Choices.of_folder(DataSet.open(tmp_path))
    assert chosen(choices) == [["a", "b"]]
    assert np.isnan(choices.times[0]).all()
    table = make(choices, Making())["record"]
    assert isinstance(table, CountTable)
    rows = table.rows(item_keys(["a", "b"]))
    # What was clicked has its time from the list.
    assert table.signals(rows, np.array(99.0))[:, 3] == pytest.approx([0, np.log(2) / 4])


def crowd(*paths: tuple[int, Iterable[str]]) -> Choices:
    """So many people each who chose these, one a day."""
    names = tuple(dict.fromkeys(name for _, path in paths for name in path))
    rows = [
        np.array([names.index(name) for name in path], dtype=np.int64)
        for many, path in paths
        for _ in range(many)
    ]
    times = tuple(1.7e9 + 86_400.0 * np.arange(len(path)) for path in rows)
    return Choices(names, tuple(f"text of {name}" for name in names), tuple(rows), times)


def test_what_is_skipped_or_cannot_be_made_is_not_there() -> None:
    choices = crowd((3, "ab"), (2, "bc"))

    def encode(texts: object) -> np.ndarray:
        return np.eye(3, dtype=np.float32)

    told = []
    making = Making(steps=3)
    made = make(choices, making, encode=encode, progress=lambda *one: told.append(one))
    assert [*made] == ["together", "record", "succession"]
    assert isinstance(made["succession"], SequenceTable)
    assert told[-1] == ("successions", 3, 3)
    assert [*make(choices, making)] == ["together", "record"]
    blank = Choices(choices.names, ("", " ", ""), choices.paths, choices.times)
    assert "succession" not in make(blank, making, encode=encode)
    only = Making(skip=[Part.PAIRS, Part.SUCCESSIONS])
    assert [*make(choices, only, encode=encode)] == ["record"]
    with pytest.raises(InvalidRequest, match="at least one"):
        Making(skip=list(Part))
    with pytest.raises(InvalidRequest, match="min_people"):
        Making(min_people=0)


def test_a_larger_log_is_learnt_longer() -> None:
    counts = (0, 100, 1_000, 10_000, 100_000, 750_000, 10**6, 10**8)
    steps = [steps_for(count) for count in counts]
    assert steps == [50, 50, 101, 320, 800, 1_200, 1_600, 1_600]
    every = [steps_for(count) for count in range(0, 2_000_000, 5_000)]
    assert every == sorted(every)
    with pytest.raises(InvalidRequest, match="steps"):
        Making(steps=0)


def test_what_few_did_is_in_no_table(tmp_path: Path) -> None:
    choices = crowd((5, "ab"), (4, "ac"), (1, "cd"), (2, "ba"))
    tables = make_folder(choices, tmp_path, Making(min_people=5), now=7.9)
    assert (tables.manifest.items, tables.manifest.people, tables.manifest.made) == (3, 12, 7)
    assert tables.manifest.settings == {"min_people": 5.0}
    pairs = pairs_of(tables)
    assert pairs.rows(item_keys("d")).tolist() == [-1]
    assert common(pairs, "a", "b") == pytest.approx(7)
    assert common(pairs, "a", "c") == 0
    everything = pairs_of(make_folder(choices, tmp_path, Making()))
    assert common(everything, "a", "c") == pytest.approx(4)
    assert everything.rows(item_keys("d")).tolist() != [-1]
    with pytest.raises(DataError, match="expected items that 100 people chose"):
        make_folder(choices, tmp_path / "none", Making(min_people=100))
    assert not (tmp_path / "none").exists()


def history_of(agreed: int, others: int, *, purpose: str = "tables") -> History:
    """People who each liked bread and jam, and some of whom one thing more."""
    history = History.open()
    for number in range(agreed + others):
        user = f"person-{number}"
        history.consent(user, True)
        if number < agreed:
            history.consent(user, True, purpose)
        mine = ["bread", "jam", "tea" if number % 2 else "salt"]
        history.record(
            [
                Event("like", Item(name, f"a {name}"), timestamp=100 + at)
                for at, name in enumerate(mine)
            ],
            user=user,
        )
    return history


def test_only_people_who_agreed_to_tables_are_in_them(tmp_path: Path) -> None:
    with history_of(25, 30) as history:
        tables = make_history_tables(history, tmp_path / "tables")
        assert tables.manifest.people == 25
        assert common(pairs_of(tables), "bread", "jam") == pytest.approx(25)
        last = history.audit_log()[-1]
        assert (last.action, last.purpose) == (AuditAction.RELEASED, "tables")
    with history_of(25, 30, purpose="aggregates") as history, pytest.raises(DataError):
        make_history_tables(history, tmp_path / "others")
    assert not (tmp_path / "others").exists()


def test_nothing_of_fewer_than_20_people_is_in_tables_of_a_store(tmp_path: Path) -> None:
    with history_of(38, 0) as history:
        tables = make_history_tables(history, tmp_path)
        pairs = pairs_of(tables)
        # 38 chose both of the first two; 19 each the tea and the salt.
        assert common(pairs, "bread", "jam") == pytest.approx(38)
        assert pairs.rows(item_keys(["tea", "salt"])).tolist() == [-1, -1]
        record = CountTable.from_bytes(tables.read(tables.manifest.tables["record"]))
        assert record.rows(item_keys(["tea", "salt"])).tolist() == [-1, -1]
        moments = record._arrays["moments"]
        assert np.unique(moments, return_counts=True)[1].min() >= 20
        for few in (1, 19, True):
            with pytest.raises(InvalidRequest, match="min_people: expected an integer ≥ 20"):
                make_history_tables(history, tmp_path, min_people=few)


def test_the_audit_log_comes_before_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with history_of(25, 0) as history:

        def refuse(*_: object, **__: object) -> None:
            raise OSError("full")

        monkeypatch.setattr(history._store, "log", refuse)
        monkeypatch.setattr(history._store, "everyone", lambda: pytest.fail("read"))
        with pytest.raises(OSError, match="full"):
            history.agreed("tables")
        with pytest.raises(InvalidRequest):
            history.agreed("")


def test_a_reranker_makes_them_and_ranks_with_them(tmp_path: Path) -> None:
    items = [Item(name, f"a {name}") for name in ("bread", "jam", "engine")]
    with Reranker.open() as reranker:
        for number in range(60):
            user = f"person-{number}"
            reranker.consent(user, True)
            reranker.consent(user, True, "tables")
            mine = items[:2] if number < 30 else items[2:]
            reranker.record([Event("like", item) for item in mine], user=user)
        tables = reranker.make_tables(tmp_path, items=items)
        assert set(tables.manifest.tables) == {"together", "record", "succession"}
        assert set(reranker.refresh_tables(tables)) >= {"together", "record"}
        assert set(reranker.engine.tables) >= {"together", "record"}
    with Reranker.open(tables=tmp_path) as reranker:
        assert set(reranker.engine.tables) >= {"together", "record"}
