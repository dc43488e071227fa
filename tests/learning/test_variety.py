"""Variety of lists: by hand, and counts that hold without a name being kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Item
from edge_rerank.learning.coverage import SKETCH_BYTES, Offer, Sketch, gini, hashed
from edge_rerank.learning.variety import PLACES, Variety
from tests.learning.sketches import sketch_of

LAMP, TEAPOT = Item("1", "lamp", ["home", "light"]), Item("2", "teapot", ["home", "kitchen"])
SCARF, PLAIN = Item("3", "scarf", ["clothes"]), Item("4", "plain")


def offer(items: list[Item]) -> Offer:
    kinds = {name for item in items for name in item.categories}
    return Offer.of(hashed(item.id for item in items), hashed(sorted(kinds)))


AXES = np.eye(4, dtype=np.float32)


def test_variety_by_hand() -> None:
    found = Variety.of([LAMP, TEAPOT], offer([LAMP, TEAPOT, SCARF, PLAIN]), AXES[:2])
    # One category of three in common; three of the four that were offered.
    assert found.categories == pytest.approx(1 - 1 / 3)
    assert found.recall == 3 / 4
    assert found.vectors == 1.0
    alike = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    assert Variety.of([LAMP, TEAPOT], offer([LAMP, TEAPOT]), alike).vectors == pytest.approx(0.4)


def test_what_cannot_be_compared_is_left_out() -> None:
    nothing = np.zeros((2, 4), dtype=np.float32)
    found = Variety.of([SCARF, PLAIN], offer([SCARF, PLAIN]), nothing)
    assert (found.categories, found.vectors, found.recall) == (None, None, 1.0)
    assert Variety.of([PLAIN], offer([PLAIN]), AXES[:1]).recall is None


def test_the_hosts_own_vectors_count_where_all_have_them() -> None:
    own = [Item(f"{n}", "a text", vector=[1, n]) for n in (0, 1)]
    texts = np.ones((2, 4), dtype=np.float32) / 2
    assert Variety.of(own, offer(own), texts).vectors == pytest.approx(1 - 1 / np.sqrt(2))
    mixed = [own[0], PLAIN]
    assert Variety.of(mixed, offer(mixed), texts).vectors == 0.0


def test_only_the_first_places_count() -> None:
    items = [Item(f"{n}", "", ["kind", f"{n}"]) for n in range(30)]
    found = Variety.of(items, offer(items), np.zeros((PLACES, 4), dtype=np.float32))
    assert found.recall == (PLACES + 1) / 31
    assert found.sketch.of_items().shown == PLACES


@pytest.mark.parametrize(("shown", "offered"), [(1, 1), (12, 30), (100, 400), (500, 5_000)])
def test_different_ones_are_counted_within_a_few_per_cent(shown: int, offered: int) -> None:
    names = [f"item {n}" for n in range(offered)]
    found = sketch_of(names[:shown], names, [], []).of_items()
    assert found.shown == pytest.approx(shown, rel=0.05)
    assert found.offered == pytest.approx(offered, rel=0.05)
    assert found.share == pytest.approx(shown / offered, rel=0.08)
    again = sketch_of(names[:shown], names, [], []) + sketch_of(names[:shown], names, [], [])
    assert again.of_items().shown == found.shown


def test_gini_by_hand() -> None:
    assert gini(np.array([3.0, 3.0, 3.0])) == 0.0
    assert gini(np.array([0.0, 0.0, 0.0, 8.0])) == 3 / 4
    assert gini(np.array([1.0, 3.0])) == pytest.approx(1 / 4)
    assert gini(np.zeros(3)) is None


@pytest.mark.parametrize("different", [20, 100, 200])
def test_gini_of_buckets_is_near_that_of_items(different: int) -> None:
    rng = np.random.default_rng(different)
    places = rng.zipf(1.6, size=2_000).clip(max=different)
    names = [f"item {n}" for n in range(1, different + 51)]
    counts = np.bincount(places, minlength=different + 51)[1:].astype(np.float64)
    sketch = Sketch()
    for start in range(0, 2_000, 10):
        first = [names[n - 1] for n in places[start : start + 10]]
        sketch += sketch_of(first, names, [], [])
    full = np.minimum(counts, 255)  # a bucket counts no further
    assert sketch.of_items().gini == pytest.approx(gini(full), abs=0.03)


NAMES = st.lists(st.text(max_size=5), max_size=20)
SKETCHES = st.builds(sketch_of, NAMES, NAMES, NAMES, NAMES)


@given(SKETCHES, SKETCHES, SKETCHES)
def test_sums_do_not_depend_on_their_order(one: Sketch, two: Sketch, three: Sketch) -> None:
    assert (one + two) + three == three + (two + one)
    assert Sketch.from_bytes((one + two).to_bytes()) == one + two
    assert len(one.to_bytes()) == SKETCH_BYTES


def test_a_full_bucket_stays_full() -> None:
    full = sketch_of(["a"] * 300, ["a"], [], [])
    assert max((full + full).items) == 255


def test_nothing_of_a_name_is_in_the_bytes() -> None:
    raw = sketch_of(["a secret item"], ["a secret item"], ["secret"], ["secret"]).to_bytes()
    assert b"secret" not in raw


def test_counts_that_are_full_stay_so() -> None:
    once = sketch_of(["a"], ["a"], ["x"], ["x"])
    many = once
    for _ in range(300):
        many += once
    assert max(many.items) == max(many.categories) == 255
    assert (many + many).to_bytes() == many.to_bytes()
