"""Random histories full of contradictions, and what is asked after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge_rerank import Event, EventType, Item
from tests.expectations.reasons import Case

START = 1_700_000_000.0
MOST_CANDIDATES = 60

_TYPES = {
    EventType.CLICK: 0.3,
    EventType.VIEW: 0.2,
    EventType.IMPRESSION: 0.12,
    EventType.SEARCH: 0.08,
    EventType.LIKE: 0.06,
    EventType.DISLIKE: 0.06,
    EventType.DISMISS: 0.05,
    EventType.ADD_TO_CART: 0.03,
    EventType.PURCHASE: 0.04,
    EventType.COMPLETE: 0.02,
    EventType.RATING: 0.04,
}
_GAPS_S = (20.0, 90.0, 600.0, 2.5 * 3600, 26 * 3600.0, 12 * 86_400.0)
_GAP_ODDS = (0.35, 0.3, 0.15, 0.1, 0.07, 0.03)


def lives(items: Sequence[Item], rng: np.random.Generator) -> Iterator[Case]:
    """Cases without end: people with a few tastes who change their minds, and their candidates.

    Args:
        items: of which histories and candidates are made.
        rng: makes them.
    """
    while True:
        yield _life(items, rng)


def _life(items: Sequence[Item], rng: np.random.Generator) -> Case:
    tastes = _tastes(items, rng)
    history: list[Event] = []
    time = START
    for _ in range(int(rng.choice([1, 2, 3, 5, 8, 13, 21, 40]))):
        time += float(rng.choice(_GAPS_S, p=_GAP_ODDS)) * float(rng.uniform(0.5, 1.5))
        history.extend(_events(_item(items, tastes, history, rng), time, rng))
    time = history[-1].timestamp or time
    now = time + float(rng.choice([30.0, 600.0, 7200.0, 86_400.0]))
    candidates = _candidates(items, history, rng)
    query = _query(candidates, rng) if rng.random() < 0.3 else None
    return Case(candidates, tuple(history), now, query=query, host_order=bool(rng.random() < 0.2))


def _tastes(items: Sequence[Item], rng: np.random.Generator) -> list[list[Item]]:
    """Items of one to three categories."""
    names = sorted({name for item in items for name in item.categories[-1:]})
    if not names:
        return []
    drawn = rng.choice(names, min(int(rng.integers(1, 4)), len(names)), replace=False).tolist()
    return [[item for item in items if name in item.categories] for name in drawn]


def _item(
    items: Sequence[Item],
    tastes: Sequence[Sequence[Item]],
    history: Sequence[Event],
    rng: np.random.Generator,
) -> Item:
    """One that was touched before, one of a taste, or any."""
    touched = [event.item for event in history if event.item is not None]
    lot = rng.random()
    if touched and lot < 0.25:
        return touched[int(rng.integers(len(touched)))]
    pool = tastes[int(rng.integers(len(tastes)))] if tastes and lot < 0.8 else items
    return pool[int(rng.integers(len(pool)))]


def _events(item: Item, time: float, rng: np.random.Generator) -> list[Event]:
    """What happens at one moment: an event, or a click and the view that tells how it ended."""
    kind = EventType(str(rng.choice(list(_TYPES), p=list(_TYPES.values()))))
    dwell_s = float(np.exp(rng.uniform(np.log(0.3), np.log(900.0))))
    if kind is EventType.SEARCH:
        return [Event(kind, query=_words(item, rng), timestamp=time)]
    if kind is EventType.RATING:
        return [Event(kind, item, timestamp=time, value=float(rng.integers(1, 6)))]
    if kind is EventType.VIEW:
        scroll = float(rng.random()) if rng.random() < 0.3 else None
        return [Event(kind, item, timestamp=time, dwell_s=dwell_s, scroll=scroll)]
    if kind is EventType.CLICK and rng.random() < 0.4:
        return [
            Event(kind, item, timestamp=time),
            Event(EventType.VIEW, item, timestamp=time + dwell_s, dwell_s=dwell_s),
        ]
    known = kind is EventType.CLICK and rng.random() < 0.4
    return [Event(kind, item, timestamp=time, dwell_s=dwell_s if known else None)]


def _candidates(
    items: Sequence[Item], history: Sequence[Event], rng: np.random.Generator
) -> tuple[Item, ...]:
    """Up to sixty items, those of the history among them as chance has it."""
    count = int(rng.integers(10, MOST_CANDIDATES + 1))
    drawn = [items[place] for place in rng.permutation(len(items))[:count].tolist()]
    touched = [event.item for event in history if event.item is not None]
    known = {item.id: item for item in (*touched[:5], *drawn)}
    scored = rng.random() < 0.2
    return tuple(
        Item(
            item.id,
            item.text,
            item.categories,
            popularity=_popularity(item, rng),
            score=float(rng.normal()) if scored and rng.random() < 0.8 else None,
        )
        for item in known.values()
    )


def _popularity(item: Item, rng: np.random.Generator) -> float | None:
    lot = rng.random()
    if lot < 0.1:
        return None
    return 0.0 if lot < 0.2 else item.popularity


def _query(candidates: Sequence[Item], rng: np.random.Generator) -> str:
    return _words(candidates[int(rng.integers(len(candidates)))], rng)


def _words(item: Item, rng: np.random.Generator) -> str:
    """A few words of an item, or its category, now and then mistyped."""
    if item.categories and rng.random() < 0.3:
        return item.categories[-1]
    words = item.text.split() or [item.id]
    start = int(rng.integers(len(words)))
    picked = words[start : start + int(rng.integers(1, 4))]
    return " ".join(_mistyped(word, rng) if rng.random() < 0.2 else word for word in picked)


def _mistyped(word: str, rng: np.random.Generator) -> str:
    if len(word) < 5:
        return word
    place = int(rng.integers(1, len(word) - 2))
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
