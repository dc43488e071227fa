"""Chance that candidates fit words by their sense, from how alike their vectors are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNRELATED = 8
"""Unrelated texts that are added in thought, so that a list of two or three can be judged."""

_LOW, _MIDDLE = 0.1, 0.4
_LOW_AT, _MIDDLE_AT = -1.2816, -0.2533
"""Below which these shares of a standard normal distribution lie."""


@dataclass(frozen=True, slots=True)
class Chance:
    """A logistic model of P(fits | likeness).

    Attributes:
        constant: log-odds of a text that is as alike as unrelated ones are.
        likeness: for each standard deviation above unrelated texts.
        standing: for each one above most of the candidates.
    """

    constant: float
    likeness: float
    standing: float

    def of(self, likeness: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(fits) of n candidates, shape (n,); 0 where likeness is 0, as nothing is known."""
        odds = self.constant + self.likeness * likeness + self.standing * standing(likeness)
        return np.where(likeness == 0.0, 0.0, 1 / (1 + np.exp(-odds)))


CHANCE = Chance(constant=-5.87, likeness=0.78, standing=0.20)
"""Fitted on the names of grocery-open's categories, taken out of the texts, on those of other
catalogues' and on nonsense: 200 queries each."""


def standing(likeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each candidate stands above most of the n, in their standard deviations.

    Texts of one catalogue are somewhat alike to begin with. What is usual in it is read off the
    lower quantiles, as of a normal distribution, so that many that fit do not count as usual.
    """
    known = np.sort(likeness[likeness != 0.0])
    count = len(known)
    mean = spread = 0.0
    if count:
        low, middle = known[int(_LOW * count)], known[int(_MIDDLE * count)]
        spread = (middle - low) / (_MIDDLE_AT - _LOW_AT)
        mean = middle - _MIDDLE_AT * spread
    mean = count * mean / (count + UNRELATED)
    spread = (count * spread + UNRELATED) / (count + UNRELATED)
    return np.asarray((likeness - mean) / spread)
