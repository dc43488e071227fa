from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.formats.dataset import DataSet, Withheld, chosen
from edge_rerank.types import Event, EventType, Item
from tests.evaluation.conftest import ITEMS, REQUESTS, TRAIN, Folder

SETS = ("beauty", "toys", "health", "clothing", "books", "steam", "recipes", "movies", "news")


def test_what_is_withheld_is_gone(shop: Path) -> None:
    data = DataSet.open(shop)
    bare = data.without({Withheld.POPULARITY, Withheld.CATEGORIES})
    assert bare.items["mars"] == Item("mars", "Pictures from Mars")
    request = next(bare.requests("test"))
    touched = [*request.candidates, *chosen(request.history)]
    assert all(item.popularity is None and not item.categories for item in touched)
    only = data.without({Withheld.CATEGORIES}).items["mars"]
    assert (only.categories, only.popularity) == ((), 9)
    assert data.without(()).items == data.items


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_plain_and_gzipped(folder: Folder, ending: str) -> None:
    data = DataSet.open(folder(ending=ending, items=ITEMS, train=TRAIN, test=REQUESTS))
    assert list(data.items) == ["bread", "sourdough", "mars", "moon"]
    assert data.items["mars"] == Item("mars", "Pictures from Mars", ["Space"], 9)
    assert data.splits() == ("test",)
    assert data.has("train")
    assert not data.has("valid")
    first, second = data.sequences()
    assert (first.user, first.items) == ("a", ("bread", "sourdough", "bread", "mars"))
    assert second.timestamps == (1.0, 2.0)
    request = next(data.requests("test"))
    assert request.user == "a"
    assert [item.id for item in request.candidates] == ["sourdough", "mars"]
    assert request.candidates[1] is data.items["mars"]
    assert request.clicked == {"mars"}
    assert request.now == request.timestamp == 30.0
    assert [event.timestamp for event in request.history] == [10.0, 20.0]
    assert request.history[0].type is EventType.CLICK
    assert request.history[0].item is data.items["bread"]


def test_odd_but_legal(folder: Folder) -> None:
    data = DataSet.open(
        folder(
            items=[
                "",
                {"id": 1, "text": None, "categories": None, "popularity": None, "price": 3},
                {"id": "2"},
                {"id": "три", "text": "a\ud7ffb", "popularity": 0.5},
            ],
            test=[
                {
                    "user": 17,
                    "history": [1, "2", 99],
                    "candidates": [2, 1, "1", 404],
                    "clicked": [404, 404],
                    "query": None,
                    "extra": {"nested": []},
                },
                "   ",
                {"candidates": ["1"], "clicked": []},
                {
                    "history": [
                        {"item": "2", "timestamp": 9, "type": "view", "dwell_s": 3, "scroll": 0.5},
                        {"type": "search", "query": "tea", "timestamp": "1970-01-01T00:00:05Z"},
                        {"item": 1, "type": None},
                    ],
                    "candidates": [],
                    "clicked": [],
                    "query": "coffee",
                    "timestamp": 1_700_000_000_000,
                },
            ],
        )
    )
    assert data.items["1"].text == ""
    assert not list(data.sequences())
    assert not list(data.paths())
    first, second, third = data.requests("test")
    assert first.user == "17"
    assert [item.id for item in first.candidates] == ["2", "1", "404"]
    assert first.candidates[2] == Item("404")
    assert first.clicked == {"404"}
    assert [event.timestamp for event in first.history] == [0.0, 0.0, 0.0]
    assert [event.item and event.item.id for event in first.history] == ["1", "2", "99"]
    assert (first.now, first.query, first.timestamp) == (0.0, None, None)
    assert (second.user, second.history, second.clicked) == (None, (), frozenset())
    assert (third.query, third.timestamp) == ("coffee", 1_700_000_000.0)
    assert [(event.type.value, event.timestamp) for event in third.history] == [
        ("search", 5.0),
        ("click", 5.0),  # unknown: that of the event before it in the file
        ("view", 9.0),
    ]
    assert (third.history[2].dwell_s, third.history[2].scroll) == (3.0, 0.5)


def test_a_byte_order_mark_is_no_error(folder: Folder) -> None:
    made = folder(items=ITEMS)
    path = made / "items.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(DataSet.open(made).items) == len(ITEMS)


def test_limit_and_splits_of_any_name(folder: Folder) -> None:
    data = DataSet.open(folder(items=ITEMS, holdout=[*REQUESTS, "{broken"]))
    assert len(list(data.requests("holdout", limit=2))) == 2  # the third line is never parsed
    assert data.splits() == ("holdout",)


