"""Folders in which everybody is asked for their last choice."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.formats.dataset import DataSet
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.datasets.check import check
from edge_rerank_export.datasets.last import leave_last_out
from tests.export.records import read_packed

from .conftest import Folder

NAMES = [f"i{number}" for number in range(25)]
ITEMS = [{"id": name, "text": f"thing {name}", "popularity": 99} for name in NAMES]


def asked(user: str, at: int, name: str) -> Any:
    return {"user": user, "candidates": ["i0", name], "clicked": [name], "timestamp": at}


@pytest.fixture
def made(folder: Folder, tmp_path: Path) -> Path:
    """Ada was asked for her last choice, Bob for his last two; Cleo has too few."""
    source = folder(
        items=ITEMS,
        train=[
            {"user": "ada", "items": ["i3", "i1", "i3", "i2"], "timestamps": [1, 2, 3, 3]},
            {"user": "bob", "items": ["i5", "i6"], "timestamps": [1, 4]},
            {"user": "cleo", "items": ["i1", "i2"], "timestamps": [1, 9]},
            {"items": ["i7", "i1", "i9"]},
        ],
        valid=[asked("bob", 6, "i7")],
        test=[asked("bob", 7, "i8"), asked("ada", 5, "i4")],
    )
    out = tmp_path / "last"
    told = leave_last_out(source, out)
    assert (told.people, told.others, told.items, told.choices) == (3, 1, 25, 13)
    return out


def test_the_last_two_choices_are_asked_for(made: Path) -> None:
    train, valid, test = (
        read_packed(made / f"{name}.jsonl.gz") for name in ("train", "valid", "test")
    )
    assert [one["items"] for one in train] == [["i3", "i1"], ["i5", "i6"], ["i1", "i2"], ["i7"]]
    assert [one["clicked"] for one in valid] == [["i2"], ["i7"], ["i1"]]
    assert [one["clicked"] for one in test] == [["i4"], ["i8"], ["i9"]]
    before = [[entry["item"] for entry in one["history"]] for one in test]
    assert before == [["i3", "i1", "i2"], ["i5", "i6", "i7"], ["i7", "i1"]]


def test_times_stay_with_their_choices(made: Path) -> None:
    train, test = read_packed(made / "train.jsonl.gz"), read_packed(made / "test.jsonl.gz")
    assert train[0]["timestamps"] == [1, 2]
    assert [one.get("timestamp") for one in test] == [5, 7, None]
    assert [entry["timestamp"] for entry in test[1]["history"]] == [1, 4, 6]
    assert "timestamps" not in train[3]


def test_popularity_counts_what_is_learnt_from_alone(made: Path) -> None:
    counts = Counter(name for one in read_packed(made / "train.jsonl.gz") for name in one["items"])
    assert {item["id"]: item["popularity"] for item in read_packed(made / "items.jsonl.gz")} == {
        name: counts[name] for name in NAMES
    }


def test_beside_a_choice_stands_nothing_the_person_ever_chose(made: Path) -> None:
    data = DataSet.open(made)
    whole = {
        one["user"]: {*(entry["item"] for entry in one["history"]), *one["clicked"]}
        for one in read_packed(made / "test.jsonl.gz")
    }
    for split in ("valid", "test"):
        for one in data.requests(split):
            others = {item.id for item in one.candidates} - one.clicked
            assert len(others) >= 5
            assert others.isdisjoint(whole[one.user or ""])
    first = [one.candidates[0].id in one.clicked for one in data.requests("test")]
    assert not all(first)


def test_the_folder_keeps_the_format_and_nobodys_name(made: Path) -> None:
    assert not check(made).violations
    text = "".join(gzip.decompress(path.read_bytes()).decode() for path in made.glob("*.gz"))
    assert "ada" not in text


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path, folder: Folder) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for out in (one, other):
        assert main(["data", "last", str(made), "--out", str(out)]) == 0
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes()


def test_lists_are_as_long_as_asked_for(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "short"
    assert main(["data", "last", str(made), "--out", str(out), "--negatives", "2"]) == 0
    before, after = (
        [len(one["candidates"]) for one in read_packed(folder / "test.jsonl.gz")]
        for folder in (made, out)
    )
    assert max(after) <= 3 < min(before)


def test_nobody_with_enough(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder(items=ITEMS, train=[{"user": "u", "items": ["i1", "i2"]}])
    out = tmp_path / "out"
    assert main(["data", "last", str(source), "--out", str(out)]) == EXIT_USAGE
    assert "3 choices" in capsys.readouterr().err
    assert not out.exists()


def test_pictures_come_along(folder: Folder, tmp_path: Path) -> None:
    items = [{**one, "image": "shoes/one.jpg"} if one["id"] == "i3" else one for one in ITEMS]
    source = folder(items=items, train=[{"user": "ada", "items": ["i3", "i1", "i2"]}])
    (source / "media" / "shoes").mkdir(parents=True)
    (source / "media" / "shoes" / "one.jpg").write_bytes(b"a picture")
    leave_last_out(source, tmp_path / "new")
    found = DataSet.open(tmp_path / "new").items["i3"].image
    assert isinstance(found, Path)
    assert found.read_bytes() == b"a picture"
    assert found.is_relative_to((tmp_path / "new").resolve())
    assert check(tmp_path / "new").violations == ()
    (tmp_path / "new" / "media" / "shoes" / "one.jpg").unlink()
    (violation,) = check(tmp_path / "new").violations
    assert (violation.line, violation.reason[:6]) == (4, "image:")
