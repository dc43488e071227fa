"""Lifetime privacy budget of a file: what counts and rounds of a fleet cost the people in it.

Counts are ε-locally private. A round of a fleet adds one clipped vector of a device to those of
others under Gaussian noise: it is ρ-zero-concentrated private with ρ = 1 / (2 σ²), the ρ of rounds
add up, and together they are (ρ + 2 √(ρ ln 1/δ), δ)-private (Bun and Steinke, "Concentrated
differential privacy: simplifications, extensions, and lower bounds", TCC 2016, propositions 1.6
and 1.3). Both together cost their sum. What was spent is noted, sealed, before anything is drawn
or sent: a crash costs.
"""

from __future__ import annotations

import json
import math
from typing import Protocol

from edge_rerank.errors import HistoryCorrupt, PrivacyBudgetSpent

LIFETIME_EPSILON = 8.0

DELTA = 1e-6
"""Chance that is left to what the budget of a fleet's rounds does not bound."""

COUNTS, ROUNDS = "aggregates", "fleet"
"""Names of the notes, and of the purposes without whose consent nobody takes part."""

MICRO = 1_000_000
_NANO = 1_000_000_000


class Notes(Protocol):
    """What is needed of the store."""

    def read_note(self, name: str) -> bytes | None:
        """A sealed note, ``None`` where there is none."""

    def write_note(self, name: str, content: bytes) -> None:
        """Seal a note in place of the last one of that name, on disk when this returns."""


def rho_of_noise(multiplier: float) -> float:
    """What a round costs with noise of so many times the clip's norm, in ρ."""
    return 1.0 / (2.0 * multiplier**2)


def epsilon_of(rho: float) -> float:
    """The ε at :data:`DELTA` that ρ stands for."""
    return rho + 2.0 * math.sqrt(rho * math.log(1.0 / DELTA))


def rho_of(epsilon: float) -> float:
    """The ρ that ε at :data:`DELTA` allows, the inverse of :func:`epsilon_of`."""
    chance = math.log(1.0 / DELTA)
    return (math.sqrt(chance + epsilon) - math.sqrt(chance)) ** 2


def spent(notes: Notes) -> int:
    """What counts and rounds have cost together, in millionths of ε.

    Raises:
        HistoryCorrupt: when a note is not one of ours.
    """
    rho = _noted(notes, ROUNDS, "spent_nano_rho") / _NANO
    return spent_on_counts(notes) + math.ceil(epsilon_of(rho) * MICRO)


def spent_on_counts(notes: Notes) -> int:
    """What counts have cost, in millionths of ε.

    Raises:
        HistoryCorrupt: when the note is not one of ours.
    """
    return _noted(notes, COUNTS, "spent_micro_epsilon")


def spend_round(notes: Notes, noise: float) -> float:
    """Note the price of a round.

    Args:
        notes: of the file.
        noise: its multiplier.

    Returns:
        The ε that is left.

    Raises:
        PrivacyBudgetSpent: when there is not enough left; nothing is noted then.
        HistoryCorrupt: when a note is not one of ours.
        HistoryError: when it cannot be noted.
    """
    before = _noted(notes, ROUNDS, "spent_nano_rho")
    rho = before + math.ceil(rho_of_noise(noise) * _NANO)
    total = spent_on_counts(notes) + math.ceil(epsilon_of(rho / _NANO) * MICRO)
    left = LIFETIME_EPSILON - total / MICRO
    if left < 0:
        raise PrivacyBudgetSpent(
            f"fleet: expected at most {LIFETIME_EPSILON:g} for the life of the file, "
            f"with this round it would be {total / MICRO:.6g}"
        )
    notes.write_note(ROUNDS, json.dumps({"spent_nano_rho": rho}).encode())
    return left


def _noted(notes: Notes, name: str, member: str) -> int:
    note = notes.read_note(name)
    if note is None:
        return 0
    try:
        noted = json.loads(note)[member]
    except (ValueError, TypeError, KeyError):
        raise HistoryCorrupt(f"the budget of {name} cannot be read") from None
    if not isinstance(noted, int) or noted < 0:
        raise HistoryCorrupt(f"the budget of {name} cannot be read")
    return noted
