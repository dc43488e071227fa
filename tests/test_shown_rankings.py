"""Places of lists that were shown: found by id, without an id in them, and bounded in bytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edge_rerank import Event, Item
from edge_rerank import feedback as module
from edge_rerank.feedback import REMEMBERED_RANKINGS, ShownRankings
from edge_rerank.ranking.answer import NO_PLACES, Places
from edge_rerank.ranking.candidates import Candidates, Catalogue


def places_of(names: list[str]) -> Places:
    return Places(Candidates([Item(name, "a text") for name in names]).marks)


def event(name: str, ranking: str) -> Event:
    return Event("click", Item(name, "a text"), ranking=ranking)


def test_an_items_place_is_found_by_its_id() -> None:
    places = places_of(["b", "a", "c"])
    assert [places.of(name) for name in ("a", "b", "c", "d", "")] == [2, 1, 3, None, None]
    assert len(places) == 3
    assert NO_PLACES.of("a") is None


def test_a_part_of_a_catalogue_has_its_own_places() -> None:
    catalogue = Catalogue([Item(str(number), "a text") for number in range(50)])
    places = Places(catalogue.select(["7", "3"]).marks)
    assert [places.of(name) for name in ("3", "7", "9")] == [2, 1, None]


def test_the_oldest_ranking_makes_room() -> None:
    shown = ShownRankings()
    for number in range(REMEMBERED_RANKINGS + 1):
        shown.remember(str(number), places_of(["a", "b"]))
    assert shown.place(event("b", "0")).position is None
    assert shown.place(event("b", "1")).position == 2
    shown.clear()
    assert shown.place(event("b", "1")).position is None


def test_long_lists_are_remembered_as_far_as_their_places_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_PLACES", 10)
    shown = ShownRankings()
    for number in range(5):
        shown.remember(str(number), places_of([f"{number}-{row}" for row in range(4)]))
    found = [shown.place(event(f"{number}-3", str(number))).position for number in range(5)]
    assert found == [None, None, None, 4, 4]
    for _ in range(3):  # what was cleared counts no more
        shown.clear()
        shown.remember("a", places_of([*"abcdefghij"]))
        assert shown.place(event("j", "a")).position == 10


def test_an_item_of_a_list_takes_eight_bytes() -> None:
    tracemalloc.start()
    shown = ShownRankings()
    for number in range(100):
        shown.remember(str(number), Places(np.arange(1_000, dtype=np.int64) + number))
        names = [f"{number}-{row}" for row in range(100)]
        shown.remember(f"items {number}", places_of(names))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 100 * (1_100 * 8 + 1_000)
