"""Replay of choices: what is asked, and in which order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.errors import DataError
from edge_rerank.evaluation.replay import LEAST_CHOICES, NEGATIVES, draw_people, replay
from edge_rerank.formats.dataset import DataSet, Withheld
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Item


def untold(_done: int, _total: int) -> None:
    """Progress that nobody asked for."""


def test_a_choice_stands_among_items_that_others_had_chosen_by_then(things: Path) -> None:
    data = DataSet.open(things)
    people = draw_people(data, people=5, choices=14, seed=0)
    assert len(people) == 5
    firsts: dict[str, float] = {}
    for one in data.people():
        for item, at in zip(one.items, one.timestamps, strict=True):
            firsts[item] = min(at, firsts.get(item, at))
    for person in people:
        times = [choice.at for choice, _ in person.choices]
        assert times == sorted(times)
        assert len(times) == 14
        assert person.choices[0][1] is None
        own = {choice.item for choice, _ in person.choices}
        for choice, listed in person.choices:
            if listed is not None:
                assert choice.item in listed.items
                others = set(listed.items) - {choice.item}
                assert len(others) <= NEGATIVES
                assert not others & own
                assert all(firsts[item] < choice.at for item in listed.items)


def test_what_nobody_else_had_chosen_is_not_asked_for(tmp_path: Path) -> None:
    """It would be told by that alone: nothing else in its list has been chosen by nobody."""
    items = [{"id": str(row), "text": f"thing {row}"} for row in range(40)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    paths = [[*range(12)], [*range(6, 18)], [*range(20, 25), *range(7)]]
    people = [
        {
            "user": str(number),
            "items": [str(row) for row in path],
            "timestamps": [1_000 * (number + 1) + place for place in range(len(path))],
        }
        for number, path in enumerate(paths)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, people)))
    drawn = draw_people(DataSet.open(tmp_path), people=3, choices=12, seed=0)
    asked = {
        person.choices[0][0].person: [choice.item for choice, listed in person.choices if listed]
        for person in drawn
    }
    assert asked == {
        0: [],
        1: ["7", "8", "9", "10", "11"],
        2: ["0", "1", "2", "3", "4", "5", "6"],
    }


def test_the_same_seed_asks_the_same(things: Path) -> None:
    data = DataSet.open(things)
    first, again, other = (draw_people(data, people=4, choices=13, seed=one) for one in (1, 1, 2))
    assert [one.choices for one in first] == [one.choices for one in again]
    assert [one.choices for one in first] != [one.choices for one in other]


def test_what_is_learnt_counts_from_the_second_list_on(things: Path, engine: RankingEngine) -> None:
    data = DataSet.open(things)
    people = draw_people(data, people=12, choices=16, seed=0)
    asked = replay(engine, data, people, progress=untold)
    assert [len(one) for one in asked] == [
        sum(listed is not None for _, listed in person.choices) for person in people
    ]
    for person in asked:
        assert person[0].frozen == person[0].learnt  # nothing was learnt yet
    assert any(one.frozen != one.learnt for person in asked for one in person)


def test_a_folder_without_times_is_refused(things: Path, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text((things / "items.jsonl").read_text())
    line = {"user": "a", "items": [str(row) for row in range(LEAST_CHOICES)]}
    (tmp_path / "train.jsonl").write_text(json.dumps(line))
    with pytest.raises(DataError, match="expected people with 12 dated choices, found none"):
        draw_people(DataSet.open(tmp_path), people=1, choices=20, seed=0)


def test_withheld_popularity_is_withheld_from_a_replay(
    things: Path, engine: RankingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Item] = []
    answer = RankingEngine.answer

    def spy(self: RankingEngine, candidates: Sequence[Item], **options: Any) -> Any:
        asked.extend(candidates)
        return answer(self, candidates, **options)

    monkeypatch.setattr(RankingEngine, "answer", spy)
    data = DataSet.open(things)
    people = draw_people(data, people=1, choices=4, seed=0)
    replay(engine, data, people, progress=untold)
    assert any(one.popularity for one in asked)
    asked.clear()
    replay(engine, data.without({Withheld.POPULARITY}), people, progress=untold)
    assert asked
    assert {one.popularity for one in asked} == {None}
