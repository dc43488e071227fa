"""Click models: what of a list is examined, what is clicked, what pleases, how long it is read.

Both models judge an examined item alike, given r, how likely the person wants it: it is clicked
because it is wanted with chance r, else by accident with chance ``noise``, so that
P(click | examined) = r + (1 − r) · noise. What was wanted pleases with chance ``pleasing``, an
accident never does. They differ in what is examined.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank_export.errors import RecipeError

PLEASED_S = (30.0, 300.0)
"""Seconds with what pleases, from and to; spread evenly in their logarithm, as all of these."""

DISAPPOINTED_S = (5.0, 30.0)
"""With what was wanted and did not please."""

ACCIDENT_S = (0.5, 5.0)
"""With what was clicked by accident."""


@dataclass(frozen=True, slots=True)
class Lots:
    """All chance in one visit, float64 of shape (n,) each, evenly from 0 to 1.

    Attributes:
        look: by place, whether it is examined.
        appeal: by item, whether it is clicked.
        delight: by item, whether it pleases once it is clicked.
        dwell: by item, how long it is read.
    """

    look: NDArray[np.float64]
    appeal: NDArray[np.float64]
    delight: NDArray[np.float64]
    dwell: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int) -> Self:
        """Those of a visit to ``count`` items."""
        return cls(*rng.random((4, count)))

    def shown(self, order: NDArray[np.intp]) -> Lots:
        """The same visit to another order: an item keeps its luck, and so does a place.

        Args:
            order: which item stands at each place, shape (n,).
        """
        return Lots(self.look, self.appeal[order], self.delight[order], self.dwell[order])


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of a list, by place.

    Attributes:
        examined: bool of shape (n,).
        clicked: likewise.
        pleased: likewise, among the clicked.
        dwell_s: seconds, float64 of shape (n,); 0 for what was not clicked.
    """

    examined: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    pleased: NDArray[np.bool_]
    dwell_s: NDArray[np.float64]


