"""Figures of a verification: each with the bound it must hold, for every kind of model."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rerank_export.errors import VerificationFailed
from edge_rerank_export.verify.orders import Agreement


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
    """All figures of one comparison.

    Attributes:
        figures: what must hold.
        texts: how many different texts took part.
        rankings: how many lists.
        orders: how alike the orders are, the first of which is judged by clicks.
    """

    figures: tuple[Figure, ...]
    texts: int
    rankings: int
    orders: tuple[Agreement, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every bound holds."""
        return all(figure.ok for figure in self.figures)

    @property
    def short(self) -> tuple[str, ...]:
        """Names of the figures that miss their bounds."""
        return tuple(figure.name for figure in self.figures if not figure.ok)

    @property
    def extent(self) -> str:
        """What took part, in words."""
        return f"{self.texts} texts"

    def for_manifest(self) -> dict[str, float]:
        """The figures by name, rounded to six digits, with the number of texts and rankings."""
        values = {figure.name: float(f"{figure.value:.6g}") for figure in self.figures}
        return {**values, "texts": float(self.texts), "rankings": float(self.rankings)}

    def require(self, advice: str = "") -> None:
        """Raise unless every bound holds.

        Args:
            advice: what to try, for the message.

        Raises:
            VerificationFailed: naming the figures that fall short.
        """
        if self.short:
            what = f"falls short of the original in: {', '.join(self.short)}"
            raise VerificationFailed(f"{what}; {advice}" if advice else what)


def tau_figure(orders: Agreement, bound: float) -> Figure:
    """Mean Kendall τ between the two orders of each list."""
    return Figure(orders.name, orders.tau, bound, at_least=True)


def ndcg_figures(orders: Agreement, bound: float) -> list[Figure]:
    """The share of NDCG@10 lost; nothing where no list has a click."""
    loss = orders.ndcg_loss
    return [] if loss is None else [Figure("ndcg_loss", loss, bound, at_least=False)]
