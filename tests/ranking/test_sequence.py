from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import PackInvalid
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.table import UNKNOWN, item_key, item_keys

NAMES = ["a", "b", "c"]
VECTORS = {"a": (3.0, 0.0), "b": (0.0, 2.0), "c": (-1.0, 1.0)}


def table(*, places: tuple[float, ...] = (1.0, 0.5)) -> SequenceTable:
    """Two numbers an item; the layer adds (1, 0) where a state's first number is positive."""
    names = sorted(NAMES, key=item_key)
    return SequenceTable(
        ids=item_keys(names),
        vectors=np.array([VECTORS[name] for name in names], dtype=np.float16),
        places=np.repeat(np.array(places, dtype=np.float32)[:, None], 2, axis=1),
        inner=np.array([[1, 0], [0, 0], [0, 0]], dtype=np.float32),
        inner_bias=np.zeros(3, dtype=np.float32),
        outer=np.array([[1, 0, 0], [0, 0, 0]], dtype=np.float32),
        outer_bias=np.zeros(2, dtype=np.float32),
    )


def scores(of: SequenceTable, candidates: list[str], history: list[str]) -> np.ndarray:
    return of.signals(
        of.rows(item_keys(candidates)), of.rows(item_keys(history)), np.ones(len(history))
    )


def test_scores_by_hand() -> None:
    # After b then a: (3, 0) + (0, 2) / 2 = (3, 1), normalised (1, -1), with the layer (2, -1).
    assert scores(table(), NAMES, ["b", "a"]) == pytest.approx([6 / 4, -2 / 4, -3 / 4], abs=1e-4)
    # After a then b: (3, 0) / 2 + (0, 2) = (1.5, 2), normalised (-1, 1), the layer adds nothing.
    assert scores(table(), NAMES, ["a", "b"]) == pytest.approx([-3 / 4, 2 / 4, 2 / 4], abs=1e-3)


def test_what_has_no_vector_is_not_judged_and_changes_nothing() -> None:
    own = table()
    after = scores(own, [*NAMES, "stranger"], ["b", "a"])
    assert np.isnan(after).tolist() == [False, False, False, True]
    assert np.isnan(scores(own, NAMES, ["stranger"])).all()
    assert np.isnan(scores(own, NAMES, [])).all()
    weak = own.signals(
        own.rows(item_keys(NAMES)), own.rows(item_keys(["b", "stranger", "a"])), np.ones(3)
    )
    # A stranger between them takes a place, but adds nothing: only a is within two places.
    assert weak == pytest.approx(scores(own, NAMES, ["stranger", "a"]), abs=1e-6)


def test_older_items_do_not_count() -> None:
    own = table()
    assert scores(own, NAMES, ["c", "c", "b", "a"]) == pytest.approx(scores(own, NAMES, ["b", "a"]))


def test_an_item_liked_less_weighs_less() -> None:
    own = table(places=(1.0, 1.0))
    rows = own.rows(item_keys(NAMES)), own.rows(item_keys(["b", "a"]))
    half = own.signals(*rows, np.array([1.0, 0.5]))
    even = table(places=(0.5, 1.0)).signals(*rows, np.ones(2))
    assert half == pytest.approx(even)
    assert half.tolist() != own.signals(*rows, np.ones(2)).tolist()


@given(st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=4), min_size=1, max_size=5))
def test_a_batch_gives_what_each_request_gives_alone(histories: list[list[int]]) -> None:
    own = table()
    history = np.array(histories)
    candidates = np.broadcast_to(np.array([0, 1, 2, UNKNOWN]), (len(histories), 4))
    strength = np.ones(history.shape)
    batch = own.signals(candidates, history, strength)
    for row, alone in enumerate(batch):
        np.testing.assert_allclose(
            alone, own.signals(candidates[row], history[row], strength[row]), atol=1e-6
        )


def test_round_trip() -> None:
    raw = table().to_bytes()
    again = SequenceTable.from_bytes(raw)
    assert again.to_bytes() == raw
    assert scores(again, NAMES, ["b", "a"]).tolist() == scores(table(), NAMES, ["b", "a"]).tolist()


def test_a_damaged_table_is_refused() -> None:
    raw = table().to_bytes()
    for broken in (b"", b"PK", raw[:-40]):
        with pytest.raises(PackInvalid, match="table of successions"):
            SequenceTable.from_bytes(broken)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ids", np.zeros(0, dtype=np.uint64)),
        ("vectors", np.zeros(5, dtype=np.float16)),
        ("vectors", np.full(6, np.nan, dtype=np.float16)),
        ("places", np.zeros(0, dtype=np.float32)),
        ("places", np.zeros(3, dtype=np.float32)),
        ("inner", np.zeros(5, dtype=np.float32)),
        ("outer", np.full(6, np.inf, dtype=np.float32)),
        ("outer_bias", np.zeros(0, dtype=np.float32)),
        ("inner_bias", np.zeros(3, dtype=np.float64)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, values: np.ndarray) -> None:
    from edge_rerank.packs import array_files
    from edge_rerank.ranking.signals import sequence as succession

    arrays = array_files.read_arrays(table().to_bytes(), succession._ARRAYS, what="")
    with pytest.raises(PackInvalid, match="table of successions"):
        SequenceTable.from_bytes(array_files.write_arrays({**arrays, name: values}))
