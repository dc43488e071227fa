"""What is simulated of a fleet: how many people, rounds and lists, and at which ε."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.simulate.plan import Plan

LEAST_FLEETS = 2
"""An interval over fleets needs two."""

_LEAST_OTHERS = 4
"""Two halves of two."""


@dataclass(frozen=True, slots=True)
class Judged:
    """By whom a prior is judged.

    Attributes:
        plan: how they are shown lists.
        people: their numbers.
    """

    plan: Plan
    people: range


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A simulated fleet.

    Attributes:
        devices: people who may be asked.
        others: people who are not, by whom the prior is judged.
        lists: that each head learnt from.
        first: lists from a new person's first on, over which the prior is judged.
        before: choices of a person that are known at their first list.
        candidates: items of a list.
        epsilons: of the fleets that are simulated.
        rounds, clients: of each.
        after: rounds after which the prior is judged, beside the last.
        fleets: as large, drawn at random from all people, by which membership is judged.
        seed: of all chance.
    """

    devices: int = 200
    others: int = 200
    lists: int = 40
    first: int = 10
    before: int = 5
    candidates: int = 50
    epsilons: tuple[float, ...] = (8.0, 1.0)
    rounds: int = 20
    clients: int = 100
    after: tuple[int, ...] = ()
    fleets: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not all(1 <= one <= self.rounds for one in self.after):
            raise RecipeError(f"after: expected rounds from 1 to {self.rounds}")
        if self.fleets < LEAST_FLEETS:
            raise RecipeError(f"fleets: expected {LEAST_FLEETS} or more, got {self.fleets}")
        if self.devices < self.clients or self.others < _LEAST_OTHERS:
            raise RecipeError(
                f"devices: expected {self.clients} or more and {_LEAST_OTHERS} others or more, "
                f"got {self.devices} and {self.others}"
            )

    @property
    def stops(self) -> tuple[int, ...]:
        """Rounds after which the prior is judged, the last of them at the end."""
        return tuple(sorted({*self.after, self.rounds}))

    @property
    def people(self) -> Plan:
        """How all of them are played."""
        return Plan(
            people=self.devices + self.others,
            lists=self.lists,
            candidates=self.candidates,
            before=self.before,
            seed=self.seed,
        )

    @property
    def judged(self) -> Judged:
        """By whom, and over which lists, priors are judged."""
        people = replace(self.people, lists=self.first)
        return Judged(people, range(self.devices, self.devices + self.others))
