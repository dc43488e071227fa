"""How much room is left to a person beside a query, measured with real histories.

``python -m edge_rerank_export.studies.relevance.room FOLDER ...``: data sets with requests.
Somebody asks by one word, or by a category, for what they chose next, and somebody else, who
never chose such a thing, asks for the same. With more room the first finds it sooner among all
that fits, and the second sees more of what does not fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.special import log_softmax

from edge_rerank.formats.dataset import DataSet, Request, chosen
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.comparisons import TextComparer
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.relevance.relevance import Judge
from edge_rerank.ranking.relevance.terms import item_terms
from edge_rerank.types import Event, Item
from edge_rerank_export.studies.relevance.lists import judge_of
from edge_rerank_export.train.engine_odds import log_odds

ROOMS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, np.inf)
POOL, FITTING, OTHERS, PLACES = 3_000, 20, 80, 10
RARE, COMMON = 4, 300
"""Items of the pool that a word of a query is in."""


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One query with n candidates, the wanted one first.

    Attributes:
        relevance: log-odds by the query, shape (n,).
        own: by the history of who wants it, shape (n,).
        strange: by that of somebody who never chose such a thing, shape (n,).
        fits: bool of shape (n,).
    """

    relevance: NDArray[np.float64]
    own: NDArray[np.float64]
    strange: NDArray[np.float64]
    fits: NDArray[np.bool_]


def within(personal: NDArray[np.float64], room: float) -> NDArray[np.float64]:
    """As :meth:`edge_rerank.ranking.evidence.Evidence.step_back` leaves it.

    Args:
        personal: log-odds of a list's candidates, float64 of shape (n,).
        room: by which they may differ.
    """
    spread = float(np.ptp(personal))
    return personal * min(1.0, room / spread) if spread else personal


def figures(cases: Sequence[Case], room: float) -> tuple[float, float, float, float]:
    """Of what is wanted, the loss and the reciprocal rank; two shares for a stranger.

    The first: of first places that fit. The second: of the fitting ones that the first ten
    places have by relevance alone, how many they still have.
    """
    every = []
    for case in cases:
        own = case.relevance + within(case.own, room)
        strange = np.argsort(-(case.relevance + within(case.strange, room)), kind="stable")
        alone = np.argsort(-case.relevance, kind="stable")
        kept = case.fits[strange[:PLACES]].sum() / max(case.fits[alone[:PLACES]].sum(), 1)
        rank = 1 + (own > own[0]).sum()
        every.append((-log_softmax(own)[0], 1 / rank, float(case.fits[strange[0]]), kept))
    loss, found, first, kept = np.mean(every, axis=0).tolist()
    return loss, found, first, kept


def cases(
    engine: RankingEngine,
    judge: Judge,
    comparer: TextComparer,
    data: DataSet,
    split: str,
    *,
    count: int,
    rng: np.random.Generator,
    labels: Callable[[Item], Sequence[str]] = item_terms,
) -> Iterator[Case]:
    """Make cases of a folder's requests.

    Args:
        engine: of the pack that is measured.
        judge: says how well candidates fit.
        comparer: gives their cosines with the query.
        data: the folder.
        split: which requests.
        count: cases at most.
        rng: all chance there is.
        labels: what an item may be asked for by; its text alone is looked at.
    """
    items = [item for item in data.items.values() if item.text.strip()]
    pool = [items[at] for at in rng.permutation(len(items))[:POOL].tolist()]
    having: dict[str, list[Item]] = {}
    for item in pool:
        for word in labels(item):
            having.setdefault(word, []).append(item)
    requests = [one for one in data.requests(split) if one.history and one.clicked]
    for at in rng.permutation(len(requests)).tolist():
        request = requests[at]
        wanted = data.items.get(min(request.clicked))
        before = {item.id for item in chosen(request.history)}
        if wanted is None or wanted.id in before:
            continue
        usable = [
            word
            for word in labels(wanted)
            if len(word) > 2 and RARE <= len(having.get(word, ())) <= COMMON
        ]
        if not usable:
            continue
        word = str(rng.choice(usable))
        stranger = _stranger(requests, word, labels, rng)
        if stranger is None:
            continue
        fitting = [one for one in having[word] if one.id not in before][:FITTING]
        others = [item for item in pool if word not in labels(item)]
        picked = [others[row] for row in rng.permutation(len(others))[:OTHERS].tolist()]
        candidates = list({one.id: one for one in (wanted, *fitting, *picked)}.values())
        vectors = comparer.vectors([item.text for item in candidates])
        texts = [replace(item, categories=()) for item in candidates]
        found = judge.judge(word, texts, partial(comparer.likeness, vectors))
        yield Case(
            relevance=found.log_odds,
            own=_odds(engine, candidates, request.history, request.now),
            strange=_odds(engine, candidates, stranger.history, stranger.now),
            fits=np.array([word in labels(item) for item in candidates]),
        )
        count -= 1
        if not count:
            return


def _stranger(
    requests: Sequence[Request],
    word: str,
    labels: Callable[[Item], Sequence[str]],
    rng: np.random.Generator,
) -> Request | None:
    for at in rng.permutation(len(requests))[:50].tolist():
        request: Request = requests[at]
        if not any(word in labels(item) for item in chosen(request.history)):
            return request
    return None


def _topics(item: Item) -> list[str]:
    return [name.lower() for name in item.categories[-1:]]


def _odds(
    engine: RankingEngine, candidates: Sequence[Item], history: tuple[Event, ...], now: float
) -> NDArray[np.float64]:
    request = Request(None, history, tuple(candidates), frozenset(), timestamp=now)
    return log_odds(engine, request)


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for each folder."""
    parser = argparse.ArgumentParser(prog="python -m edge_rerank_export.studies.relevance.room")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--topics", action="store_true", help="ask by categories")
    parser.add_argument("--cases", type=int, default=150)
    arguments = parser.parse_args(argv)
    console = Console(soft_wrap=True)
    pack = Pack.open(shipped_pack())
    encoder = TextEncoder(pack)
    judge, comparer = judge_of(pack, encoder), TextComparer(encoder, cache_items=2 * POOL)
    with RankingEngine.open() as engine:
        for folder in arguments.folders:
            made = list(
                cases(
                    engine,
                    judge,
                    comparer,
                    DataSet.open(folder),
                    arguments.split,
                    count=arguments.cases,
                    rng=np.random.default_rng(0),
                    labels=_topics if arguments.topics else item_terms,
                )
            )
            spreads = [float(np.ptp(one.own)) for one in made]
            console.print(f"{folder.name}: {len(made)} cases, spread {np.median(spreads):.1f}")
            for room in ROOMS:
                row = " ".join(f"{value:.3f}" for value in figures(made, room))
                console.print(f"room {room:4}: {row}", highlight=False)


if __name__ == "__main__":
    main()
