"""Scores kept: the same numbers, the oldest out first, few bytes."""

from __future__ import annotations

import math
import tracemalloc
from hashlib import blake2b

import pytest

from edge_rerank.inference.score_cache import CACHED_SCORES, ScoreCache


def keys(count: int, start: int = 0) -> list[bytes]:
    return [
        blake2b(str(number).encode(), digest_size=16).digest()
        for number in range(start, start + count)
    ]


def test_what_was_put_comes_back_to_the_last_bit() -> None:
    cache, known = ScoreCache(), keys(300)
    scores = [math.sin(number) for number in range(300)]
    cache.put(known, scores)
    assert cache.get(known[::-1]) == scores[::-1]
    assert len(cache) == 300
    assert all(map(math.isnan, cache.get(keys(300, start=300))))
    assert cache.get([]) == []
    cache.put([], [])


def test_the_last_score_of_a_key_holds() -> None:
    cache = ScoreCache()
    (key,) = keys(1)
    cache.put([key, key], [1.0, 2.0])
    assert cache.get([key]) == [2.0]
    cache.put([key], [-0.0])
    assert math.copysign(1.0, cache.get([key])[0]) == -1.0
    assert len(cache) == 1


def test_a_key_of_zeros_is_one_like_any_other() -> None:
    cache = ScoreCache()
    assert math.isnan(cache.get([bytes(16)])[0])
    cache.put([bytes(16)], [3.0])
    assert cache.get([bytes(16)]) == [3.0]


def test_what_was_not_used_for_longest_makes_room() -> None:
    cache = ScoreCache(8)  # all at the same eight places
    old = keys(8)
    for place, key in enumerate(old):
        cache.put([key], [float(place)])
    cache.get(old[:1])
    cache.put(keys(1, start=8), [8.0])
    found = cache.get([*old, *keys(1, start=8)])
    assert math.isnan(found[1])
    assert [*found[:1], *found[2:]] == [0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize("together", [1, 9, 20, 500])
def test_more_than_there_is_room_for_never_gives_another_ones_score(together: int) -> None:
    cache, every = ScoreCache(16), keys(500)
    scores = [float(number) for number in range(500)]
    for start in range(0, 500, together):
        cache.put(every[start : start + together], scores[start : start + together])
    found = cache.get(every)
    kept = [place for place, score in enumerate(found) if not math.isnan(score)]
    assert len(kept) == len(cache) <= 16
    assert all(found[place] == scores[place] for place in kept)
    assert kept[-1] == 499


def test_cleared_it_has_nothing() -> None:
    cache, known = ScoreCache(), keys(4)
    cache.put(known, [1.0] * 4)
    cache.clear()
    assert len(cache) == 0
    assert all(map(math.isnan, cache.get(known)))


def test_it_takes_two_mebibytes_however_many_come() -> None:
    tracemalloc.start()
    cache = ScoreCache()
    for start in range(0, 2 * CACHED_SCORES, 5_000):
        cache.put(keys(5_000, start), [0.5] * 5_000)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 2.2 * 2**20
    assert len(cache) > 0.99 * CACHED_SCORES
