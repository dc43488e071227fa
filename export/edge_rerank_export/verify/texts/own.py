"""The toolchain's own texts, and lists of neighbours made of lines."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

from edge_rerank_export.sources.languages import Language
from edge_rerank_export.verify.texts.cases import RankingCase, Texts

HISTORY_LINES = 3
CANDIDATE_LINES = 20


def own_texts(languages: Sequence[Language] = ()) -> Texts:
    """The texts that come with the toolchain; neighbours are of one kind.

    Args:
        languages: of the model; the texts are English, and Chinese too where it reads Chinese.
    """
    names = ["items.txt", *(["items-zh.txt"] if Language.ZH in languages else [])]
    lines = [
        line
        for name in names
        for line in files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    ]
    texts = tuple(line for line in lines if line and not line.startswith("#"))
    return replace(lists_of(texts), source="the toolchain's own texts")


def lists_of(texts: Sequence[str]) -> Texts:
    """A list for each text with two behind it: three neighbours and twenty others, or all.

    Args:
        texts: five or more; neighbours are of one kind, or of none.
    """
    return Texts(tuple(texts), neighbours(len(texts), range(len(texts) - HISTORY_LINES)))


def neighbours(lines: int, starts: Sequence[int]) -> tuple[RankingCase, ...]:
    """Lists made of lines: three neighbours for a history, twenty others to choose from.

    Args:
        lines: how many there are, at least five.
        starts: where each list's history begins.
    """
    rng = random.Random(0)  # noqa: S311 - a fixed sample, not a secret
    cases = []
    for first in starts:
        history = tuple(range(first, first + HISTORY_LINES))
        others = [place for place in range(lines) if place not in history]
        offered = rng.sample(others, min(CANDIDATE_LINES, len(others)))
        cases.append(RankingCase(history, tuple(offered)))
    return tuple(cases)
