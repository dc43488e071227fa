"""Agreement of two orders of the same lists: Kendall's τ of each, and NDCG@10 where clicks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval, bootstrap
from edge_rerank.evaluation.metrics import ndcg
from edge_rerank_export.verify.texts import RankingCase

_NDCG_AT = 10
_WORST = 0.1

ScorePair = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Scores of the same candidates by the original and by the packed model, shape (n,) each."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike the original's order and the packed model's are, list by list.

    Attributes:
        name: of the figure that is its mean τ.
        taus: Kendall's τ of each list.
        gains: NDCG@10 of each list by the original and by the packed model; ``None`` for a list
            without a click.
        sources: what each list is from, see
            :class:`~edge_rerank_export.verify.texts.cases.RankingCase`.
    """

    name: str
    taus: tuple[float, ...]
    gains: tuple[tuple[float, float] | None, ...]
    sources: tuple[str, ...]

    @property
    def ndcg(self) -> tuple[tuple[float, float], ...]:
        """NDCG@10 by the original and by the packed model, of each list with a click."""
        return tuple(pair for pair in self.gains if pair is not None)

    def by_source(self) -> dict[str, Agreement]:
        """The same for the lists of each source."""
        return {
            source: Agreement(
                self.name,
                tuple(self.taus[place] for place in places),
                tuple(self.gains[place] for place in places),
                (source,) * len(places),
            )
            for source in dict.fromkeys(self.sources)
            if (places := [at for at, one in enumerate(self.sources) if one == source])
        }

    @property
    def tau(self) -> float:
        """Mean over the lists; not a number without any."""
        return float(np.mean(self.taus)) if self.taus else float("nan")

    @property
    def worst_tau(self) -> float:
        """Mean over the tenth of the lists that agree least, at least one."""
        if not self.taus:
            return float("nan")
        count = max(1, round(_WORST * len(self.taus)))
        return float(np.mean(sorted(self.taus)[:count]))

    @property
    def tau_interval(self) -> Interval:
        """Of the mean τ, by bootstrap over the lists."""
        return _interval(np.array(self.taus))

    @property
    def ndcg_means(self) -> tuple[float, float] | None:
        """NDCG@10 by the original and by the packed model; ``None`` where nobody clicked."""
        if not self.ndcg:
            return None
        before, after = np.mean(self.ndcg, axis=0)
        return float(before), float(after)

    @property
    def ndcg_loss(self) -> float | None:
        """Share of the original's NDCG@10 that is lost, below 0 for a gain."""
        if (means := self.ndcg_means) is None:
            return None
        return 1 - means[1] / means[0] if means[0] else 0.0

    @property
    def ndcg_interval(self) -> Interval | None:
        """Of the packed model's NDCG@10 less the original's, paired by list."""
        if not self.ndcg:
            return None
        pairs = np.array(self.ndcg)
        return _interval(pairs[:, 1] - pairs[:, 0])

    def to_dict(self) -> dict[str, Any]:
        """What it comes to, for JSON: ``ndcg`` is there where a list has a click."""
        found: dict[str, Any] = {
            "name": self.name,
            "lists": len(self.taus),
            "tau": self.tau,
            "tau_interval": list(self.tau_interval),
            "tau_worst_decile": self.worst_tau,
        }
        if self.ndcg_means is not None and self.ndcg_interval is not None:
            original, packed = self.ndcg_means
            found["ndcg"] = {
                "lists": len(self.ndcg),
                "original": original,
                "packed": packed,
                "loss": self.ndcg_loss,
                "difference_interval": list(self.ndcg_interval),
            }
        if len(parts := self.by_source()) > 1:
            found["by_source"] = {name: one.to_dict() for name, one in parts.items()}
        return found


def agreement(
    cases: Sequence[RankingCase], pairs: Sequence[ScorePair], name: str = "kendall_tau"
) -> Agreement:
    """Compare two orders of each list.

    Args:
        cases: the lists.
        pairs: scores of each list's candidates.
        name: of the mean τ.
    """
    return Agreement(
        name,
        tuple(kendall_tau(*pair) for pair in pairs),
        tuple(
            (_ndcg(before, case.clicked), _ndcg(after, case.clicked)) if case.clicked else None
            for case, (before, after) in zip(cases, pairs, strict=True)
        ),
        tuple(case.source for case in cases),
    )


def kendall_tau(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Kendall's τ-b of two score lists, -1 to 1; 1 for lists without two different scores.

    Kendall, "The treatment of ties in ranking problems", Biometrika 1945.

    Args:
        left: scores of shape (n,).
        right: of the same things, likewise.
    """
    upper = np.triu_indices(len(left), 1)
    signs_left = np.sign(left[:, None] - left[None, :])[upper]
    signs_right = np.sign(right[:, None] - right[None, :])[upper]
    size = np.sqrt((signs_left**2).sum() * (signs_right**2).sum())
    return float((signs_left * signs_right).sum() / size) if size else 1.0


def _ndcg(scores: NDArray[np.floating], clicked: Sequence[int]) -> float:
    """NDCG@10 of the order by falling score, gain 1 for each clicked place of ``scores``."""
    return ndcg(np.isin(np.argsort(-scores, kind="stable"), clicked), _NDCG_AT)


def _interval(values: NDArray[np.float64]) -> Interval:
    return bootstrap(values[:, None], np.random.default_rng(0))[0]