def test_popularity_is_counted_where_nobody_gives_it(folder: Folder) -> None:
    bare = [{"id": one["id"], "text": one["text"]} for one in ITEMS]
    data = DataSet.open(folder(items=bare, train=TRAIN))
    assert {name: item.popularity for name, item in data.items.items()} == {
        "bread": 2.0,
        "sourdough": 1.0,
        "mars": 2.0,
        "moon": 1.0,
    }
    assert data.items["bread"].text == "Bake rustic bread"


def test_popularity_stays_unknown_without_a_training_part(folder: Folder) -> None:
    data = DataSet.open(folder(items=[{"id": "a"}], test=REQUESTS))
    assert data.items["a"].popularity is None


def test_paths_of_training_requests(folder: Folder) -> None:
    request = {
        "history": [{"item": "bread"}, {"item": "moon", "type": "dislike"}, "mars"],
        "candidates": ["sourdough", "moon"],
        "clicked": ["moon"],
    }
    data = DataSet.open(folder(items=ITEMS, train_requests=[request]))
    assert list(data.paths()) == [("bread", "mars", "moon")]
    assert data.splits() == ("train_requests",)


def test_chosen_leaves_out_what_speaks_against_an_item() -> None:
    item = Item("a")
    kept = ("click", "view", "like", "add_to_cart", "purchase", "complete", "rating")
    history = [Event(kind, item) for kind in (*kept, "impression", "dislike", "dismiss")]
    assert len(chosen([*history, Event("search", query="x")])) == len(kept)


GOOD = REQUESTS[0]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("items", "{", "one JSON object"),
        ("items", "[1]", "got list"),
        ("items", {"text": "no id"}, "id: expected a string, got NoneType"),
        ("items", {"id": True}, "id: expected a string, got bool"),
        ("items", {"id": 1.5}, "id: expected a string, got float"),
        ("items", {"id": "bread"}, "expected each item once"),
        ("items", {"id": "x", "text": 5}, "item text: expected a string"),
        ("items", {"id": "x", "categories": "Food"}, "categories"),
        ("items", '{"id": "x", "popularity": NaN}', "popularity"),
        ("items", {"id": "x", "popularity": -1}, "popularity"),
        ("items", '{"id": "\\ud800"}', "lone surrogate"),
        ("items", {"id": "x" * 513}, "1 to 512 characters"),
        ("train", {"user": "a"}, "items: expected a list of ids, got NoneType"),
        ("train", {"items": ["a"], "timestamps": []}, "as long as items"),
        ("train", {"items": ["a"], "timestamps": [None]}, "a time for each item"),
        ("train", {"items": ["a"], "timestamps": ["soon"]}, "timestamp"),
        ("train", {"items": [["a"]]}, "items: expected a string, got list"),
        ("test", {**GOOD, "candidates": "bread"}, "candidates: expected a list"),
        ("test", {**GOOD, "clicked": None}, "clicked: expected a list"),
        ("test", {**GOOD, "clicked": ["bread"]}, "expected ids from candidates"),
        ("test", {**GOOD, "history": {"item": "bread"}}, "history: expected a list"),
        ("test", {**GOOD, "history": [None]}, "history: expected a string"),
        ("test", {**GOOD, "history": [{"type": "click"}]}, "needs an item"),
        ("test", {**GOOD, "history": [{"item": "bread", "type": "stare"}]}, "unknown type"),
        ("test", {**GOOD, "history": [{"item": "bread", "dwell_s": -1}]}, "dwell_s"),
        ("test", {**GOOD, "history": [{"item": "bread", "timestamp": -1}]}, "timestamp"),
        ("test", {**GOOD, "timestamp": 10**400}, "timestamp"),
        ("test", {**GOOD, "query": ["tea"]}, "query: expected a string or null"),
        ("test", {**GOOD, "user": {"id": 1}}, "user: expected a string"),
    ],
)
def test_a_broken_line_is_named(folder: Folder, name: str, line: Any, reason: str) -> None:
    files: dict[str, list[Any]] = {"items": list(ITEMS), "train": list(TRAIN), "test": [GOOD]}
    files[name] = [*files[name], line]
    made = folder(**files)
    with pytest.raises(DataError) as caught:
        data = DataSet.open(made)
        list(data.sequences())
        list(data.requests("test"))
    assert caught.value.path == made / f"{name}.jsonl"
    assert caught.value.line == len(files[name])
    assert reason in caught.value.reason
    assert f"{name}.jsonl:{len(files[name])}: " in str(caught.value)


def test_an_error_repeats_no_content(folder: Folder) -> None:
    secret = {**GOOD, "user": "alice-secret", "query": {"words": "private words"}}
    with pytest.raises(DataError) as caught:
        list(DataSet.open(folder(items=ITEMS, test=[secret])).requests("test"))
    assert "secret" not in str(caught.value)
    assert "private" not in str(caught.value)


