"""Lists without leakage for a folder's requests: what existed by then, as popular as it was."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.errors import DataError
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.datasets import redraw as module
from edge_rerank_export.datasets.check import check
from edge_rerank_export.datasets.redraw import redraw
from tests.export.records import read_packed

from .conftest import Folder

ITEMS = [{"id": f"i{number}", "text": f"Thing {number}"} for number in range(40)]


def people(rng: random.Random) -> tuple[list[Any], list[Any]]:
    """What 30 people chose, a thing more of the catalogue each day; and what they chose last."""
    train, test = [], []
    for person in range(30):
        days = sorted(rng.sample(range(1, 100), 8))
        items = []
        for day in days:
            there = [f"i{number}" for number in range(5 + day // 3) if f"i{number}" not in items]
            items.append(rng.choice(there))
        history = [{"item": item, "timestamp": day} for item, day in zip(items, days, strict=True)]
        train.append({"user": f"u{person}", "items": items[:-1], "timestamps": days[:-1]})
        others = [f"i{number}" for number in range(40) if f"i{number}" not in items]
        test.append(
            {
                "user": f"u{person}",
                "history": history[:-1],
                "candidates": [items[-1], *others[-5:]],
                "clicked": [items[-1]],
                "timestamp": days[-1],
            }
        )
    return train, test


@pytest.fixture
def dated(folder: Folder) -> Path:
    train, test = people(random.Random(4))
    return folder(items=ITEMS, train=train, test=test)


def test_everything_beside_the_choice_had_been_chosen_by_others(dated: Path) -> None:
    out = dated / "test_born.jsonl.gz"
    made = redraw(dated, "test", out, negatives=7, seed=1)
    train, test = people(random.Random(4))
    firsts = {
        (one["user"], item): at
        for one in train
        for item, at in zip(one["items"], one["timestamps"], strict=True)
    }
    firsts |= {(one["user"], one["clicked"][0]): one["timestamp"] for one in test}
    asked = {one["user"]: one for one in test}
    redrawn = read_packed(out)
    assert made.lists == len(redrawn) > 20
    assert made.lists + made.unborn + made.alone == 30
    for one in redrawn:
        before = Counter(item for (_, item), at in firsts.items() if at < one["timestamp"])
        assert one["popularity"] == [before[item] for item in one["candidates"]]
        assert min(one["popularity"]) >= 1
        (clicked,) = one["clicked"]
        others = set(one["candidates"]) - {clicked}
        assert len(others) == len(one["candidates"]) - 1 > 0
        assert not [item for item in others if (one["user"], item) in firsts]
        kept = {"history", "clicked", "timestamp", "user"}
        assert {name: one[name] for name in kept} == {
            name: asked[one["user"]][name] for name in kept
        }
    assert check(dated).violations == ()
    (unborn,) = [remark for remark in check(dated).remarks if "nowhere before" in remark]
    assert unborn.startswith("test.jsonl: ")


def test_the_same_seed_gives_the_same_bytes(dated: Path) -> None:
    written = []
    for number, seed in enumerate((1, 1, 2)):
        redraw(dated, "test", dated / f"{number}.jsonl.gz", negatives=3, seed=seed)
        written.append((dated / f"{number}.jsonl.gz").read_bytes())
    assert written[0] == written[1] != written[2]


def test_all_that_there_were(dated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = redraw(dated, "test", dated / "all.jsonl.gz", negatives=None, seed=0)
    few = redraw(dated, "test", dated / "few.jsonl.gz", negatives=3, seed=0)
    assert few.candidates <= 4 < made.candidates
    train, test = people(random.Random(4))
    own = {one["user"]: {*one["items"]} for one in train}
    for one in test:
        own[one["user"]].update(one["clicked"])
    for one in read_packed(dated / "all.jsonl.gz"):
        there = {
            item
            for each in (*train, *test)
            for item, at in zip(
                each.get("items", each.get("clicked")),
                each.get("timestamps", [each.get("timestamp")]),
                strict=True,
            )
            if at < one["timestamp"]
        }
        assert {*one["candidates"]} == (there - own[one["user"]]) | {*one["clicked"]}
    monkeypatch.setattr(module, "MAX_CANDIDATES", 5)
    with pytest.raises(DataError, match="name a number of negatives"):
        redraw(dated, "test", dated / "much.jsonl.gz", negatives=None, seed=0)
    assert not (dated / "much.jsonl.gz").exists()


def test_what_only_the_person_had_chosen_before_is_left_out(folder: Folder) -> None:
    train = [
        {"user": "a", "items": ["i3", "i4"], "timestamps": [10, 11]},
        {"user": "b", "items": ["i1", "i2"], "timestamps": [20, 30]},
    ]
    test = [
        {"user": "a", "candidates": ["i3", "i1"], "clicked": ["i3"], "timestamp": 50},
        {"user": "c", "candidates": ["i1", "i2"], "clicked": ["i1"], "timestamp": 60},
    ]
    made = folder(items=ITEMS, train=train, test=test)
    found = redraw(made, "test", made / "born.jsonl.gz", negatives=2, seed=0)
    assert (found.lists, found.unborn) == (1, 1)
    (one,) = read_packed(made / "born.jsonl.gz")
    assert one["clicked"] == ["i1"]


def test_what_is_left_out_is_counted(folder: Folder) -> None:
    asked = {"candidates": ["i1", "i2"], "clicked": ["i1"]}
    train = [{"user": "a", "items": ["i1", "i2", "i3"], "timestamps": [10, 20, 90]}]
    made = folder(
        items=ITEMS,
        train=train,
        test=[
            {**asked, "user": "b", "timestamp": 50, "clicked": ["i1", "i2"], "dwell_s": [3, 4]},
            {**asked, "user": "c"},
            {**asked, "user": "d", "timestamp": 15},
            {**asked, "user": "e", "timestamp": 5},
            {**asked, "timestamp": 30},
        ],
    )
    out = made / "born.jsonl.gz"
    found = redraw(made, "test", out, negatives=5, seed=0)
    assert (found.undated, found.unborn) == (1, 1)
    # Beside what b and d chose there was nothing that they did not choose themselves.
    assert (found.lists, found.alone) == (1, 3)
    assert found.late == pytest.approx(1 / 3)
    (one,) = read_packed(out)
    assert (one["timestamp"], {*one["candidates"]}) == (30, {"i1", "i2"})
    more = [*train, {"user": "f", "items": ["i7"], "timestamps": [12]}]
    made = folder(items=ITEMS, train=more)
    redraw(made, "test", made / "dwell.jsonl.gz", negatives=5, seed=0)
    dwelt = {
        one["clicked"][0]: one["dwell_s"]
        for one in read_packed(made / "dwell.jsonl.gz")
        if one.get("user") == "b"
    }
    assert dwelt == {"i1": [3.0], "i2": [4.0]}


def test_by_the_command(dated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "lists", str(dated), "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["lists"] == len(read_packed(dated / "test_born.jsonl.gz"))
    assert "of the choices to learn from are later than a list" in said.err
    assert evaluate(None, dated, "test_born").requests == told["lists"]
    assert main(["data", "lists", str(dated), "--negatives", "9"]) == 0
    assert main(["data", "lists", str(dated), "--negatives", "all"]) == 0
    assert (dated / "test_born10.jsonl.gz").is_file()
    assert (dated / "test_bornall.jsonl.gz").is_file()
    assert main(["data", "lists", str(dated)]) == EXIT_USAGE
    assert "expected no file there yet" in capsys.readouterr().err


def test_a_folder_without_times_is_refused(folder: Folder) -> None:
    asked = {"candidates": ["i1", "i2"], "clicked": ["i1"]}
    made = folder(items=ITEMS, train=[{"user": "a", "items": ["i1"]}], test=[asked])
    with pytest.raises(DataError, match="expected requests with a time and a click"):
        redraw(made, "test", made / "born.jsonl.gz", negatives=5, seed=0)
    assert not (made / "born.jsonl.gz").exists()
