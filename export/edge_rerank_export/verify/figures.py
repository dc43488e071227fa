"""Figures of a verification: each with the bound it must hold, for every kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank.evaluation.metrics import ndcg
from edge_rerank_export.errors import VerificationFailed
from edge_rerank_export.verify.texts import RankingCase

_NDCG_AT = 10

ScorePair = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Scores of the same candidates by the original and by the packed model, shape (n,) each."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; ``at_least`` tells on which side of ``bound`` it must lie."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def ok(self) -> bool:
        """Whether the bound holds; a figure that is not a number holds nothing."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Verification:
    """All figures of one comparison."""

    figures: tuple[Figure, ...]
    texts: int
    rankings: int

    @property
    def ok(self) -> bool:
        """Whether every bound holds."""
        return all(figure.ok for figure in self.figures)

    def for_manifest(self) -> dict[str, float]:
        """The figures by name, rounded to six digits, with the number of texts and rankings."""
        values = {figure.name: float(f"{figure.value:.6g}") for figure in self.figures}
        return {**values, "texts": float(self.texts), "rankings": float(self.rankings)}

    def require(self) -> None:
        """Raise unless every bound holds.

        Raises:
            VerificationFailed: naming the figures that fall short.
        """
        short = [figure.name for figure in self.figures if not figure.ok]
        if short:
            raise VerificationFailed(f"falls short of the original in: {', '.join(short)}")


def kendall_tau(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Kendall's τ-b of two score lists of one length; 1 for lists without two different scores.

    Kendall, "The treatment of ties in ranking problems", Biometrika 1945.
    """
    upper = np.triu_indices(len(left), 1)
    signs_left = np.sign(left[:, None] - left[None, :])[upper]
    signs_right = np.sign(right[:, None] - right[None, :])[upper]
    size = np.sqrt((signs_left**2).sum() * (signs_right**2).sum())
    return float((signs_left * signs_right).sum() / size) if size else 1.0


def tau_figure(pairs: Sequence[ScorePair], bound: float) -> Figure:
    """Mean Kendall τ between the two score lists of each pair."""
    value = float(np.mean([kendall_tau(*pair) for pair in pairs]))
    return Figure("kendall_tau", value, bound, at_least=True)


def ndcg_figures(
    cases: Sequence[RankingCase], pairs: Sequence[ScorePair], bound: float
) -> list[Figure]:
    """The share of NDCG@10 lost; nothing where no case has a click."""
    judged = [(case.clicked, pair) for case, pair in zip(cases, pairs, strict=True) if case.clicked]
    if not judged:
        return []
    before, after = (
        float(np.mean([_ndcg(pair[side], clicked) for clicked, pair in judged])) for side in (0, 1)
    )
    return [Figure("ndcg_loss", 1 - after / before, bound, at_least=False)]


def _ndcg(scores: NDArray[np.floating], clicked: Sequence[int]) -> float:
    """NDCG@10 of the order by falling score, gain 1 for each clicked place of ``scores``."""
    return ndcg(np.isin(np.argsort(-scores, kind="stable"), clicked), _NDCG_AT)
