"""Calls that lists cost: counted, and so the same on every machine, however busy it is."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Iterator

import pytest

from edge_rerank import BatchRanker, Event, Reranker
from edge_rerank.evaluation.invented import invented_items

pytestmark = pytest.mark.bench

NOW = 1_700_000_000.0
ITEMS = invented_items(250)

KNOWN, ROW, CLICK = 1_900, 4_600, 4_600
"""Calls of a list of 100 known items, of a row of a batch, and of a click with the list after it,
with Python 3.11: 1,627, 4,217 and 4,021. The first two were 3,326 and 4,574 before the two sides of
a list were worked out apart, the last was 6,773 while each event had the history read anew."""


def calls(run: Callable[[], object]) -> int:
    """Calls of Python's and of C's functions while ``run`` runs."""
    count = 0

    def note(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


@pytest.fixture(scope="module")
def reranker() -> Iterator[Reranker]:
    with Reranker.open() as reranker:
        reranker.consent("ann", True)
        clicks = [Event("click", one, timestamp=NOW + 60 * n) for n, one in enumerate(ITEMS[:50])]
        reranker.record(clicks, user="ann")
        yield reranker


def test_a_list_that_comes_again(reranker: Reranker, report: Callable[[str], None]) -> None:
    def rank() -> None:
        reranker.rank(ITEMS[100:200], user="ann", now=NOW + 4_000)

    for _ in range(12):
        rank()
    found = calls(rank)
    report(f"100 known items: {found} calls")
    assert found <= KNOWN


def test_a_click_and_the_list_after_it(reranker: Reranker, report: Callable[[str], None]) -> None:
    when = itertools.count(NOW + 4_000)
    items = itertools.cycle(ITEMS[100:140])

    def click() -> None:
        now = next(when)
        reranker.record(Event("click", next(items), timestamp=now), user="ann")
        reranker.rank(ITEMS[100:200], user="ann", now=now)

    for _ in range(40):
        click()
    # Every eighth writes what came of the lists before.
    found = sum(calls(click) for _ in range(8)) // 8
    report(f"a click and 100 known items: {found} calls")
    assert found <= CLICK


def test_a_row_of_a_batch(report: Callable[[str], None]) -> None:
    rng = random.Random(1)
    ids = [one.id for one in ITEMS]
    rows = 20
    batch = {
        "person": list(range(rows)),
        "history": [rng.sample(ids, 20) for _ in range(rows)],
        "types": [["click"] * 20] * rows,
        "timestamps": [[NOW - 3_600.0 * n for n in range(20)]] * rows,
        "candidates": [rng.sample(ids, 50) for _ in range(rows)],
    }
    ranker = BatchRanker(ITEMS, now=NOW)
    ranker(batch)
    found = calls(lambda: ranker(batch)) // rows
    ranker.close()
    report(f"a row of 50 candidates after 20 events: {found} calls")
    assert found <= ROW
