"""Replay of choices: what is asked, in which order, and the figures that come of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import DataSet
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.cli import main
from edge_rerank_export.studies.replay.figures import gains_of
from edge_rerank_export.studies.replay.replay import (
    LEAST_CHOICES,
    NEGATIVES,
    Asked,
    draw_people,
    replay,
)

COLOURS = ("red", "blue", "green", "plain", "striped", "gold", "old", "new")
THINGS = ("lamp", "teapot", "scarf", "notebook", "tent", "kettle")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 things, of which each person chooses those of one or two kinds first."""
    made = tmp_path_factory.mktemp("things")
    texts = [(f"{colour} {thing}", thing) for thing in THINGS for colour in COLOURS]
    items = [
        json.dumps({"id": str(row), "text": text, "categories": [kind]})
        for row, (text, kind) in enumerate(texts)
    ]
    (made / "items.jsonl").write_text("\n".join(items))
    rng = np.random.default_rng(0)
    lines = []
    for person in range(20):
        kind = person % len(THINGS)
        own = [kind * 8 + one for one in rng.permutation(8).tolist()]
        rest = [row for row in rng.permutation(48).tolist() if row not in own]
        chosen = [*own, *rest[:8]]
        times = [1_600_000_000 + 86_400 * (day + 2 * person) for day in range(len(chosen))]
        lines.append(
            json.dumps({"user": str(person), "items": [*map(str, chosen)], "timestamps": times})
        )
    (made / "train.jsonl").write_text("\n".join(lines))
    return made


def test_a_choice_stands_among_items_that_others_had_chosen_by_then(folder: Path) -> None:
    data = DataSet.open(folder)
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
                assert all(firsts[item] < choice.at for item in others)


def test_the_same_seed_asks_the_same(folder: Path) -> None:
    data = DataSet.open(folder)
    first, again, other = (draw_people(data, people=4, choices=13, seed=one) for one in (1, 1, 2))
    assert [one.choices for one in first] == [one.choices for one in again]
    assert [one.choices for one in first] != [one.choices for one in other]


def test_what_is_learnt_counts_from_the_second_list_on(folder: Path, engine: RankingEngine) -> None:
    data = DataSet.open(folder)
    people = draw_people(data, people=12, choices=16, seed=0)
    asked = replay(engine, data, people, update=lambda _done, _total: None)
    assert [len(one) for one in asked] == [
        sum(listed is not None for _, listed in person.choices) for person in people
    ]
    for person in asked:
        assert person[0].frozen == person[0].learnt  # nothing was learnt yet
    assert any(one.frozen != one.learnt for person in asked for one in person)


def test_figures_of_people_that_gain_and_lose() -> None:
    gains = gains_of(
        "made",
        [
            [Asked(1, 0.5, 0.6), Asked(12, 0.5, 0.5), Asked(30, 0.5, 0.7)],
            [Asked(1, 0.5, 0.4), Asked(2, 0.5, 0.4)],
            [],
        ],
    )
    assert (gains.people, gains.asked) == (2, 5)
    assert gains.frozen == pytest.approx(0.5)
    assert gains.learnt == pytest.approx(0.52)
    assert gains.gain == pytest.approx(0.04)
    assert gains.early == pytest.approx(1.4 / 1.5 - 1)
    assert gains.middle == pytest.approx(0)
    assert gains.late == pytest.approx(0.4)
    assert gains.worse == 0.5
    assert gains.worst == pytest.approx(-0.1)
    assert gains.interval.low <= gains.gain <= gains.interval.high


def test_a_folder_without_times_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text((folder / "items.jsonl").read_text())
    line = {"user": "a", "items": [str(row) for row in range(LEAST_CHOICES)]}
    (tmp_path / "train.jsonl").write_text(json.dumps(line))
    with pytest.raises(DataError, match="expected people with 12 dated choices, found none"):
        draw_people(DataSet.open(tmp_path), people=1, choices=20, seed=0)


def test_the_command_prints_a_table_and_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(folder), "--people", "2", "--choices", "13", "--json"]) == 0
    said = capsys.readouterr().out
    table, _, rest = said.partition("{")
    assert folder.resolve().name[:6] in table
    (gains,) = json.loads("{" + rest)["replay"]
    assert gains["people"] == 2
    assert 0 < gains["frozen"] < 1
