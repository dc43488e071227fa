from __future__ import annotations

import numpy as np
import pytest

from edge_rerank import Item
from edge_rerank.errors import PackInvalid
from edge_rerank.formats.dataset import Request
from edge_rerank.ranking.signals.counts import WHOLE, CountTable, OwnShown
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.tables.counts import count_items


def test_a_record_counted_by_hand() -> None:
    day = 86_400.0
    times = np.array([1, 2, 3, 4, np.nan]) * day
    request = Request(None, (), (Item("a"), Item("b"), Item("stranger")), frozenset({"b"}))
    record = count_items(["a", "b", "c"], np.array([0, 1, 0, 0, 2]), times, [request])
    again = CountTable.from_bytes(record.to_bytes())
    rows = again.rows(item_keys(["a", "b", "c", "stranger"]))
    assert rows[3] == -1
    at_noon = again.signals(rows, np.array(3.5 * day))
    # A span begins with each day, so the third day does not count yet: a and b once each.
    assert at_noon[:, 3] == pytest.approx([np.log(2) / 4, np.log(2) / 4, 0, 0])
    assert at_noon[:, 4] == pytest.approx([0.5**0.5, 0.5, 1, 0])
    later = again.signals(rows, np.array(9 * day))
    assert later[0, 3] == pytest.approx(np.log(4) / 4)
    # Shown once each; b was clicked, one click in two impressions being usual.
    assert later[:2, 5] == pytest.approx(np.log([10 / 11, 12 / 11]))
    own = OwnShown(np.ones(2, dtype=np.float32), np.array([0, 1], dtype=np.float32))
    assert not again.signals(rows[:2], np.array(np.nan), own=own).any()


def test_a_damaged_record_is_refused() -> None:
    record = count_items(["a"], np.array([0, 0]), np.array([1.0, 2.0]), [])
    for raw in (b"", b"PK", record.to_bytes()[:-40]):
        with pytest.raises(PackInvalid, match="record of items"):
            CountTable.from_bytes(raw)


def test_moments_are_those_of_many() -> None:
    rng = np.random.default_rng(0)
    choices = np.concatenate([np.repeat([0, 1], [50, 30]), np.full(4, 2)])
    times = 1.7e9 + rng.random(len(choices)) * 86_400 * 30
    record = count_items(["a", "b", "c"], choices, times, [], min_people=5)
    arrays = record._arrays
    rows = record.rows(item_keys(["a", "b", "c"]))
    lengths = np.diff(arrays["starts"])[rows]
    assert lengths.tolist() == [50, 30, 0]
    for row in rows[:2]:
        moments = arrays["moments"][arrays["starts"][row] : arrays["starts"][row + 1]]
        assert np.unique(moments, return_counts=True)[1].min() >= 5
        assert (np.diff(moments.astype(int)) >= 0).all()
    # No edge is anybody's second, and every span has choices of many.
    edges = arrays["edges"]
    assert not np.isin(edges, times).any()
    assert (edges % 3600 == 0).all()
    assert np.histogram(times, edges)[0].min() >= 5
    assert arrays["shares"][0] == 0
    assert arrays["shares"][-1] == WHOLE
    # A group counts from its last choice on, so nothing counts before it happened.
    for moment in edges:
        told = np.expm1(4 * record.signals(rows[:2], np.array(moment))[:, 3])
        happened = [(times[choices == item] < moment).sum() for item in range(2)]
        assert (told <= np.array(happened) + 1e-3).all()
    assert record.signals(rows, np.array(edges[-1]))[:2, 3] == pytest.approx(np.log1p([50, 30]) / 4)


def test_clicks_of_few_are_not_told() -> None:
    shown = [
        Request(None, (), (Item("a"), Item("b")), frozenset(["a"] if number < 6 else ["b"]))
        for number in range(10)
    ]
    record = count_items(["a", "b"], np.array([0]), np.array([1.0]), shown, min_people=5)
    a, b = record.rows(item_keys(["a", "b"]))
    assert record._arrays["clicked"][a] == 6
    assert record._arrays["shown"][a] == 10
    assert record._arrays["clicked"][b] == record._arrays["shown"][b] == 0
