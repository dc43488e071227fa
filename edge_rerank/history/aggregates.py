"""Private counts over the people of one file, under local differential privacy.

Each person's answers are randomised one by one (Warner's randomised response, 1965) before
anything is added up, so that what is released is ε-locally differentially private for each
person: whatever is known beside it, it says little about whether someone is counted. On top of
that a count is withheld unless at least :data:`MIN_PEOPLE` people are behind it but for a
chance of one in a million, judged on the randomised answers alone, so that withholding tells
nothing either. Every release costs ε, and a file's lifetime budget is noted, sealed, in the
file, and the release in its audit log, before the first answer is drawn.

The number of people who took part is not protected. Only those who agreed to the purpose
"aggregates" take part.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Protocol

from edge_rerank._check import check_label, check_number, check_sequence
from edge_rerank.errors import InvalidRequest, PrivacyBudgetSpent
from edge_rerank.history.budget import COUNTS, LIFETIME_EPSILON, spent, spent_on_counts
from edge_rerank.history.budget import MICRO as _MICRO
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.types import Event, EventType

AGGREGATES = COUNTS
"""The purpose without whose consent a person is not counted."""

MIN_PEOPLE = 20
FALSE_RELEASE = 1e-6
"""How likely a count with fewer than :data:`MIN_PEOPLE` behind it is released all the same."""

MAX_CELLS = 16

_NOTE = COUNTS
_BITS = 64

RandomBits = Callable[[int], int]
"""Returns a uniform integer of that many bits."""


class People(Protocol):
    """What is needed of the store."""

    def everyone(self) -> Iterable[tuple[Mapping[str, bool], Sequence[Event]]]:
        """Each person's decisions by purpose, and events."""

    def read_note(self, name: str) -> bytes | None:
        """A sealed note, ``None`` where there is none."""

    def write_note(self, name: str, content: bytes) -> None:
        """Seal a note in place of the last one of that name, on disk when this returns."""

    def log(self, action: AuditAction, *, purpose: str) -> object:
        """Add an entry to the audit log."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many people have an event of a category; ``None`` where that is withheld."""

    category: str
    people: int | None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Differentially private counts, see :meth:`edge_rerank.History.release_counts`.

    Attributes:
        counts: one for each category asked for, in that order.
        people: how many took part.
        epsilon: privacy loss of each of them in this release.
        epsilon_left: what is left of the file's lifetime budget.
        standard_error: of each count, in people, from the randomisation.
    """

    counts: tuple[Count, ...]
    people: int
    epsilon: float
    epsilon_left: float
    standard_error: float


def release_counts(
    people: People,
    categories: Sequence[str],
    *,
    epsilon: float,
    event: EventType | None = None,
    lock: AbstractContextManager[object] = nullcontext(),  # noqa: B008 - holds nothing
    _random_bits: RandomBits = secrets.randbits,
) -> Aggregate:
    """Count for each category the people with an event of it.

    Args:
        people: the open store.
        categories: 1 to 16, chosen without looking at the data.
        epsilon: the price, > 0; it is split evenly over the categories.
        event: only events of this type; any if ``None``.
        lock: held while the price is noted, by all who spend of this budget.

    Raises:
        InvalidRequest: when an argument is malformed.
        PrivacyBudgetSpent: when less than ``epsilon`` is left; nothing is counted then.
        HistoryError: when the budget cannot be noted; nothing is counted then.
    """
    cells = _cells(categories)
    with lock:
        left = _spend(people, epsilon)
    coin = Coin(epsilon / len(cells), _random_bits)
    answers = [0] * len(cells)
    total = 0
    for consents, history in people.everyone():
        if not consents.get(AGGREGATES, False):
            continue
        total += 1
        present = {
            name
            for one in history
            if one.item is not None and event in {None, one.type}
            for name in one.item.categories
        }
        for place, cell in enumerate(cells):
            answers[place] += coin.answer(cell in present)
    counts = tuple(
        Count(cell, coin.estimate(yes, total)) for cell, yes in zip(cells, answers, strict=True)
    )
    return Aggregate(counts, total, epsilon, left, coin.standard_error(total))


def epsilon_left(people: People) -> float:
    """What is left of the lifetime budget.

    Raises:
        HistoryCorrupt: when the note is not one of ours.
    """
    return (LIFETIME_EPSILON * _MICRO - spent(people)) / _MICRO


class Coin:
    """Randomised response that lies with probability 1 / (1 + e^ε), rounded up.

    The probability is a whole number of 2⁻⁶⁴, and the draw an integer: no float takes part,
    so there is nothing for Mironov's attack (CCS 2012) to read in the low bits.

    Args:
        epsilon: of one answer.
        random_bits: source of randomness.
    """

    def __init__(self, epsilon: float, random_bits: RandomBits = secrets.randbits) -> None:
        with localcontext() as context:
            context.prec = 60
            lie = Decimal(2**_BITS) / (1 + Decimal(epsilon).exp())
            self.lies = int(lie.to_integral_value(rounding=ROUND_CEILING))
        self._lie_rate: float = self.lies / float(2**_BITS)
        self._random_bits = random_bits

    def answer(self, truth: bool) -> bool:
        """``truth``, or now and then its opposite."""
        return truth ^ (self._random_bits(_BITS) < self.lies)

    def estimate(self, yes: int, total: int) -> int | None:
        """How many truths were yes; ``None`` unless surely at least :data:`MIN_PEOPLE`.

        Unbiased before it is rounded. The margin is Hoeffding's bound on ``total``
        independent answers.
        """
        gain = 1 - 2 * self._lie_rate
        margin = math.sqrt(total * math.log(1 / FALSE_RELEASE) / 2)
        if total < MIN_PEOPLE or yes - total * self._lie_rate < MIN_PEOPLE * gain + margin:
            return None
        return min(round((yes - total * self._lie_rate) / gain), total)

    def standard_error(self, total: int) -> float:
        """Of :meth:`estimate`, in people."""
        return math.sqrt(total * self._lie_rate * (1 - self._lie_rate)) / (1 - 2 * self._lie_rate)


def _cells(categories: object) -> tuple[str, ...]:
    wanted = "a sequence of strings"
    names = check_sequence(categories, "categories", InvalidRequest, wanted=wanted, most=MAX_CELLS)
    cells = tuple(check_label(name, "category", InvalidRequest) for name in names)
    if not 1 <= len(cells) <= MAX_CELLS or len(set(cells)) != len(cells):
        raise InvalidRequest(f"categories: expected 1 to {MAX_CELLS}, each once")
    return cells


def _spend(people: People, epsilon: object) -> float:
    """Note the price before anything is counted: a crash must cost, not refund."""
    epsilon = check_number(epsilon, "epsilon", InvalidRequest)
    if epsilon is None or not 1 / _MICRO <= epsilon <= LIFETIME_EPSILON:
        raise InvalidRequest(f"epsilon: expected more than 0 and at most {LIFETIME_EPSILON}")
    price = math.ceil(epsilon * _MICRO)
    left = LIFETIME_EPSILON * _MICRO - spent(people) - price
    if left < 0:
        raise PrivacyBudgetSpent(
            f"aggregates: expected {epsilon} of the lifetime budget, "
            f"{epsilon_left(people):.6g} is left"
        )
    noted = spent_on_counts(people) + price
    people.write_note(_NOTE, json.dumps({"spent_micro_epsilon": noted}).encode())
    people.log(AuditAction.RELEASED, purpose=AGGREGATES)
    return left / _MICRO
