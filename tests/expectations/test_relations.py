"""The relations themselves are judged: who obeys holds all, who ignores or defies is found out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item, RankedItem, Ranking
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.evaluation.expectations.changes import RELATIONS, Ratings, Subject
from edge_rerank.evaluation.expectations.kinds import Shelf, share_of_words, words
from edge_rerank.evaluation.expectations.relations import (
    COLUMNS,
    RelationsReport,
    check_relations,
    draw_trials,
    judge,
)
from edge_rerank.formats.dataset import DataSet
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.options import RankOptions
from edge_rerank.render.texttable import text_table
from edge_rerank.types import EventType
from tests.evaluation.conftest import write_lines

KINDS = ("bread", "planet", "tennis", "violin", "garden", "harbour", "castle", "engine")
PER_KIND = 30
FIELDS = np.eye(len(KINDS), dtype=np.float32)

STRENGTH = {
    EventType.CLICK: 1.0,
    EventType.VIEW: 1.0,
    EventType.LIKE: 1.5,
    EventType.PURCHASE: 2.0,
    EventType.DISLIKE: -1.5,
    EventType.DISMISS: -1.0,
}


class Stub:
    """Orders by a number for each kind, which it knows from the last word of a text."""

    def vectors(self, items: Sequence[Item]) -> NDArray[np.float32]:
        return np.stack([FIELDS[_kind(item.text)] for item in items])

    def rank(
        self,
        items: Sequence[Item],
        *,
        history: Sequence[Event] = (),
        **options: Unpack[RankOptions],
    ) -> Ranking:
        query = options.get("query")
        favour = self.favour(history)
        scores = [
            favour[_kind(item.text)]
            + (100 * share_of_words(item, query) if query else 0.0)
            # Kinds mingle, so that a little favour changes a few places.
            + crc32(item.id.encode()) % 1_000 / 100
            for item in items
        ]
        order = np.argsort(-np.array(scores), kind="stable").tolist()
        return Ranking(
            tuple(
                RankedItem(items[row], rank, scores[row]) for rank, row in enumerate(order, start=1)
            ),
            id="stub",
        )

    def favour(self, history: Sequence[Event]) -> NDArray[np.float64]:
        raise NotImplementedError


class Obedient(Stub):
    """Events of a kind add up, later ones more; the last word on an item holds."""

    def favour(self, history: Sequence[Event]) -> NDArray[np.float64]:
        said: dict[str, tuple[str, float]] = {}
        for event in history:
            if event.item is not None:
                said[event.item.id] = (event.item.text, _strength(event))
            elif event.query:
                said[event.query] = (event.query, 1.0)
        favour = np.zeros(len(KINDS))
        for age, (text, strength) in enumerate(reversed(list(said.values()))):
            favour[_kind(text)] += strength * 0.8**age
        return favour


class Zealous(Obedient):
    """Puts whole kinds before others."""

    def favour(self, history: Sequence[Event]) -> NDArray[np.float64]:
        return 100 * super().favour(history)


class Deaf(Stub):
    """Hears nothing but the query, and that not either."""

    def favour(self, history: Sequence[Event]) -> NDArray[np.float64]:
        return np.zeros(len(KINDS))

    def rank(
        self,
        items: Sequence[Item],
        *,
        history: Sequence[Event] = (),
        **options: Unpack[RankOptions],
    ) -> Ranking:
        options["query"] = None
        return super().rank(items, history=history, **options)


class Contrary(Obedient):
    """Does the opposite of what it is told."""

    def favour(self, history: Sequence[Event]) -> NDArray[np.float64]:
        return -super().favour(history)


def _kind(text: str) -> int:
    return next((place for place, name in enumerate(KINDS) if name in text), 0)


def _strength(event: Event) -> float:
    if event.type is EventType.RATING:
        return (event.value or 0.0) - 3.0
    if event.dwell_s is not None:
        return float(np.log1p(event.dwell_s)) / 4
    return STRENGTH[event.type]


@pytest.fixture
def catalogue(tmp_path: Path) -> DataSet:
    """Eight kinds of thirty items, and forty histories in two kinds each, without times."""
    items = [
        {"id": f"{name}{number}", "text": f"{_name(kind, number)} {name}", "categories": [name]}
        for kind, name in enumerate(KINDS)
        for number in range(PER_KIND)
    ]
    rng = np.random.default_rng(5)
    requests = []
    for _ in range(40):
        first, second = rng.choice(KINDS, 2, replace=False).tolist()
        history = [f"{first}{n}" for n in rng.choice(PER_KIND, 4, replace=False)]
        history += [f"{second}{n}" for n in rng.choice(PER_KIND, 3, replace=False)]
        requests.append({"history": history, "candidates": ["bread0"], "clicked": []})
    return folder(tmp_path, items=items, valid=requests)


def folder(path: Path, **files: list[Any]) -> DataSet:
    for name, records in files.items():
        write_lines(path / f"{name}.jsonl", records)
    return DataSet.open(path)


def _name(kind: int, number: int) -> str:
    """A word that no other item has."""
    signs = "abcdefghij"
    return "q" + "".join(signs[int(digit)] for digit in f"{kind}{number:02}")


def shares(report: RelationsReport) -> dict[str, float]:
    return {one.relation: one.share for one in report.tallies}


def test_one_who_obeys_holds_every_relation(catalogue: DataSet) -> None:
    report = check_relations(Obedient(), catalogue, count=30)
    assert shares(report) == {relation.name: 1.0 for relation in RELATIONS}
    assert all(one.tested >= 25 for one in report.tallies), "every change fits these histories"


def test_one_who_ignores_what_happens_holds_none(catalogue: DataSet) -> None:
    report = check_relations(Deaf(), catalogue, count=30)
    held = {one.relation: one.held for one in report.tallies}
    by_luck = held.pop("query")
    assert by_luck <= 5
    assert set(held.values()) == {0}
    assert all(one.unchanged == one.tested for one in report.tallies if one.relation != "query")


def test_one_who_does_the_opposite_is_told_from_one_who_does_nothing(catalogue: DataSet) -> None:
    report = check_relations(Contrary(), catalogue, count=30)
    for one in report.tallies:
        if one.relation != "query":
            assert one.held <= one.no_room, one.relation
            assert one.places < 0, one.relation


def test_what_stands_at_the_end_already_needs_not_move(catalogue: DataSet) -> None:
    engine = Zealous()
    trial = next(
        one
        for trials in draw_trials(engine, catalogue, count=20, split="valid")
        for one in trials
        if one.relation.name == "session"
    )
    (kind,) = {_kind(item.text) for item in trial.candidates if item.id in trial.watched}
    others = [item for item in trial.candidates if _kind(item.text) != kind]
    watched = [item for item in trial.candidates if item.id in trial.watched]
    top = replace(trial, before=trial.after, candidates=(*others, *watched))
    outcome = judge(engine, top)
    assert (outcome.held, outcome.room, outcome.places) == (True, False, 0.0)
    falls = next(one for one in RELATIONS if not one.rises)
    assert not judge(engine, replace(top, relation=falls)).held


def test_a_query_must_bring_its_item_to_the_first_places(catalogue: DataSet) -> None:
    trial = next(
        one
        for trials in draw_trials(Obedient(), catalogue, count=1, split="valid")
        for one in trials
        if one.query is not None
    )
    assert judge(Obedient(), trial).held
    assert not judge(Obedient(), replace(trial, query="zebra")).held


def test_the_same_seed_draws_the_same_trials(catalogue: DataSet) -> None:
    first, again, other = (
        check_relations(Obedient(), catalogue, count=5, seed=seed).to_json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_trials_watch_nothing_that_the_history_touches(catalogue: DataSet) -> None:
    for trials in draw_trials(Obedient(), catalogue, count=10, split="valid"):
        for trial in trials:
            touched = {
                event.item.id for event in (*trial.before, *trial.after) if event.item is not None
            }
            ids = [item.id for item in trial.candidates]
            assert len(ids) == len(set(ids))
            assert not touched.intersection(ids)
            assert trial.watched < set(ids)
            for events in (trial.before, trial.after):
                times = [event.timestamp or 0.0 for event in events]
                assert times == sorted(times)
                assert 0 < times[0] <= times[-1] < trial.now


def test_the_report_is_a_table_and_json(catalogue: DataSet) -> None:
    done: list[tuple[int, int]] = []
    report = check_relations(
        Obedient(), catalogue, count=3, progress=lambda *step: done.append(step)
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    table = text_table(COLUMNS, report.rows(), width=120)
    assert all(relation.name in table for relation in RELATIONS)
    read = json.loads(report.to_json())
    assert (read["split"], read["histories"], read["share"], read["worst"]) == ("valid", 3, 1, 1)
    assert [one["relation"] for one in read["relations"]] == [one.name for one in RELATIONS]


def test_a_data_set_without_histories_is_refused(tmp_path: Path) -> None:
    items = [{"id": "a", "text": "Rye bread"}]
    short = [{"history": ["a"], "candidates": ["a"], "clicked": []}]
    with pytest.raises(DataError, match="expected a file of requests"):
        check_relations(Obedient(), folder(tmp_path, items=items))
    data = folder(tmp_path, valid=short)
    with pytest.raises(DataError, match="expected a history of 3 choices"):
        check_relations(Obedient(), data)
    with pytest.raises(InvalidRequest, match="count"):
        check_relations(Obedient(), data, count=0)


def test_kinds_are_found_by_categories_words_and_vectors(engine: RankingEngine) -> None:
    items = [
        Item("rye", "Dark rye bread", ["Baking"]),
        Item("wheat", "Wheat loaf for the weekend", ["Baking"]),
        Item("bagel", "Bagels with sesame, baked at home"),
        Item("moon", "Craters of the moon", ["Space"]),
        Item("zh1", "大数据与城市规划"),
        Item("zh2", "城市规划概论"),
        Item("copy", "dark rye bread"),
    ]
    shelf = Shelf(items, engine, np.random.default_rng(0))
    assert len(shelf.items) == 6, "of two items with one text one stays"
    kind = [item.id for item in shelf.kind(items[1], leave_out={"copy"})]
    assert kind.index("rye" if "rye" in kind else "bagel") < kind.index("moon")
    # The shipped pack reads no Chinese: signs in common make the kind.
    assert [item.id for item in shelf.kind(items[4], leave_out=())] == ["zh2"]
    assert shelf.fitting("城市规划", leave_out=())[0].id in {"zh1", "zh2"}


def test_words_of_a_text() -> None:
    assert words("The Moon 1969, a moon") == ["the", "moon"]
    assert words("Python 程序设计") == ["python", "程序", "序设", "设计"]
    assert share_of_words(Item("a", "Craters of the moon"), "moon tennis") == 0.5


def test_ratings_are_read_on_the_scale_of_the_data() -> None:
    assert Ratings.of(5.0) == Ratings(5.0, 1.0)
    assert Ratings.of(8.0) == Ratings(9.0, 2.0)
    assert Ratings.of(77.0) == Ratings(90.0, 20.0)


def test_what_speaks_against_an_item_is_no_choice(engine: RankingEngine) -> None:
    rye, moon = Item("rye", "Dark rye bread"), Item("moon", "Craters of the moon")
    events = (
        Event("click", rye, timestamp=1.0, dwell_s=1.0),
        Event("rating", Item("wheat", "Wheat loaf"), timestamp=2.0, value=2.0),
        Event("rating", Item("bun", "Sweet bun"), timestamp=3.0, value=9.0),
        Event("dislike", Item("pie", "Apple pie"), timestamp=4.0),
        Event("click", moon, timestamp=5.0),
        Event("click", Item("tart", "Lemon tart"), timestamp=6.0),
        Event("dismiss", Item("tart", "Lemon tart"), timestamp=7.0),
        Event("search", query="bread", timestamp=8.0),
    )
    rng = np.random.default_rng(0)
    shelf = Shelf([rye, moon], engine, rng)
    assert Subject(events, shelf, Ratings(9.0, 2.0), rng).choices() == [2, 4]
