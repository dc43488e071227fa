"""Scale of a host's ratings."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rerank._check import check_number
from edge_rerank.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The scale of a host's ratings, such as 1 to 5 stars.

    Attributes:
        low: the worst rating there is.
        high: the best.

    Raises:
        InvalidInput: when the two are not finite numbers, the second larger.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = check_number(getattr(self, name), name, InvalidInput)
            if value is None:
                raise InvalidInput(f"{name}: expected a number, got None")
        if not self.low < self.high:
            raise InvalidInput(
                f"rating scale: expected high above low, got {self.low:g} and {self.high:g}: where "
                "the least is the best, record low + high - value"
            )

    def place(self, value: float) -> float:
        """Where a rating lies: -1 for the worst, 0 for the middle, 1 for the best."""
        return max(-1.0, min(1.0, 2 * (value - self.low) / (self.high - self.low) - 1))
