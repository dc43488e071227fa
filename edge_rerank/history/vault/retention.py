"""How long events stay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from edge_rerank.errors import InvalidRequest

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Retention:
    """When events are deleted by themselves: what is older, or what is too many.

    Age counts from when an event was recorded here, in time that the store has seen pass, not
    from the timestamp that the host wrote.

    Attributes:
        max_age_days: days an event may stay; ``None`` for no limit. The default is 13
            months.
        max_events: events kept per person, the last recorded ones; ``None`` for no limit.

    Raises:
        InvalidRequest: when a limit is not a positive number.
    """

    max_age_days: float | None = 395.0
    max_events: int | None = 10_000

    UNLIMITED: ClassVar[Retention]

    def __post_init__(self) -> None:
        age, events = self.max_age_days, self.max_events
        if age is not None and (
            isinstance(age, bool)
            or not isinstance(age, int | float)
            or not (math.isfinite(age) and age > 0)
        ):
            raise InvalidRequest("max_age_days: expected a number of days above 0, or None")
        if events is not None and (type(events) is not int or events < 1):
            raise InvalidRequest("max_events: expected a whole number from 1, or None")

    def oldest_kept(self, clock: int) -> int:
        """Store clock before which an event is too old at ``clock``."""
        return 0 if self.max_age_days is None else clock - int(self.max_age_days * DAY_S)


Retention.UNLIMITED = Retention(None, None)
