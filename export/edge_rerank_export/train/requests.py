"""Training requests: real ones, and others made up from what people chose one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import UNIFORM_SHARE
from edge_rerank.ranking.signals.counts import Counts, OwnShown
from edge_rerank.ranking.signals.inputs import EVENTS, inputs
from edge_rerank.ranking.signals.pairs import OwnShare, Pairs
from edge_rerank.ranking.signals.sequence import SequenceTable, Successions
from edge_rerank.ranking.signals.situation import Side, Situation, cosines, places
from edge_rerank.ranking.signals.table import Table
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank.ranking.signals.words import words as split_words
from edge_rerank.tables.pairs import NEAR
from edge_rerank_export.train.domain import HELD_OUT, Batch, Domain, Encode, read_domain

_STAND_INS = 1_000


_WELL_RATED = 0.5
"""Strength from which on a rated item counts as one that was wanted: 7 of 10."""


def load_domain(
    folder: Path, encode: Encode, *, rng: np.random.Generator, signed: bool = False
) -> Domain:
    """Read a folder; where it has no requests to validate by, some are made up.

    Args:
        folder: see :func:`~edge_rerank_export.train.domain.read_domain`.
        encode: likewise.
        rng: all chance there is.
        signed: likewise.

    Raises:
        DataError: at the first malformed line, or when there is too little to learn from or
            nothing to validate by.
    """
    domain = read_domain(folder, encode, signed=signed)
    if len(domain.valid.candidates):
        return domain
    people = np.arange(0, len(domain.starts) - 1, HELD_OUT)[:_STAND_INS]
    if not len(people):
        raise DataError(folder, "expected validation requests with a click, or people's choices")
    stand_in = sample(domain, people, rng=rng, candidates=20, history=EVENTS, last=1.0)
    return replace(domain, valid=stand_in)


def make_requests(
    domain: Domain,
    count: int,
    *,
    rng: np.random.Generator,
    candidates: int,
    history: int,
    even: float = UNIFORM_SHARE,
) -> list[Batch]:
    """Training requests: real ones, and others made up from what people chose one by one.

    Args:
        domain: gives choices, items and real requests.
        count: of each kind, at most.
        rng: all chance there is.
        candidates: of a made-up one; a real one has twice as many at most.
        history: items before it at most.
        even: share of the sampled negatives that is drawn with equal chances.
    """
    made = []
    people = len(domain.starts) - 1
    if people:
        drawn = rng.integers(0, people, count)
        made.append(
            sample(
                domain,
                drawn,
                rng=rng,
                candidates=candidates,
                history=history,
                last=0.5,
                even=even,
            )
        )
    if domain.real is not None:
        rows = rng.permutation(len(domain.real.candidates))[:count]
        made.append(_shorten(domain.real, rows, rng, 2 * candidates, history))
    return made


def sample(
    domain: Domain,
    people: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    candidates: int,
    history: int,
    last: float,
    even: float = UNIFORM_SHARE,
) -> Batch:
    """Hide one choice of each of ``people`` among items they never chose.

    Args:
        domain: gives choices and items.
        people: whose choices, by number, int64 of shape (requests,).
        rng: all chance there is.
        candidates: the hidden one included.
        history: items before it at most.
        last: share of people whose last choice is taken; any other of theirs otherwise.
        even: share of the items that is drawn with equal chances.
    """
    count = len(people)
    begin, end = domain.starts[people], domain.starts[people + 1]
    inner = begin + 1 + (rng.random(count) * (end - begin - 1)).astype(np.int64)
    target = np.where(rng.random(count) < last, end - 1, inner.clip(max=end - 1))
    return _hide(domain, people, target, rng=rng, candidates=candidates, history=history, even=even)


def rated_requests(
    domain: Domain,
    count: int,
    *,
    rng: np.random.Generator,
    candidates: int,
    history: int,
    even: float = UNIFORM_SHARE,
) -> Batch | None:
    """Hide well rated items among items that their people never rated.

    Args:
        domain: gives items and ratings.
        count: requests.
        rng: all chance there is.
        candidates: the hidden one included.
        history: ratings before it at most, good and bad.
        even: as for :func:`sample`.

    Returns:
        ``None`` where nothing was rated well after anything else.
    """
    rated = domain.rated
    if rated is None:
        return None
    person = np.repeat(np.arange(len(rated.starts) - 1), np.diff(rated.starts))
    wanted = rated.strength >= _WELL_RATED
    wanted[rated.starts[:-1]] = False
    if not wanted.any():
        return None
    target = rng.choice(np.flatnonzero(wanted), count)
    alone = replace(domain, choices=rated.choices, times=rated.times, starts=rated.starts)
    batch = _hide(
        alone, person[target], target, rng=rng, candidates=candidates, history=history, even=even
    )
    before = (target[:, None] - np.arange(history, 0, -1)).clip(min=0)
    strength = np.where(batch.history >= 0, rated.strength[before], 0.0)
    return replace(batch, strength=strength.astype(np.float32), hidden=None)


def log_chances(
    domain: Domain, candidates: int, even: float = UNIFORM_SHARE
) -> NDArray[np.float32]:
    """Logarithm of an item's chance to be one of :func:`sample`'s negatives, per draw.

    Args:
        domain: gives the items.
        candidates: of a request.
        even: as for :func:`sample`.

    Returns:
        float32 of shape (items + 1,); 0 for the empty item.
    """
    items = len(domain.texts) - 1
    weights = _popularity_weights(domain).astype(np.float64)
    total = weights.sum()
    share = _evenly(candidates, even) / (candidates - 1) if total > 0 else 1.0
    chances = share / items + (1 - share) * weights / (total or 1.0)
    return np.append(np.log(chances), 0.0).astype(np.float32)


def describe_batch(
    domain: Domain,
    words: NDArray[np.float32],
    batch: Batch,
    *,
    pairs: bool,
    succession: SequenceTable | None = None,
) -> dict[str, NDArray[np.float32]]:
    """The model's inputs for a batch, see :func:`edge_rerank.ranking.signals.inputs.inputs`.

    Args:
        domain: gives the items.
        words: their word vectors, float32 of shape (items, lexicon's dim).
        batch: any number of requests.
        pairs: whether what the domain's own log says of pairs and items takes part.
        succession: a table by the rows of ``domain.pairs.order`` that has not seen what was
            clicked; ``None`` for none.
    """
    tables: dict[str, Table] = {}
    if pairs:
        tables = {Pairs.name: domain.pairs.table, Counts.name: domain.counts}
    if succession is not None:
        tables[Successions.name] = succession
    own, before = batch.candidates, batch.history
    popularity = domain.popularity[own]
    if batch.counted:
        popularity = (popularity - batch.clicked).clip(min=0)
    # Padding is -1 already; the empty item has no row in any table.
    order = np.append(domain.pairs.order, [-1, -1])

    if batch.unread is None:
        own_unread, unread = (np.zeros(rows.shape, dtype=np.bool_) for rows in (own, before))
    else:
        own_unread, unread = np.split(batch.unread, [own.shape[1]], axis=1)

    def side(
        rows: NDArray[np.int64], popularity: NDArray[np.float32], unread: NDArray[np.bool_]
    ) -> Side:
        worded = words[rows]
        if unread.any():
            worded[unread] = _unweighted(domain, rows[unread])
        return Side(
            items=rows,
            words=worded,
            categories=domain.categories[rows],
            leaves=domain.leaves[rows],
            popularity=popularity,
            rows=dict.fromkeys(tables, order[rows]),
        )

    mine = domain.vectors[before] * ~unread[..., None]
    other = own[:, :, None] != before[:, None, :]
    return inputs(
        Situation(
            candidates=side(own, popularity, own_unread),
            history=side(before, domain.popularity[before], unread),
            cosine=cosines(domain.vectors[own] * ~own_unread[..., None], mine) * other,
            likeness=cosines(mine, mine),
            strength=batch.strength,
            place=places(batch.strength),
            age_s=batch.age_s,
            present=own >= 0,
            now=batch.now,
            tables=tables,
            own=_own(domain, batch, order),
        )
    )


def _unweighted(domain: Domain, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Word vectors of items in a language whose words no lexicon knows: all weigh the same.

    Args:
        domain: gives the texts.
        rows: of items, int64 of shape (n,).

    Returns:
        float32 of shape (n, lexicon's dim).
    """
    items, places = np.unique(rows, return_inverse=True)
    vectors = Lexicon.plain(split_words).encode([domain.texts[item] for item in items])
    return vectors[places]


def _hide(
    domain: Domain,
    people: NDArray[np.int64],
    target: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    candidates: int,
    history: int,
    even: float,
) -> Batch:
    """Hide the choices at ``target``; for the other arguments see :func:`sample`."""
    count = len(people)
    begin, end = domain.starts[people], domain.starts[people + 1]
    before = target[:, None] - np.arange(history, 0, -1)
    there = before >= begin[:, None]
    before = before.clip(min=0)
    items = len(domain.texts) - 1
    uniform = _evenly(candidates, even)
    weights = np.cumsum(_popularity_weights(domain))
    by_popularity = (
        np.searchsorted(weights, rng.random((count, candidates - 1 - uniform)) * weights[-1])
        if weights[-1] > 0
        else rng.integers(0, items, (count, candidates - 1 - uniform))
    )
    drawn = np.concatenate(
        [domain.choices[target][:, None], rng.integers(0, items, (count, uniform)), by_popularity],
        axis=1,
    )
    for row in range(count):
        seen = set(domain.choices[begin[row] : end[row]].tolist())
        for column in range(1, candidates):
            while drawn[row, column] in seen and len(seen) < items:
                drawn[row, column] = rng.integers(0, items)
            seen.add(int(drawn[row, column]))
    clicked = np.zeros((count, candidates), dtype=np.bool_)
    clicked[:, 0] = True
    ages = (domain.times[target][:, None] - domain.times[before]).clip(min=0)
    return Batch(
        candidates=drawn,
        clicked=clicked,
        history=np.where(there, domain.choices[before], -1),
        strength=there.astype(np.float32),
        age_s=np.where(there, ages, np.nan).astype(np.float32),
        now=domain.times[target],
        counted=True,
        hidden=target,
        sampled=True,
    )


def _evenly(candidates: int, even: float) -> int:
    """How many of a request's negatives are drawn with equal chances."""
    return round((candidates - 1) * even)


def _popularity_weights(domain: Domain) -> NDArray[np.float32]:
    # In float32, as the shipped pack was trained: sums in float64 would draw other negatives.
    weights: NDArray[np.float32] = np.nan_to_num(domain.popularity[:-1]) ** 0.75
    return weights


def _own(domain: Domain, batch: Batch, order: NDArray[np.int64]) -> dict[str, OwnShare | OwnShown]:
    """What the requests added to the tables' counts themselves, which gives the answer away."""
    own: dict[str, OwnShare | OwnShown] = {}
    there = batch.candidates >= 0
    if batch.counted:
        real = batch.history >= 0
        if batch.invented is not None:
            real &= ~batch.invented
        beside = there[:, :, None] & real[:, None, :]
        pairs = (beside & batch.clicked[:, :, None]).astype(np.float32)
        distance = real[:, ::-1].cumsum(axis=1)[:, None, ::-1].clip(min=1).astype(np.float32)
        own[Pairs.name] = OwnShare(
            pairs,
            pairs * np.where(distance <= NEAR, 1 / distance, 0),
            domain.pairs.least[order[batch.history]],
        )
    if batch.shown:
        own[Counts.name] = OwnShown(there.astype(np.float32), batch.clicked.astype(np.float32))
    return own


def _shorten(
    batch: Batch, rows: NDArray[np.int64], rng: np.random.Generator, candidates: int, history: int
) -> Batch:
    """Some of the requests, with fewer candidates (all clicked ones kept) and less history."""
    # Clicked ones stay at the front, the rest in a random order, padding behind.
    lot = rng.random(batch.candidates.shape)
    lot = lot - 2 * batch.clicked + 2 * (batch.candidates < 0)
    order = np.argsort(lot[rows], axis=1, kind="stable")[:, :candidates]
    return replace(
        batch,
        candidates=np.take_along_axis(batch.candidates[rows], order, axis=1),
        clicked=np.take_along_axis(batch.clicked[rows], order, axis=1),
        history=batch.history[rows, -history:],
        strength=batch.strength[rows, -history:],
        age_s=batch.age_s[rows, -history:],
        now=batch.now[rows],
    )
