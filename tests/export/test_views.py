"""Views of a catalogue, and what a training with tables shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_rerank.formats.dataset import Request
from edge_rerank.tables.counts import count_items
from edge_rerank.tables.pairs import count_pairs
from edge_rerank.tables.sequence import SuccessionTraining
from edge_rerank.types import Item
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.domain import Batch, Domain
from edge_rerank_export.train.history.material import prepare
from edge_rerank_export.train.history.recipe import (
    HistoryFinetuneRecipe,
    HistoryTraining,
    Tables,
)
from edge_rerank_export.train.history.views import Views, view
from edge_rerank_export.train.requests import sample

ITEMS, PEOPLE, CHOSEN = 40, 60, 6


@pytest.fixture(scope="module")
def domain() -> Domain:
    """Forty items, and people who choose among them at random, a day apart."""
    rng = np.random.default_rng(0)
    names = [f"item-{n}" for n in range(ITEMS)]
    paths = [rng.permutation(ITEMS)[:CHOSEN] for _ in range(PEOPLE)]
    choices = np.concatenate(paths)
    times = np.tile(np.arange(1.0, CHOSEN + 1) * 86_400, PEOPLE)
    shown: list[Request] = []
    vectors = rng.standard_normal((ITEMS + 1, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[-1] = 0
    leaves = np.append(rng.integers(0, 4, ITEMS), -1)
    counts = np.bincount(choices, minlength=ITEMS).astype(np.float32)
    made = Domain(
        name="made",
        ids=tuple(names),
        items=tuple(Item(name, name) for name in names),
        texts=(*names, ""),
        vectors=vectors,
        categories=np.eye(5, 4, dtype=np.float32)[leaves],
        leaves=leaves,
        popularity=np.append(counts, np.nan).astype(np.float32),
        choices=choices,
        times=times,
        starts=np.arange(PEOPLE + 1) * CHOSEN,
        real=None,
        valid=Batch(
            *(np.zeros((0, 1)) for _ in range(5)),  # type: ignore[arg-type]
            now=np.zeros(0),
            counted=False,
        ),
        pairs=count_pairs(names, paths),
        counts=count_items(names, choices, times, shown),
    )
    people = np.arange(0, PEOPLE, 3)
    stand_in = sample(made, people, rng=np.random.default_rng(1), candidates=8, history=5, last=1.0)
    return replace(made, valid=replace(stand_in, counted=False, hidden=None, sampled=False))


def words_of(domain: Domain) -> np.ndarray:
    return np.arange(len(domain.texts), dtype=np.float32)[:, None]


def recipe(**training: object) -> HistoryFinetuneRecipe:
    settings = HistoryTraining(
        requests=64,
        candidates=8,
        history=5,
        **training,  # type: ignore[arg-type]
    )
    return HistoryFinetuneRecipe("t", 1, "s", training=settings)


def test_a_view_spoils_what_it_is_told_to_and_nothing_else(domain: Domain) -> None:
    words = words_of(domain)
    spoilt, told = view(domain, words, Views(2, texts=1.0), rng=np.random.default_rng(5))
    moved = told[:, 0] != words[:, 0]
    assert 0 < moved.sum() < ITEMS
    # Text and words go together, as those of one other item.
    assert np.array_equal(spoilt.vectors, domain.vectors[told[:, 0].astype(int)])
    assert np.array_equal(spoilt.popularity, domain.popularity, equal_nan=True)
    assert np.array_equal(spoilt.leaves, domain.leaves)
    assert np.array_equal(spoilt.vectors[-1], domain.vectors[-1])
    assert spoilt.pairs is domain.pairs

    counted, same = view(domain, words, Views(2, popularity=1.0), rng=np.random.default_rng(5))
    assert np.array_equal(same, words)
    assert np.array_equal(counted.vectors, domain.vectors)
    assert np.isnan(counted.popularity[-1])
    assert not np.array_equal(counted.popularity[:-1], domain.popularity[:-1])
    assert (counted.popularity[:-1] == np.floor(counted.popularity[:-1])).all()

    sorted_, _ = view(domain, words, Views(2, categories=1.0), rng=np.random.default_rng(5))
    assert (sorted_.leaves != domain.leaves).any()
    assert np.array_equal(sorted_.categories, np.eye(5, 4, dtype=np.float32)[sorted_.leaves])


def test_noise_turns_the_vectors_of_texts_and_leaves_words_and_empty_ones(domain: Domain) -> None:
    words = words_of(domain)
    noisy, told = view(domain, words, Views(2, noise=1.0), rng=np.random.default_rng(5))
    assert np.array_equal(told, words)
    assert np.linalg.norm(noisy.vectors[:-1], axis=1) == pytest.approx(np.ones(ITEMS), abs=1e-5)
    assert not noisy.vectors[-1].any()
    alike = (noisy.vectors * domain.vectors)[:-1].sum(axis=1)
    assert 0 < alike.mean() < 0.99


def test_views_spoil_up_to_their_share(domain: Domain) -> None:
    words = words_of(domain)
    shares = []
    for seed in range(200):
        _, told = view(domain, words, Views(2, texts=0.6), rng=np.random.default_rng(seed))
        shares.append(float((told[:-1] != words[:-1]).mean()))
    assert max(shares) < 0.6 + 0.2
    assert np.mean(shares) == pytest.approx(0.3, abs=0.05)


def test_views_have_lists_of_their_own_where_they_are_to(domain: Domain) -> None:
    rng = np.random.default_rng(0)
    assert Views(3).of_lists(20, 0.5, rng=rng) == [(20, 0.5)] * 3
    first, *others = Views(40, lists=True).of_lists(20, 0.5, rng=rng)
    assert first == (20, 0.5)
    assert {candidates for candidates, _ in others} <= set(range(8, 41))
    assert min(even for _, even in others) < 0.2 < 0.8 < max(even for _, even in others)
    made = prepare(replace(recipe(), views=Views(5, lists=True)), [domain])
    widths = [pool["clicked"].shape[1] for pool in made.pools]
    assert widths[0] == 8
    assert len(set(widths)) > 2
    assert sum(len(pool["clicked"]) for pool in made.pools) == 64


@pytest.mark.parametrize("wrong", [{"count": 0}, {"texts": 1.5}, {"popularity": -0.1}])
def test_views_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="views"):
        Views(**wrong)  # type: ignore[arg-type]


def test_a_view_more_changes_what_is_trained_on_and_not_what_is_judged_by(domain: Domain) -> None:
    plain = prepare(recipe(), [domain])
    many = prepare(
        replace(recipe(), views=Views(4, texts=0.9, noise=0.5, popularity=0.9, categories=0.9)),
        [domain],
    )
    assert len(plain.pools) == 1
    assert [len(pool["clicked"]) for pool in many.pools] == [16] * 4
    assert many.valid["made"]["content"].equal(plain.valid["made"]["content"])
    # The first requests are seen as they are, the others are not.
    first = prepare(replace(recipe(), views=Views(4)), [domain])
    assert many.pools[0]["content"].equal(first.pools[0]["content"])
    assert not many.pools[1]["content"].equal(first.pools[1]["content"])
    assert many.pools[1]["history"].equal(first.pools[1]["history"])


def test_a_training_that_learns_tables_is_judged_with_them_and_without(domain: Domain) -> None:
    settings = recipe(tables=Tables.LEARN)
    small = SuccessionTraining(width=4, steps=5, batch=32, drawn=8)
    material = prepare(replace(settings, succession=small), [domain])
    assert list(material.valid) == ["made", "made with tables"]
    for name in ("together", "record", "succession"):
        assert not material.valid["made"][name].any()
        assert material.valid["made with tables"][name].any()
        assert material.pools[0][name].any()
    assert not prepare(recipe(), [domain]).pools[0]["together"].any()


def test_what_a_handful_chose_is_no_popularity(domain: Domain) -> None:
    known = prepare(recipe(tables=Tables.LEARN, least_people=PEOPLE), [domain])
    few = prepare(recipe(tables=Tables.LEARN, least_people=PEOPLE + 1), [domain])
    assert known.pools[0]["popularity"].any()
    assert known.pools[0]["record"].any()
    assert list(few.valid) == ["made"]
    for name in ("popularity", "together", "record"):
        assert not few.pools[0][name].any()
        assert not few.valid["made"][name].any()