def test_missing_and_doubled_files(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a data set folder"):
        DataSet.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"items\.jsonl\.gz or items\.jsonl, found neither"):
        DataSet.open(folder(test=REQUESTS))
    folder(items=ITEMS)
    data = DataSet.open(folder(ending=".jsonl.gz", test=REQUESTS))
    with pytest.raises(DataError, match="found both"):
        list(data.requests("test"))
    with pytest.raises(DataError, match=r"valid\.jsonl"):
        list(data.requests("valid"))


@pytest.mark.parametrize("split", ["../test", "items", "train", "", "a/b", None])
def test_what_is_no_split(shop: Path, split: Any) -> None:
    with pytest.raises(InvalidRequest, match="split"):
        list(DataSet.open(shop).requests(split))


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "3"])
def test_what_is_no_limit(shop: Path, limit: Any) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        list(DataSet.open(shop).requests("test", limit=limit))


def test_damaged_files(folder: Folder) -> None:
    made = folder(ending=".jsonl.gz", items=ITEMS)
    path = made / "items.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "a"}\n' * 5000)[:40])
    with pytest.raises(DataError, match="cannot be read"):
        DataSet.open(made)
    path.write_bytes(b"not gzip")
    with pytest.raises(DataError, match="cannot be read"):
        DataSet.open(made)
    path.write_bytes(gzip.compress(b'{"id": "a"}\n{"id": "\xff"}\n'))
    with pytest.raises(DataError, match=r"items\.jsonl\.gz:2: expected UTF-8"):
        DataSet.open(made)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SETS, "courses-zh"])
def test_the_development_sets(data_folder: Path, name: str) -> None:
    data = DataSet.open(data_folder / name)
    for split in ("valid", "test"):
        requests = list(data.requests(split))
        assert len(requests) >= 150
        assert all(request.clicked and request.history for request in requests)
    assert sum(len(path) for path in data.paths()) > 10_000


def with_files(folder: Folder, **members: object) -> Path:
    """A folder with ``media/`` whose second item has more to say."""
    path = folder(items=[{"id": "a"}, {"id": "b", **members}], test=REQUESTS)
    (path / "media" / "shoes").mkdir(parents=True)
    (path / "media" / "shoes" / "b.jpg").write_bytes(b"x")
    (path / "secret.jpg").write_bytes(b"x")
    return path


def test_items_name_the_files_of_their_media(folder: Folder) -> None:
    path = with_files(folder, image="shoes/b.jpg", audio=None)
    data = DataSet.open(path)
    found = data.items["b"].image
    assert isinstance(found, Path)
    assert found.samefile(path / "media" / "shoes" / "b.jpg")
    assert data.items["a"].image is None
    assert data.items["b"].audio is None
    assert data.without({Withheld.MEDIA}).items["b"].image is None
    assert data.without({Withheld.POPULARITY}).items["b"].image == found


def test_popularity_of_the_time_leaves_the_picture(folder: Folder) -> None:
    shown = {"candidates": ["a", "b"], "clicked": ["b"], "popularity": [1, 2]}
    path = folder(items=[{"id": "a"}, {"id": "b", "image": "b.jpg"}], test=[shown])
    (path / "media").mkdir()
    (path / "media" / "b.jpg").write_bytes(b"x")
    (request,) = DataSet.open(path).requests("test")
    assert [(item.popularity, item.image is None) for item in request.candidates] == [
        (1, True),
        (2, False),
    ]


def test_without_the_folder_names_of_files_are_ignored(folder: Folder) -> None:
    path = folder(items=[{"id": "b", "image": "https://example.com/b.jpg", "audio": 7}])
    item = DataSet.open(path).items["b"]
    assert (item.image, item.audio) == (None, None)


@pytest.mark.parametrize(
    "name",
    [
        *("gone.jpg", "shoes", "../secret.jpg", "shoes/../../secret.jpg", "", ".", "x" * 5_000),
        *("/etc/passwd", "shoes\\b.jpg", "https://example.com/b.jpg", "a\0b", 7, ["b.jpg"], True),
    ],
)
def test_only_files_of_the_folder_are_named(folder: Folder, name: object) -> None:
    path = with_files(folder, image=name)
    with pytest.raises(DataError, match=r"items\.jsonl\S*:2: image: expected") as caught:
        DataSet.open(path)
    assert not isinstance(name, str) or len(name) < 3 or name not in str(caught.value)


def test_a_link_out_of_the_folder_is_refused(folder: Folder) -> None:
    path = with_files(folder, image="link.jpg")
    (path / "media" / "link.jpg").symlink_to(path / "secret.jpg")
    with pytest.raises(DataError, match="expected a file in media"):
        DataSet.open(path)
