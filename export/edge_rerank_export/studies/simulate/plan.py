"""What is simulated: scenarios, how people click, how many people and lists."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.simulate.clicks import (
    Cascade,
    ClickModel,
    Judging,
    PositionBased,
)

LEAST_PEOPLE = 2
"""An interval needs two."""


class Clicks(StrEnum):
    """Click models, see :mod:`~.clicks`."""

    POSITION = "position"
    CASCADE = "cascade"


class Impressions(StrEnum):
    """What the host reports as seen.

    Attributes:
        SEEN: what was examined, as a host does that watches what is on the screen.
        NONE: nothing but clicks.
    """

    SEEN = "seen"
    NONE = "none"


class HostOrder(StrEnum):
    """The order in which the host hands the items over.

    Attributes:
        NONE: any; the host has no opinion.
        POPULARITY: what is chosen most, first.
        PERFECT: what the person wants most, first.
    """

    NONE = "none"
    POPULARITY = "popularity"
    PERFECT = "perfect"


class Adversary(StrEnum):
    """What makes clicks mislead whoever learns from them.

    Attributes:
        NONE: nothing.
        TURNING: every other list, what the person wanted least is what they want most; a perfect
            host knows. What one list teaches is wrong in the next.
        POISONING: in a share of the lists clicks go to what is wanted least, see ``Plan.lies``.
        LYING: in all of them. Nobody can tell by clicks.
    """

    NONE = "none"
    TURNING = "turning"
    POISONING = "poisoning"
    LYING = "lying"


class Scenario(StrEnum):
    """Questions that the simulator answers.

    Attributes:
        CURVE: what learning gains, list by list.
        SWITCH: how soon it follows when the person wants something else.
        HOST: what it costs beside a host that is right and clicks that mislead.
        BIAS: what it loses because places are not examined alike.
    """

    CURVE = "curve"
    SWITCH = "switch"
    HOST = "host"
    BIAS = "bias"


class Order(StrEnum):
    """Who orders the lists of an arm.

    Attributes:
        FROZEN: a pack that does not learn.
        LEARNING: one that does.
        GUARDED: likewise, and guards the host's order.
        BOUNDED: likewise, with no more room beside it than ``Plan.room``.
        HOST: the host.
    """

    FROZEN = "frozen"
    LEARNING = "learning"
    GUARDED = "guarded"
    BOUNDED = "bounded"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Surface:
    """Where lists are shown.

    Attributes:
        name: as the host calls it.
        decline: η of its :class:`~.clicks.PositionBased` clicks.
    """

    name: str = "home"
    decline: float = 0.7


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of ordering, and of being clicked, that every person goes through.

    Attributes:
        name: in tables.
        order: whose it is.
        even: whether its places are examined alike, see :class:`~.clicks.PositionBased`.
    """

    name: str
    order: Order
    even: bool = False


_FROZEN = Arm("frozen", Order.FROZEN)
_LEARNING = Arm("learning", Order.LEARNING)
_ARMS = {
    Scenario.CURVE: (_FROZEN, _LEARNING),
    Scenario.SWITCH: (_FROZEN, _LEARNING),
    Scenario.HOST: (
        Arm("host", Order.HOST),
        _FROZEN,
        _LEARNING,
        Arm("guarded", Order.GUARDED),
        Arm("bounded", Order.BOUNDED),
    ),
    Scenario.BIAS: (Arm("unbiased", Order.LEARNING, even=True), _FROZEN, _LEARNING),
}
"""The first of each is what the others are held against."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One scenario with all its numbers.

    Attributes:
        scenario: the question.
        people: how many, ≥ 2.
        lists: that each is shown, ≥ 1.
        candidates: items of a list, ≥ 2.
        before: choices of the real person that are recorded before the first list, ≥ 0.
        clicks: the click model.
        judging: see there.
        perseverance: see :class:`~.clicks.Cascade`.
        surfaces: at least one; a list is shown on any of them.
        impressions: what the host reports.
        host: the order in which items are handed over.
        adversary: what makes clicks mislead.
        lies: share of the lists in which they do, where they poison.
        room: log-odds that the bounded arm leaves beside the host's order, see
            :class:`edge_rerank.HostGuard`.
        switch_at: the list, from 1, from which on the person has another's taste; ``None`` for
            never.
        seed: of all chance.

    Raises:
        RecipeError: when a number is out of range, or the numbers do not go together.
    """

    scenario: Scenario = Scenario.CURVE
    people: int = 30
    lists: int = 100
    candidates: int = 50
    before: int = 5
    clicks: Clicks = Clicks.CASCADE
    judging: Judging = field(default_factory=Judging)
    perseverance: float = 0.95
    surfaces: tuple[Surface, ...] = (Surface(),)
    impressions: Impressions = Impressions.SEEN
    host: HostOrder = HostOrder.NONE
    adversary: Adversary = Adversary.NONE
    lies: float = 0.3
    room: float = 1.0
    switch_at: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("people", LEAST_PEOPLE), ("lists", 1), ("before", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise RecipeError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        if not 2 <= self.candidates <= MAX_CANDIDATES:
            raise RecipeError(
                f"candidates: expected 2 to {MAX_CANDIDATES:,}, got {self.candidates}"
            )
        names = [one.name for one in self.surfaces]
        if not names or len(set(names)) != len(names):
            raise RecipeError("surfaces: expected at least one, each name once")
        if not 0 <= self.lies <= 1:
            raise RecipeError(f"lies: expected 0 to 1, got {self.lies:g}")
        if not self.room >= 0:
            raise RecipeError(f"room: expected 0 or more, got {self.room:g}")
        if self.switch_at is not None and not 1 < self.switch_at <= self.lists:
            raise RecipeError(f"switch: expected list 2 to {self.lists}, got {self.switch_at}")
        for surface in self.surfaces:
            self.model(surface, even=False)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Those of the scenario; the first is what the others are held against."""
        return _ARMS[self.scenario]

    def model(self, surface: Surface, *, even: bool) -> ClickModel:
        """How people click on a surface.

        Raises:
            RecipeError: when its numbers are out of range.
        """
        if self.clicks is Clicks.CASCADE:
            return Cascade(self.judging, self.perseverance)
        return PositionBased(self.judging, surface.decline, even)

    def asking(self, scenario: Scenario) -> Plan:
        """The same people and lists for another question, with what the question implies.

        A switch is half-way unless one is given; a host is perfect unless it has another order,
        and tastes are turning unless clicks mislead otherwise; bias is of position-based clicks.
        """
        if scenario is Scenario.SWITCH:
            switch_at = self.lists // 2 + 1 if self.switch_at is None else self.switch_at
            return replace(self, scenario=scenario, switch_at=switch_at)
        if scenario is Scenario.HOST:
            host = HostOrder.PERFECT if self.host is HostOrder.NONE else self.host
            turning = self.adversary is Adversary.NONE
            adversary = Adversary.TURNING if turning else self.adversary
            return replace(self, scenario=scenario, host=host, adversary=adversary)
        if scenario is Scenario.BIAS:
            return replace(self, scenario=scenario, clicks=Clicks.POSITION)
        return replace(self, scenario=scenario)

    def to_dict(self) -> dict[str, Any]:
        """All attributes as JSON-ready values."""
        return asdict(self)
