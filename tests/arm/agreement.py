"""How alike two machines' vectors, scores and orders are, and whether that is alike enough."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

COSINE, SCORE, TAU = 0.999, 0.002, 0.98
"""What must hold: of each text's vectors at least, of scores apart at most, of the mean τ."""

SHARE = 0.99
"""Of the scores that must be no further apart. The last bits of float32 differ between machines as
between versions of onnxruntime, and where one turns the rounding of an activation, all that follows
does: 1.20.0 and 1.32.0 on one machine were 0.001 apart in this share of the scores, 0.016 at most.
Of two alike, the one that is moved down may then be another.
"""

MIN_LISTS = 50
"""Fewer are shown, and their order is not judged: a swap of neighbours in 10 costs 0.044 of a τ."""

Kept = Mapping[str, NDArray[Any]]
"""What ``compute`` wrote."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing compared.

    Attributes:
        name: what it is.
        found: its value.
        wanted: what it must be, in words; empty where anything will do.
        holds: whether it is.
    """

    name: str
    found: str
    wanted: str = ""
    holds: bool = True


def kendall(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Kendall's τ of two orders without ties, given the places of the same things, shape (n,)."""
    ahead = np.sign(one[:, None] - one), np.sign(other[:, None] - other)
    pairs = len(one) * (len(one) - 1)
    return float((ahead[0] * ahead[1]).sum() / pairs) if pairs else 1.0


def compare(here: Kept, there: Kept) -> list[Figure]:
    """What two machines made of the same texts and lists.

    Raises:
        ValueError: when it was not of the same.
    """
    for name in here.keys() | there.keys():
        if name not in here or name not in there or here[name].shape != there[name].shape:
            raise ValueError(f"{name}: expected the same on both machines")
    cosines = _cosines(here["vectors"], there["vectors"])
    found = [_judged(f"least cosine of {len(cosines)} vectors", cosines.min(), COSINE, operator.ge)]
    for pack in ("shipped", "pack"):
        if f"{pack}.scores" in here:
            found += _of_lists(pack, here, there)
    return found


def table(figures: list[Figure]) -> str:
    """Lines of text."""
    wide = max(len(figure.name) for figure in figures)
    return "\n".join(
        f"{figure.name:{wide}}  {figure.found:>8}  {figure.wanted:9}"
        f"{'' if figure.holds else '  MISSED'}".rstrip()
        for figure in figures
    )


def _cosines(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Of unit vectors, shape (n, dim); 1 of a text without a word for the pack, on both sides."""
    nothing = ~one.any(axis=1) & ~other.any(axis=1)
    return np.where(nothing, 1.0, (one * other).sum(axis=1, dtype=np.float64))


def _of_lists(pack: str, here: Kept, there: Kept) -> list[Figure]:
    apart = np.abs(here[f"{pack}.scores"] - there[f"{pack}.scores"])
    lengths = here[f"{pack}.lengths"]
    ends = np.cumsum(lengths)[:-1]
    places = [np.split(side[f"{pack}.places"], ends) for side in (here, there)]
    taus = [kendall(one, other) for one, other in zip(*places, strict=True)]
    same = np.mean(here[f"{pack}.places"] == there[f"{pack}.places"])
    what = f"{pack}: {len(lengths)} lists of {round(np.mean(lengths))}"
    order = _judged(f"{what}, Kendall's τ", np.mean(taus), TAU, operator.ge)
    return [
        _judged(f"{what}, scores apart", np.quantile(apart, SHARE), SCORE, operator.le),
        Figure(f"{what}, scores apart at most", f"{apart.max():.5f}"),
        order if len(taus) >= MIN_LISTS else Figure(order.name, order.found),
        Figure(f"{what}, τ of the worst", f"{min(taus):.4f}"),
        Figure(f"{what}, in their exact place", f"{same:.1%}"),
    ]


def _judged(name: str, value: float, bound: float, holds: Callable[[float, float], bool]) -> Figure:
    sign = "≥" if holds is operator.ge else "≤"
    return Figure(name, f"{value:.5f}", f"{sign} {bound}", bool(holds(value, bound)))
