"""Evidence by time, where a list policy asks for it: what is new, was shown often or just now.

The columns do not yield to a query: a host that sets a weight has a say in each list.
"""

from __future__ import annotations

import math
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import Column, Evidence, Source
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


class TimingSource(Source):
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


def days_since_tiring(
    fatigue: Fatigue, request: Request
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows of the candidates that are tiring, and the days since each was shown last.

    Returns:
        intp and float64 of shape (m,).
    """
    rows, told = request.exposed
    tiring = [one.shown >= fatigue.shown and not one.chosen for one in told]
    tired = np.array(tiring, dtype=np.bool_)
    last = np.array([one.last for one in compress(told, tiring)], dtype=np.float64)
    known = ~np.isnan(last)
    return rows[tired][known], np.maximum(request.now - last[known], 0.0) / _DAY_S


def _fill_fresh(fresh: Fresh, request: Request, evidence: Evidence) -> None:
    # NaN where nothing is known.
    days = np.maximum(request.now - request.candidates.published, 0.0) / _DAY_S
    left = np.exp2(-days / fresh.half_life_days)
    evidence[FRESH.name] = fresh.weight * (np.where(np.isnan(left), 0.5, left) - 1)
    # Comparisons with NaN are false.
    evidence.holds(ReasonCode.FRESH, lifts=left >= 0.5, lowers=left < 0.5)


def _fill_fatigue(fatigue: Fatigue, request: Request, evidence: Evidence) -> None:
    rows, days = days_since_tiring(fatigue, request)
    back = (days - fatigue.hidden_days) / max(fatigue.back_days, 1 / _DAY_S)
    evidence[FATIGUE.name][rows] = np.log(fatigue.least + (1 - fatigue.least) * back.clip(0, 1))
    tiring = np.zeros(len(request.candidates), dtype=np.bool_)
    tiring[rows] = back < 1
    evidence.holds(ReasonCode.FATIGUE, lifts=_nowhere(tiring), lowers=tiring)


def _fill_rotated(rotate: Rotate, request: Request, evidence: Evidence) -> None:
    rows, told = request.exposed
    last = np.array([one.last for one in told], dtype=np.float64)
    left = 1 - np.maximum(request.now - last, 0.0) / rotate.seconds
    now = left > 0  # a comparison with NaN, where no time is known, is false
    evidence[ROTATED.name][rows[now]] = left[now] * math.log1p(-rotate.rate)
    shown = np.zeros(len(request.candidates), dtype=np.bool_)
    shown[rows[now]] = True
    evidence.holds(ReasonCode.ROTATED, lifts=_nowhere(shown), lowers=shown)


def _nowhere(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nobody is told that something was not done to an item."""
    return np.zeros_like(rows)
