"""Texts that models are verified with: items, and lists of them to put in order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

from edge_rerank.formats.dataset import DataSet, chosen
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.sources.languages import Language

HISTORY = 10
"""Items of a history that take part, the newest."""

_OWN_HISTORY = 3
_OWN_CANDIDATES = 20
REQUESTS = 200


@dataclass(frozen=True, slots=True)
class RankingCase:
    """Places in :attr:`Texts.texts`: what a person chose, what is offered, what was clicked."""

    history: tuple[int, ...]
    candidates: tuple[int, ...]
    clicked: tuple[int, ...] = ()
    """Places in ``candidates``; empty where nobody knows."""


@dataclass(frozen=True, slots=True, repr=False)
class Texts:
    """Different item texts, and lists of them to rank."""

    texts: tuple[str, ...]
    cases: tuple[RankingCase, ...]


def own_texts(languages: Sequence[Language] = ()) -> Texts:
    """The texts that come with the toolchain; neighbours are of one kind.

    Each case takes three neighbours for the history and twenty others to choose from.

    Args:
        languages: of the model; the texts are English, and Chinese too where it reads Chinese.
    """
    names = ["items.txt", *(["items-zh.txt"] if Language.ZH in languages else [])]
    lines = [
        line
        for name in names
        for line in files(__name__).joinpath(name).read_text(encoding="utf-8").splitlines()
    ]
    return lists_of(tuple(line for line in lines if line and not line.startswith("#")))


def lists_of(texts: Sequence[str]) -> Texts:
    """Lists of ``texts``: three neighbours for the history, twenty others to choose from.

    Args:
        texts: more than that; neighbours are of one kind, or of none.
    """
    rng = random.Random(0)  # noqa: S311 - a fixed sample, not a secret
    cases = []
    for first in range(len(texts) - _OWN_HISTORY):
        history = tuple(range(first, first + _OWN_HISTORY))
        others = [place for place in range(len(texts)) if place not in history]
        cases.append(RankingCase(history, tuple(rng.sample(others, _OWN_CANDIDATES))))
    return Texts(tuple(texts), tuple(cases))


def texts_of(*folders: Path, split: str = "test", limit: int = REQUESTS) -> Texts:
    """The first requests of data set folders that have a history, and their items' texts.

    Args:
        folders: see :mod:`edge_rerank.formats.dataset`.
        split: name of the requests file.
        limit: how many requests of each folder at most.

    Raises:
        DataError: when a folder is malformed.
        RecipeError: when no request has a history and two candidates with a text.
    """
    places: dict[str, int] = {}
    cases: list[RankingCase] = []
    for folder in folders:
        cases += islice(_cases(folder, split, places), limit)
    if not cases:
        raise RecipeError("texts: expected requests with a history and candidates, found none")
    return Texts(tuple(places), tuple(cases))


def _cases(folder: Path, split: str, places: dict[str, int]) -> Iterator[RankingCase]:
    for request in DataSet.open(folder).requests(split):
        history = [item.text for item in chosen(request.history) if item.text][-HISTORY:]
        candidates = [item for item in request.candidates if item.text]
        if history and len(candidates) >= 2:
            yield RankingCase(
                _places(history, places),
                _places([item.text for item in candidates], places),
                tuple(n for n, item in enumerate(candidates) if item.id in request.clicked),
            )


def _places(texts: Sequence[str], places: dict[str, int]) -> tuple[int, ...]:
    return tuple(places.setdefault(text, len(places)) for text in texts)
