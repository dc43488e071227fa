"""Ranking for many people at once: the same lists as one by one, from any kind of columns."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank import Event, Item, Reranker, errors
from edge_rerank.batch import BatchRanker
from edge_rerank.evaluation.invented import invented_items

NOW = 1_700_000_000.0
ITEMS = invented_items(40)
DAY = 86_400.0


def rows(count: int = 6) -> dict[str, list[Any]]:
    """People with 0 to 7 events, not in order, each before another ten candidates."""
    rng = np.random.default_rng(3)
    batch: dict[str, list[Any]] = {
        name: [] for name in ("person", "history", "types", "timestamps", "candidates")
    }
    for person in range(count):
        events = rng.permutation(len(ITEMS))[: min(person, 7)]
        batch["person"].append(person)
        batch["history"].append([ITEMS[row].id for row in events])
        batch["types"].append(["click", "like", "dislike", "view"][:1] * len(events))
        batch["timestamps"].append((NOW - DAY * rng.random(len(events))).tolist())
        batch["candidates"].append([ITEMS[row].id for row in rng.permutation(40)[:10]])
    return batch


@pytest.fixture(scope="module")
def ranker() -> Iterator[BatchRanker]:
    ranker = BatchRanker(ITEMS, now=NOW)
    yield ranker
    ranker.close()


def test_lists_are_those_of_rank_to_the_last_bit(tmp_path: Path) -> None:
    batch = rows()
    ranker = BatchRanker(ITEMS, now=NOW, vectors=tmp_path / "vectors")
    found = ranker(batch)
    ranker.close()
    assert found["person"].tolist() == batch["person"]
    known = {item.id: item for item in ITEMS}
    with Reranker.open(learning=False) as reranker:
        catalogue = reranker.prepare(ITEMS, vectors=tmp_path / "vectors")
        for row, person in enumerate(map(str, batch["person"])):
            reranker.consent(person, True)
            history, times = batch["history"][row], batch["timestamps"][row]
            events = [
                Event("click", known[name], timestamp=when)
                for name, when in sorted(zip(history, times, strict=True), key=lambda one: one[1])
            ]
            reranker.record(events, user=person)
            candidates = catalogue.select(batch["candidates"][row])
            ranking = reranker.rank(candidates, user=person, now=NOW)
            assert found["ids"][row] == [one.item.id for one in ranking]
            assert found["scores"][row] == [one.score for one in ranking]


def test_columns_of_numpy_arrow_and_pandas_are_the_same(ranker: BatchRanker) -> None:
    batch = rows()
    expected = ranker(batch)["ids"].tolist()
    arrays = {name: np.empty(6, dtype=object) for name in batch}
    for name, column in batch.items():
        for row, value in enumerate(column):
            arrays[name][row] = np.array(value) if isinstance(value, list) else value
    assert ranker(arrays)["ids"].tolist() == expected
    arrow = pytest.importorskip("pyarrow").table(batch)
    assert ranker(arrow)["ids"].tolist() == expected
    frame = pytest.importorskip("pandas").DataFrame(batch)
    assert ranker(frame)["ids"].tolist() == expected


def test_a_copy_that_was_pickled_opens_by_itself(ranker: BatchRanker, tmp_path: Path) -> None:
    ranker.prepare()
    sent = pickle.dumps(ranker)
    assert len(sent) < 20_000  # the items, and neither model nor vectors
    copy: BatchRanker = pickle.loads(sent)
    assert repr(copy) == "<BatchRanker, not open>"
    batch = rows(2)
    assert copy(batch)["scores"].tolist() == ranker(batch)["scores"].tolist()
    copy.close()


def test_what_stands_in_columns_of_events_and_lists_counts(ranker: BatchRanker) -> None:
    batch = rows(4)
    plain = ranker(batch)["scores"].tolist()
    asked = {**batch, "query": [None, None, None, ITEMS[0].text]}
    found = ranker(asked)["scores"].tolist()
    assert found[:3] == plain[:3]
    assert found[3] != plain[3]
    dwelt = {**batch, "dwell_s": [None, [1.0], [400.0, 2.0], [1.0, None, 3.0]]}
    assert ranker(dwelt)["scores"].tolist()[2] != plain[2]
    searched = {
        **batch,
        "types": [[], ["search"], ["click", "click"], ["click", "search", "click"]],
        "queries": [[], [ITEMS[1].text], [None, None], [None, ITEMS[2].text, None]],
    }
    assert ranker(searched)["scores"].tolist()[1] != plain[1]
    later = {**batch, "now": [None, NOW, NOW + 400 * DAY, NOW]}
    assert ranker(later)["scores"].tolist()[:2] == plain[:2]


def test_an_item_that_is_sold_no_more_does_not_stop_a_list(ranker: BatchRanker) -> None:
    batch = rows(2)
    batch["history"][1] = ["sold-out"]
    assert len(ranker(batch)["ids"][1]) == 10


BAD = {
    "candidates": (["nothing-known"], "ids: expected those of the catalogue, got 1"),
    "types": (["clock"], "type: expected one of"),
    "timestamps": ([None], "timestamps: expected UTC seconds of each event, got None"),
    "timestamps in milliseconds": (
        [NOW * 1000],
        r"timestamp: expected UTC seconds up to now, got a time more than a day ahead \(millisec",
    ),
    "history": (["a", "b"], "types: expected one for each of 2 events of history, got 1"),
}


@pytest.mark.parametrize("column", BAD)
def test_a_bad_row_is_an_error_or_marked(ranker: BatchRanker, column: str) -> None:
    value, message = BAD[column]
    batch = rows(3)
    batch[column.split(maxsplit=1)[0]][1] = value
    with pytest.raises(errors.InvalidRequest, match=f"row 1 of the batch: {message}") as raised:
        ranker(batch)
    assert "nothing-known" not in str(raised.value)
    with_marks = BatchRanker(ITEMS, now=NOW, bad_rows="mark")
    found = with_marks(batch)
    assert re.match(message, found["error"][1])
    assert found["ids"][1] is None and found["scores"][1] is None
    good = ranker(rows(3))
    assert [found["ids"][row] for row in (0, 2)] == [good["ids"][row] for row in (0, 2)]
    assert found["error"][0] is None
    with_marks.close()


def test_a_batch_without_a_column_or_with_columns_of_two_lengths(ranker: BatchRanker) -> None:
    batch = rows(2)
    with pytest.raises(errors.InvalidRequest, match="there is no candidates"):
        ranker({name: column for name, column in batch.items() if name != "candidates"})
    with pytest.raises(errors.InvalidRequest, match="person 1"):
        ranker({**batch, "person": [1]})


def test_malformed_arguments_are_refused_at_once() -> None:
    with pytest.raises(errors.InvalidRequest, match="bad_rows"):
        BatchRanker(ITEMS, bad_rows="skip")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRequest, match="now"):
        BatchRanker(ITEMS, now="today")  # type: ignore[typeddict-item]
    with pytest.raises(TypeError, match="topk"):
        BatchRanker(ITEMS, topk=3)  # type: ignore[call-arg]
    with pytest.raises(errors.InvalidRequest, match="items"):
        BatchRanker([Item("a"), "b"])  # type: ignore[list-item]


def test_vectors_are_read_from_their_file_by_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "vectors"
    first = BatchRanker(ITEMS, now=NOW, vectors=file)
    assert not file.exists()
    digest = first.prepare()
    assert file.exists() and len(digest) == 64
    second = pickle.loads(pickle.dumps(first))
    assert second(rows(3))["scores"].tolist() == first(rows(3))["scores"].tolist()
    first.close()
    second.close()
