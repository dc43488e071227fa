"""Sessions: where one sitting ends and the next begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SESSION_GAP_S = 30 * 60.0
"""Silence that ends a session; the 30 minutes that web analytics settled on."""


def session_ages(timestamps: ArrayLike, *, now: float) -> NDArray[np.int64]:
    """How many sessions ago each event happened.

    Args:
        timestamps: UTC seconds in ascending order, shape (n,).
        now: UTC seconds; an event within :data:`SESSION_GAP_S` of it is in session 0, the
            current one.

    Returns:
        int64 of shape (n,): 0 for the current session, 1 for the one before, and so on.
        An event older than the gap is never in session 0.
    """
    times = np.asarray(timestamps, dtype=np.float64)
    gaps = np.empty_like(times)
    np.subtract(times[1:], times[:-1], out=gaps[:-1])
    gaps[-1:] = max(now - times[-1], 0.0) if times.size else 0.0
    return np.cumsum((gaps > SESSION_GAP_S)[::-1], dtype=np.int64)[::-1]


def is_over(last: float, now: float) -> bool:
    """Whether the session of the last event, at ``last`` in UTC seconds, is over at ``now``."""
    return now - last > SESSION_GAP_S
