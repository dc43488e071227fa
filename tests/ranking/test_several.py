"""Ranking for several people at once: each list to the last bit as if it were the only one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank import Block, Event, EventType, Item, ListPolicy, RankingEngine
from edge_rerank.errors import InvalidInput, InvalidRequest
from edge_rerank.evaluation.invented import invented_items
from edge_rerank.ranking.answer import PlainCall
from edge_rerank.ranking.candidates import Catalogue
from edge_rerank.ranking.choice import open_engine
from edge_rerank.ranking.options import RankOptions
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.ranking.sources.history_graphs import SmallGraphs
from edge_rerank.tables.counts import count_items
from edge_rerank.tables.folder import write_tables
from edge_rerank.tables.pairs import count_pairs

NOW = 1_700_000_000.0
COUNT = 120
RNG = np.random.default_rng(11)


def catalogue_items() -> list[Item]:
    """With and without categories, popularity, scores and a text."""
    items = []
    for row, item in enumerate(invented_items(COUNT)):
        text = "" if row % 17 == 5 else item.text
        categories = () if row % 13 == 3 else item.categories
        popularity = None if row % 5 == 0 else float(row * 7 % 83)
        items.append(Item(item.id, text, categories, popularity, published=NOW - 9e5 * row))
    return items


ITEMS = catalogue_items()
TYPES = ["click", "view", "purchase", "like", "dislike", "dismiss", "impression", "add_to_cart"]


def history(events: int, *, likes: bool) -> list[Event]:
    """Some events at any time of the last weeks, oldest first."""
    times = np.sort(NOW - 3e6 * RNG.random(events) ** 3).tolist()
    told = []
    for when in times:
        item = ITEMS[RNG.integers(COUNT)] if RNG.random() < 0.95 else Item("sold-out", "a blue cup")
        kind = TYPES[RNG.integers(4 if likes else len(TYPES))]
        dwell_s = float(RNG.integers(1, 90)) if RNG.random() < 0.4 else None
        told.append(Event(EventType(kind), item, timestamp=when, dwell_s=dwell_s))
    if RNG.random() < 0.2:
        told.append(Event("search", query=ITEMS[RNG.integers(COUNT)].text or "tea", timestamp=NOW))
    return told


def options(place: int) -> RankOptions:
    """What some calls ask for."""
    asked: list[RankOptions] = [
        {"query": "a story about the sea"},
        {"top_k": 7, "repeats": "never"},
        {"policy": ListPolicy(block=Block(ids=[item.id for item in ITEMS[:60]]))},
        {"policy": ListPolicy(floor=0.02), "diversity": 0.3},
        {"context": {"hour": 20}, "host_order": True},
    ]
    chosen: RankOptions = {"now": NOW, "shown": False}
    return {**chosen, **asked[place % 5]} if place % 4 == 1 else chosen


def people(catalogue: Catalogue, *, count: int = 90) -> list[PlainCall]:
    """Histories of 0 to 60 events, before 12 or 40 candidates."""
    calls = []
    for place in range(count):
        rows = RNG.permutation(COUNT)[: 40 if place % 3 else 12]
        events = 0 if place % 9 == 0 else 60 if place % 2 else int(RNG.integers(1, 15))
        past = history(events, likes=place % 4 > 1)
        candidates = catalogue.select([ITEMS[row].id for row in rows])
        calls.append((candidates, past, options(place)))
    return calls


def tables(folder: Path) -> Path:
    """Made-up ones of every kind."""
    names = [item.id for item in ITEMS[: COUNT - 20]]
    chosen = [RNG.permutation(len(names))[:6] for _ in range(300)]
    keys = item_keys(names)
    order = np.argsort(keys)
    width, hidden = 8, 12
    sequence = SequenceTable(
        ids=keys[order],
        vectors=RNG.normal(size=(len(names), width)).astype(np.float16),
        places=RNG.normal(size=(20, width)).astype(np.float32),
        inner=RNG.normal(size=(width, hidden)).astype(np.float32),
        inner_bias=RNG.normal(size=hidden).astype(np.float32),
        outer=RNG.normal(size=(hidden, width)).astype(np.float32),
        outer_bias=RNG.normal(size=width).astype(np.float32),
    )
    rows = np.concatenate(chosen)
    made: dict[str, Any] = {
        "together": count_pairs(names, chosen).table,
        "record": count_items(names, rows, NOW - np.arange(len(rows), dtype=np.float64), []),
        "succession": sequence,
    }
    counted = {"people": 300, "choices": len(rows), "items": len(names)}
    write_tables(folder, made, name="shop", made=1, counted=counted, settings={})
    return folder


@pytest.fixture(scope="module", params=["pack alone", "with tables"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RankingEngine]:
    folder = tables(tmp_path_factory.mktemp("tables")) if request.param != "pack alone" else None
    with open_engine(None, tables=folder) as opened:
        yield opened


def test_each_list_is_as_if_it_were_the_only_one(
    engine: RankingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    run = SmallGraphs._run
    monkeypatch.setattr(
        SmallGraphs, "_run", lambda self, name, feed: runs.append(name) or run(self, name, feed)
    )
    calls = people(engine.prepare(ITEMS))
    runs.clear()
    together = engine.rank_each(calls)
    at_once = len(runs)
    lists = []
    for items, past, asked in calls:
        ranking = engine.rank(items, history=past, **asked)
        lists.append(([one.item.id for one in ranking], [one.score for one in ranking]))
    for found, expected in zip(together, lists, strict=True):
        assert found == expected
    assert at_once < 0.7 * (len(runs) - at_once)  # of those of one shape at once
    assert len({tuple(ids) for ids, _ in lists}) == len(lists)


def test_what_cannot_be_ranked_stands_beside_what_can(engine: RankingEngine) -> None:
    catalogue = engine.prepare(ITEMS)
    good: PlainCall = (catalogue.select([ITEMS[0].id, ITEMS[1].id]), [], {"now": NOW})
    none: PlainCall = (catalogue.select([]), [], {"now": NOW})
    bad: PlainCall = (catalogue.select([ITEMS[0].id]), [], {"query": "x" * 100_000, "top_k": 0})
    found = engine.rank_each([good, bad, none, good])
    assert isinstance(found[1], InvalidRequest)
    assert "top_k: expected an integer" in str(found[1])
    assert found[1].__traceback__ is None  # nothing of the call stays with it
    assert found[2] == ([], [])
    assert not isinstance(found[0], InvalidInput)
    assert found[0] == found[3]
    assert len(found[0][0]) == 2
    assert engine.rank_each([]) == []


def test_lists_in_chinese_are_ranked_by_the_pack_that_reads_them() -> None:
    chinese = [Item(f"zh{row}", text) for row, text in enumerate(["绿茶", "红茶", "茶杯", "咖啡"])]
    with open_engine(None) as engine:
        both = Catalogue([*ITEMS[:30], *chinese])
        past = [Event("click", chinese[0], timestamp=NOW - 60)]
        calls: list[PlainCall] = [
            (both.select([item.id for item in items]), past, {"now": NOW})
            for items in (chinese[1:], ITEMS[:9], chinese[2:], ITEMS[9:18])
        ]
        lists = engine.rank_each(calls)
        rankings = [engine.rank(items, history=past, now=NOW) for items, past, _ in calls]
        assert len({ranking.pack for ranking in rankings}) == 2
        for found, ranking in zip(lists, rankings, strict=True):
            assert found == ([one.item.id for one in ranking], [one.score for one in ranking])
