"""Ledger of a fleet: how much noise so many rounds need, what was spent, and when to stop."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from edge_rerank.errors import PrivacyBudgetSpent
from edge_rerank.history.budget import DELTA, LIFETIME_EPSILON, epsilon_of, rho_of, rho_of_noise
from edge_rerank.learning.share import CLIP, LEAST_CLIENTS, LEAST_NOISE
from edge_rerank_export.errors import RecipeError

ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Promise:
    """What a fleet's server promises, and holds itself to.

    Attributes:
        epsilon: for a device that takes part in every round, at most 8.
        rounds: how many there will be.
        clients: devices a round, at least 100.
        noise: standard deviation in units of the clip; 0 for the least that ``epsilon`` allows.

    Raises:
        RecipeError: when it promises too little, or more than its noise can keep.
    """

    epsilon: float = LIFETIME_EPSILON
    rounds: int = ROUNDS
    clients: int = LEAST_CLIENTS
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= LIFETIME_EPSILON:
            raise RecipeError(
                f"epsilon: expected more than 0 and at most {LIFETIME_EPSILON:g}, "
                f"got {self.epsilon:g}"
            )
        if self.rounds < 1:
            raise RecipeError(f"rounds: expected 1 or more, got {self.rounds}")
        if self.clients < LEAST_CLIENTS:
            raise RecipeError(
                f"clients: expected {LEAST_CLIENTS} or more a round, got {self.clients}"
            )
        least = max(LEAST_NOISE, noise_for(self.epsilon, self.rounds))
        if not self.noise:
            object.__setattr__(self, "noise", least)
        if not self.noise >= least:
            raise RecipeError(
                f"noise: expected {least:.4g} or more for ε {self.epsilon:g} over "
                f"{self.rounds} rounds, got {self.noise:g}"
            )

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise in each number of a round's mean."""
        return self.noise * CLIP / self.clients


def noise_for(epsilon: float, rounds: int) -> float:
    """The least noise with which so many rounds cost no more than ε at the runtime's δ.

    Rounded up to thousandths.
    """
    return math.ceil(math.sqrt(rounds / (2.0 * rho_of(epsilon))) * 1e3) / 1e3


class Ledger:
    """What rounds have cost whoever took part in all of them.

    Args:
        promise: what is kept to.
        rounds: that were spent before.
    """

    def __init__(self, promise: Promise, *, rounds: int = 0) -> None:
        self.promise = promise
        self.rounds = rounds

    @property
    def epsilon(self) -> float:
        """Spent so far, at the runtime's δ."""
        return epsilon_of(self.rounds * rho_of_noise(self.promise.noise)) if self.rounds else 0.0

    def check(self) -> None:
        """See that another round may be asked for.

        Raises:
            PrivacyBudgetSpent: when it would cost more than was promised.
        """
        after = epsilon_of((self.rounds + 1) * rho_of_noise(self.promise.noise))
        if after > self.promise.epsilon * (1 + 1e-12):
            raise PrivacyBudgetSpent(
                f"fleet: expected ε of at most {self.promise.epsilon:g}, "
                f"with another round it would be {after:.6g}"
            )

    def spend(self) -> None:
        """Note a round: before its sum is made."""
        self.check()
        self.rounds += 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        promise = {name: value for name, value in asdict(self.promise).items() if name != "rounds"}
        return {
            **promise,
            "clip": CLIP,
            "delta": DELTA,
            "rounds": self.rounds,
            "rounds_promised": self.promise.rounds,
            "spent_epsilon": self.epsilon,
            "accounting": "zCDP of the Gaussian mechanism, Bun and Steinke 2016; every device "
            "counts as if it took part in every round",
        }
