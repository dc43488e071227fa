"""A reading that is continued beside one that begins anew: they say the same, to the last bit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge_rerank import Event, EventType, Item, RankingEngine, Reranker, Retention
from edge_rerank.errors import InvalidRequest
from edge_rerank.evaluation.invented import invented_items
from edge_rerank.ranking import interest_reader
from edge_rerank.ranking.digest import Reading
from edge_rerank.ranking.interest_reader import InterestReader, read_interests

KINDS = tuple(one for one in EventType if one not in {EventType.SEARCH, EventType.RATING})
ITEMS = [
    Item(f"i{n}", f"text {n}" * (n % 4), [f"c{n % 5}", f"d{n % 3}"][: n % 3]) for n in range(9)
]
ITEMS += [Item("i0", "another text", ["c9"])]
MOST = 25


def event(rng: random.Random, when: float) -> Event:
    what = rng.random()
    if what < 0.08:
        return Event("search", query=rng.choice(["tea", "lamp", "a red coat"]), timestamp=when)
    if what < 0.16:
        return Event("rating", rng.choice(ITEMS), value=rng.choice([1, 4, 9]), timestamp=when)
    if what < 0.18:
        return Event("rating", value=3, ranking="r", timestamp=when)
    dwell = rng.choice([None, None, 1.0, 45.0])
    return Event(rng.choice(KINDS), rng.choice(ITEMS), dwell_s=dwell, timestamp=when)


def grown(rng: random.Random, history: list[Event], when: float) -> list[Event]:
    """The next history: events more, the oldest out, one undone, one that came late, or copies."""
    what = rng.random()
    if what < 0.75 or len(history) < 3:
        return [*history, *(event(rng, when) for _ in range(rng.choice([1, 1, 1, 2, 5])))][-MOST:]
    if what < 0.85:
        return history[: rng.randrange(len(history))]
    if what < 0.9:
        return history[1:]
    if what < 0.95:
        return [*history[:1], event(rng, history[0].timestamp or 0.0), *history[1:]]
    return [Event("click", ITEMS[0], timestamp=when)]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_a_continued_reading_is_what_another_one_gives(seed: int) -> None:
    rng, reader = random.Random(seed), InterestReader()
    history: list[Event] = []
    when = 1_700_000_000.0
    for _ in range(150):
        when += rng.choice([1.0, 1.0, 60.0, 1_700.0, 2_000.0, 90_000.0])
        history = grown(rng, history, when)
        now = when + rng.choice([0.0, 1.0, 1_900.0])
        told = tuple(history)
        for moment in (now, now + rng.choice([0.0, 2_000.0])):
            fresh, kept = read_interests(told, now=moment), reader.read(told, now=moment)
            assert kept == fresh
            assert list(kept.visits) == list(fresh.visits)
            assert list(kept.done) == list(fresh.done)


@pytest.mark.parametrize("most", [1, 3, 20])
def test_as_many_liked_items_as_are_looked_at(most: int) -> None:
    rng, reader = random.Random(most), InterestReader(liked=most)
    for _ in range(40):
        history = sorted(
            (event(rng, 1_000.0 + rng.randrange(9_000)) for _ in range(30)),
            key=lambda one: one.timestamp or 0.0,
        )
        few, every = (one.read(history, now=9_000.0) for one in (reader, InterestReader()))
        newest = every.newest(most)
        assert (few.liked, few.disliked) == (newest.liked, newest.disliked)
        assert few.newest(most) is few


def test_only_the_item_of_an_event_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Reading] = []

    class Counted(Reading):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            begun.append(self)

    monkeypatch.setattr(interest_reader, "Reading", Counted)
    reader = InterestReader()
    history = tuple(Event("click", ITEMS[n % 9], timestamp=1_000.0 + n) for n in range(40))
    for _ in range(20):
        # As recent.py keeps the newest 500: the oldest falls out.
        history = (
            *history[1:],
            Event("click", ITEMS[3], timestamp=(history[-1].timestamp or 0) + 1),
        )
        assert reader.read(history, now=2_000.0) == read_interests(history, now=2_000.0)
    mine = [one for one in begun if one is begun[0]]
    assert len(mine) == 1
    assert len(begun) == 1 + 20  # once for all of mine, and for each of the others


def test_a_reading_is_not_continued_into_another_session_nor_with_another_scale() -> None:
    reader = InterestReader()
    history = (Event("rating", ITEMS[1], value=4, timestamp=1_000.0),)
    assert reader.read(history, now=1_001.0).liked
    tens = (*history, Event("rating", ITEMS[2], value=9, timestamp=1_002.0))
    assert reader.read(tens, now=1_003.0) == read_interests(tens, now=1_003.0)
    assert [one.item.id for one in reader.read(tens, now=1_003.0).disliked] == ["i1"]
    later = (*tens, Event("click", ITEMS[3], timestamp=9_000.0))
    assert [one.session for one in reader.read(later, now=9_001.0).touched] == [1, 0, 1]


def test_what_comes_after_is_checked_like_all_else() -> None:
    reader = InterestReader()
    history = (Event("click", ITEMS[1], timestamp=1_000.0),)
    reader.read(history, now=1_000.0)
    with pytest.raises(InvalidRequest, match="only Event, got str"):
        reader.tastes((*history, "nothing"))
    assert reader.read(history, now=1_000.0) == read_interests(history, now=1_000.0)


def test_lists_are_those_of_a_history_read_anew(tmp_path: Path, engine: RankingEngine) -> None:
    rng, items = random.Random(3), invented_items(40)
    now, key, file = 1_700_000_000.0, bytes(range(32)), tmp_path / "me.db"

    def opened() -> Reranker:
        few = Retention(max_events=12)
        return Reranker.open(history=file, key=key, learning=False, retention=few)

    reranker = opened()
    reranker.consent("ann", True)
    reranker.consent("bob", True)
    for turn in range(60):
        now += rng.choice([2.0, 2.0, 300.0, 4_000.0])
        user = rng.choice(["ann", "ann", "bob"])
        what = rng.random()
        if what < 0.8:
            kind = rng.choice(KINDS)
            reranker.record(Event(kind, rng.choice(items), timestamp=now), user=user)
        elif what < 0.9:
            for stored in reranker.history.access(user).events[-1:]:
                assert reranker.history.remove_event(user, stored.record)
        elif what < 0.94:
            reranker.consent(user, False)
            assert not reranker.rank(items, user, now=now).personalised
            reranker.consent(user, True)
        elif what < 0.97:
            reranker.forget(user)
            assert not reranker.rank(items, user, now=now).personalised
            reranker.consent(user, True)
        else:  # another process has the file, one after the other
            reranker.close()
            reranker = opened()
        engine.forget()
        kept = reranker.rank(items, user, now=now)
        fresh = engine.rank(items, history=reranker.history.events(user), now=now)
        assert list(kept) == list(fresh), turn
    reranker.close()
