"""Evidence by time, where a list policy asks for it: what is new, was shown often or just now.

The columns do not yield to a query: a host that sets a weight has a say in each list.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.list_rules import Fatigue, Fresh, Rotate
from edge_rerank.ranking.request import Request
from edge_rerank.types import ReasonCode

FRESH = Column("fresh", 1.0, ReasonCode.FRESH, yields=False)
"""Log-odds that an item has lost by its age, at most 0: -weight · (1 - 2^(-age / half-life))."""

FATIGUE = Column("fatigue", 1.0, ReasonCode.FATIGUE, yields=False)
"""Log-odds lost by what was hidden for having been shown in vain, at most 0."""

ROTATED = Column("rotated", 1.0, ReasonCode.ROTATED, yields=False)
"""Log-odds lost by what was just shown, at most 0."""

_DAY_S = 86_400.0


class TimingSource:
    """The source of what a list policy says of ages and of what was shown."""

    columns: tuple[Column, ...] = (FRESH, FATIGUE, ROTATED)

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Fill in what the policy asks for."""
        policy = request.policy
        if policy.fresh is not None:
            _fill_fresh(policy.fresh, request, evidence)
        if policy.fatigue is not None:
            _fill_fatigue(policy.fatigue, request, evidence)
        if policy.rotate is not None:
            _fill_rotated(policy.rotate, request, evidence)

    def forget(self, user: str | None = None) -> None:
        """Nothing is kept."""


def days_since_tiring(fatigue: Fatigue, request: Request) -> dict[int, float]:
    """Days since the candidates that are tiring were shown last, by row."""
    return {
        row: max(request.now - one.last, 0.0) / _DAY_S
        for row, one in request.exposed.items()
        if one.shown >= fatigue.shown and not one.chosen and one.last is not None
    }


def _fill_fresh(fresh: Fresh, request: Request, evidence: Evidence) -> None:
    published = np.array([item.published for item in request.candidates], dtype=np.float64)
    days = np.maximum(request.now - published, 0.0) / _DAY_S  # NaN where nothing is known
    left = np.exp2(-days / fresh.half_life_days)
    evidence[FRESH.name] = fresh.weight * (np.where(np.isnan(left), 0.5, left) - 1)
    # Comparisons with NaN are false.
    evidence.holds(ReasonCode.FRESH, lifts=left >= 0.5, lowers=left < 0.5)


def _fill_fatigue(fatigue: Fatigue, request: Request, evidence: Evidence) -> None:
    found = days_since_tiring(fatigue, request)
    rows = np.fromiter(found, dtype=np.intp, count=len(found))
    days = np.fromiter(found.values(), dtype=np.float64, count=len(found))
    back = (days - fatigue.hidden_days) / max(fatigue.back_days, 1 / _DAY_S)
    evidence[FATIGUE.name][rows] = np.log(fatigue.least + (1 - fatigue.least) * back.clip(0, 1))
    tiring = np.zeros(len(request.candidates), dtype=np.bool_)
    tiring[rows] = back < 1
    evidence.holds(ReasonCode.FATIGUE, lifts=_nowhere(tiring), lowers=tiring)


def _fill_rotated(rotate: Rotate, request: Request, evidence: Evidence) -> None:
    shown = np.zeros(len(request.candidates), dtype=np.bool_)
    for row, one in request.exposed.items():
        left = (
            1 - max(request.now - one.last, 0.0) / rotate.seconds if one.last is not None else 0.0
        )
        if left > 0:
            evidence[ROTATED.name][row] = left * math.log1p(-rotate.rate)
            shown[row] = True
    evidence.holds(ReasonCode.ROTATED, lifts=_nowhere(shown), lowers=shown)


def _nowhere(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nobody is told that something was not done to an item."""
    return np.zeros_like(rows)
