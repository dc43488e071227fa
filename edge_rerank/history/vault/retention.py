"""Retention: how long events stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_rerank._check import check_integer, check_number
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
        if check_number(self.max_age_days, "max_age_days", InvalidRequest, minimum=0.0) == 0:
            raise InvalidRequest("max_age_days: expected a number of days above 0, or None")
        if self.max_events is not None:
            wanted = "a whole number from 1, or None"
            check_integer(self.max_events, "max_events", InvalidRequest, minimum=1, wanted=wanted)

    def oldest_kept(self, clock: int) -> int:
        """Store clock before which an event is too old at ``clock``."""
        return 0 if self.max_age_days is None else clock - int(self.max_age_days * DAY_S)


Retention.UNLIMITED = Retention(None, None)
