"""The pace of a model on this machine: seconds a token takes, in one run and in several at once."""

from __future__ import annotations

LEAST_TOKENS = 32
"""A run of fewer costs nearly as much as this many do."""

UNKNOWN_S = 1e-3
"""Seconds a token takes, until the first run says better."""

_WEIGHT = 0.3
"""Of the newest run in what is known."""

_TRIAL = 32
"""One of so many calls is made the other way, to see whether the machine has changed."""

_GAIN = 0.9
"""Where a second core is only half of one, or is busy, one run may be as fast as two. The two are
given up for it when it takes less than this share of their time."""


class Pace:
    """Measures runs, and says into how many at once the next is to be split.

    Two threads that measure at the same time may lose one of the two figures.

    Args:
        at_once: the most runs at once, ≥ 1.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._whole: float | None = None
        self._split: float | None = None
        self._calls = 0

    def parts(self, tokens: int) -> int:
        """Into how many runs at once to split ``tokens``, ≥ 1."""
        most = min(self._at_once, tokens // LEAST_TOKENS)
        if most < 2:
            return 1
        self._calls += 1
        if self._split is None or self._whole is None:
            return most if self._split is None else 1
        whole = self._whole < _GAIN * self._split
        if self._calls % _TRIAL == 0:
            whole = not whole
        return 1 if whole else most

    def note(self, tokens: int, seconds: float, *, parts: int) -> None:
        """Learn of a run, or of ``parts`` at once, of ``tokens`` in all."""
        if parts > 1:
            self._split = _newer(self._split, seconds / tokens)
        else:
            self._whole = _newer(self._whole, seconds / tokens)

    def seconds(self, tokens: int, *, alone: bool = False) -> float:
        """How long ``tokens`` take; ``alone`` where they cannot be split."""
        known = self._whole if alone or self._split is None else self._split
        if known is None:
            known = UNKNOWN_S if self._split is None else self._split
        return tokens * known


def _newer(known: float | None, found: float) -> float:
    return found if known is None else known + _WEIGHT * (found - known)
