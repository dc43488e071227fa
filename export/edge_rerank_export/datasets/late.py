"""How much of what is learnt from was not known yet when a list was shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def late_share(learnt: Sequence[float], lists: Sequence[float]) -> float:
    """Share of the choices to learn from that are later than a list, in the mean, 0 to 1.

    What is learnt from them knows that much of the future. 0 where either has no time.

    Args:
        learnt: UTC seconds of these choices.
        lists: UTC seconds of the lists.
    """
    if not (learnt and lists):
        return 0.0
    by_then = np.searchsorted(np.sort(learnt), lists, side="right").mean()
    return 1 - float(by_then) / len(learnt)