class ClickModel(Protocol):
    """How a person goes through a list."""

    def examination(self, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        """The chance that each place is examined, float64 of shape (n,).

        Args:
            wanted: r of the item at each place, float64 of shape (n,).
        """
        ...

    def pleasing_clicks(self, wanted: NDArray[np.float64]) -> float:
        """How many clicks please, in the mean.

        Args:
            wanted: r of the item at each place, float64 of shape (n,).
        """
        ...

    def visit(self, wanted: NDArray[np.float64], lots: Lots) -> Visit:
        """One visit.

        Args:
            wanted: r of the item at each place, float64 of shape (n,).
            lots: by place.
        """
        ...


@dataclass(frozen=True, slots=True)
class Judging:
    """How an examined item is judged.

    Attributes:
        noise: chance that what is not wanted is clicked by accident.
        pleasing: chance that what was wanted and clicked pleases.

    Raises:
        RecipeError: when one is not from 0 to 1.
    """

    noise: float = 0.03
    pleasing: float = 0.8

    def __post_init__(self) -> None:
        check_shares(self)

    def clicks(self, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(click | examined), the shape of ``wanted``."""
        return np.asarray(wanted + (1 - wanted) * self.noise)

    def verdict(
        self, wanted: NDArray[np.float64], lots: Lots
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
        """What would be clicked, what would please, and seconds with it, were all examined.

        Args:
            wanted: r of each item, float64 of shape (n,).
            lots: of them, in that order.

        Returns:
            bool, bool and float64 of shape (n,).
        """
        meant = lots.appeal < wanted
        clicked = lots.appeal < self.clicks(wanted)
        pleased = meant & (lots.delight < self.pleasing)
        spans = np.select(
            [pleased[:, None], meant[:, None]], [[PLEASED_S], [DISAPPOINTED_S]], [ACCIDENT_S]
        )
        dwell_s = spans[:, 0] * (spans[:, 1] / spans[:, 0]) ** lots.dwell
        return clicked, pleased, dwell_s


@dataclass(frozen=True, slots=True)
class PositionBased:
    """Place k is examined with chance k^−decline, whatever stands there or was clicked before.

    Craswell, Zoeter, Taylor and Ramsey, "An experimental comparison of click position-bias
    models", WSDM 2008.

    Attributes:
        judging: see there.
        decline: η.
        even: whether every place has the same chance instead, with as many examined in the
            mean: an unbiased log of the same people.

    Raises:
        RecipeError: when ``decline`` is below 0.
    """

    judging: Judging = field(default_factory=Judging)
    decline: float = 0.7
    even: bool = False

    def __post_init__(self) -> None:
        if not self.decline >= 0:
            raise RecipeError(f"decline: expected 0 or more, got {self.decline:g}")

    def examination(self, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :class:`ClickModel`."""
        chances = np.arange(1, len(wanted) + 1) ** -self.decline
        return np.asarray(np.full_like(chances, chances.mean()) if self.even else chances)

    def pleasing_clicks(self, wanted: NDArray[np.float64]) -> float:
        """See :class:`ClickModel`."""
        return float(self.examination(wanted) @ wanted) * self.judging.pleasing

    def visit(self, wanted: NDArray[np.float64], lots: Lots) -> Visit:
        """See :class:`ClickModel`."""
        clicked, pleased, dwell_s = self.judging.verdict(wanted, lots)
        examined = lots.look < self.examination(wanted)
        clicked &= examined
        return Visit(examined, clicked, pleased & clicked, np.where(clicked, dwell_s, 0.0))


@dataclass(frozen=True, slots=True)
class Cascade:
    """From the top down until something pleases; after anything else on, or away.

    Chapelle and Zhang, "A dynamic Bayesian network click model for web search ranking", WWW 2009:
    P(k + 1 examined) = P(k examined) · (1 − r_k · pleasing) · perseverance.

    Attributes:
        judging: see there.
        perseverance: chance to go on after an item that did not please.

    Raises:
        RecipeError: when ``perseverance`` is not from 0 to 1.
    """

    judging: Judging = field(default_factory=Judging)
    perseverance: float = 0.95

    def __post_init__(self) -> None:
        check_shares(self)

    def examination(self, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :class:`ClickModel`."""
        on = (1 - wanted * self.judging.pleasing) * self.perseverance
        return np.cumprod(np.append(1.0, on))[:-1][: len(wanted)]

    def pleasing_clicks(self, wanted: NDArray[np.float64]) -> float:
        """See :class:`ClickModel`."""
        return float(self.examination(wanted) @ wanted) * self.judging.pleasing

    def visit(self, wanted: NDArray[np.float64], lots: Lots) -> Visit:
        """See :class:`ClickModel`."""
        clicked, pleased, dwell_s = self.judging.verdict(wanted, lots)
        leaves = pleased | (lots.look >= self.perseverance)
        examined = ~np.append(False, np.logical_or.accumulate(leaves))[: len(leaves)]
        clicked &= examined
        return Visit(examined, clicked, pleased & clicked, np.where(clicked, dwell_s, 0.0))


def against(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What clicks against the person's own good go by: of a list, what is wanted least first.

    Args:
        wanted: r of each item, float64 of shape (n,).

    Returns:
        The same numbers with their order turned round.
    """
    turned = np.empty_like(wanted)
    order = np.argsort(wanted, kind="stable")
    turned[order] = wanted[order[::-1]]
    return turned


def check_shares(value: Judging | Cascade) -> None:
    """Refuse numbers that are not from 0 to 1.

    Raises:
        RecipeError: see above.
    """
    for entry in fields(value):
        share = getattr(value, entry.name)
        if isinstance(share, float | int) and not 0 <= share <= 1:
            raise RecipeError(f"{entry.name}: expected 0 to 1, got {share:g}")
