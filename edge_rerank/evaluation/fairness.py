"""Fairness: whether an order serves people of one group worse than the others."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import CONFIDENCE, Interval, middle, resampled_means
from edge_rerank.evaluation.outcomes import Outcomes
from edge_rerank.evaluation.statistics import holm
from edge_rerank.formats.attributes import Attributes
from edge_rerank.formats.dataset import Request
from edge_rerank.history.aggregates import MIN_PEOPLE

LEAST_REQUESTS = 30
"""With a click that a group needs, and all others beside it."""


@dataclass(frozen=True, slots=True)
class GroupQuality:
    """How one order serves a group.

    Attributes:
        mean: NDCG@10 of the group's requests.
        interval: of the mean.
        difference: to the mean of the rest, those who have another value of the attribute.
        difference_interval: of the difference.
        p_holm: of a randomisation test of no difference, corrected for the number of groups.
    """

    mean: float
    interval: Interval
    difference: float
    difference_interval: Interval
    p_holm: float

    @property
    def significant(self) -> bool:
        """Whether the difference holds at the 5 % level after correction."""
        return self.p_holm < 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Group:
    """People who have something in common.

    Attributes:
        attribute: its name; ``None`` for those of whom nothing is known beside all others.
        value: what they have in common, or how many small groups were joined.
        requests: of theirs with a click.
        people: of whom these are.
        ndcg_10: of every order that was asked for, by name.
    """

    attribute: str | None
    value: str
    requests: int
    people: int
    ndcg_10: Mapping[str, GroupQuality]

    @property
    def name(self) -> str:
        """The attribute and its value."""
        return self.value if self.attribute is None else f"{self.attribute}: {self.value}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Values of an attribute that too few requests or people are of, even when joined.

    Attributes:
        attribute: its name.
        values: how many.
        requests: of people who have one of them.
    """

    attribute: str
    values: int
    requests: int


@dataclass(frozen=True, slots=True)
class Fairness:
    """Orders by what is known of people.

    Attributes:
        groups: by attribute, then value, at last those of whom nothing is known.
        left_out: what is in no group.
    """

    groups: tuple[Group, ...]
    left_out: tuple[LeftOut, ...]

    def widest(self, order: str) -> Group | None:
        """The group that stands farthest from the rest in an order; ``None`` without groups."""
        return max(self.groups, key=lambda one: abs(one.ndcg_10[order].difference), default=None)

    def sentences(self, order: str) -> tuple[str, ...]:
        """Sentences: the largest gap of an order, and what could not be judged."""
        lines = []
        widest = self.widest(order)
        if widest is None:
            lines.append(
                f"no group of people has {LEAST_REQUESTS} requests of {MIN_PEOPLE} people, and as "
                "many beside it: nothing is said of groups"
            )
        else:
            one = widest.ndcg_10[order]
            chance = "beyond chance" if one.significant else "which chance may give"
            lines.append(
                f"largest gap: {widest.name}, {one.difference:+.3f} to the rest "
                f"(95 %: {one.difference_interval:+.3f}), {chance} among {len(self.groups)} groups"
            )
        if self.left_out:
            few = ", ".join(
                f"{one.values} of {one.attribute} ({one.requests} requests)"
                for one in self.left_out
            )
            lines.append(f"values left out, of too few people or requests: {few}")
        return tuple(lines)

    def to_dict(self, order: str) -> dict[str, Any]:
        """All attributes as JSON-ready values, and the largest gap of an order."""
        widest = self.widest(order)
        gap = None
        if widest is not None:
            one = widest.ndcg_10[order]
            gap = {"attribute": widest.attribute, "value": widest.value, **asdict(one)}
        return {**asdict(self), "largest_gap": gap}


def fairness(
    people: Mapping[str, Attributes],
    requests: Sequence[Request],
    outcomes: Mapping[str, Outcomes],
    rng: np.random.Generator,
) -> Fairness:
    """NDCG@10 of each group beside that of the rest.

    Values that fewer than 30 requests or 20 people are of are joined, and left out where they are
    too few together or where too few are beside them: a mean of few says little, and may say it
    of one person.

    Args:
        people: what is known, by user.
        requests: all of them; those without a click judge nothing.
        outcomes: of the orders on them, by name.
        rng: for the intervals.
    """
    values = np.stack([one.column("ndcg@10") for one in outcomes.values()], axis=1)
    judged = ~np.isnan(values[:, 0])
    users = [one.user for one in requests]
    known = [people.get(user) or {} if user is not None else {} for user in users]
    parts: list[_Part] = []
    left_out: list[LeftOut] = []
    for name in sorted({name for one in known for name in one}):
        found, lost = _parts_of(name, [one.get(name) for one in known], judged, users)
        parts += found
        left_out += [lost] if lost.values else []
    nothing = np.array([not one for one in known])
    if parts and _enough(nothing & judged, users) and _enough(~nothing & judged, users):
        parts.append(_Part(None, "nothing known", nothing & judged, ~nothing & judged))
    qualities = _qualities(values, parts, rng)
    return Fairness(
        tuple(
            Group(
                part.attribute,
                part.value,
                int(part.own.sum()),
                _people(part.own, users),
                dict(zip(outcomes, ones, strict=True)),
            )
            for part, ones in zip(parts, qualities, strict=True)
        ),
        tuple(left_out),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Masks over the requests: a group's own, and those of the rest; bool of shape (n,)."""

    attribute: str | None
    value: str
    own: NDArray[np.bool_]
    rest: NDArray[np.bool_]


def _parts_of(
    name: str,
    values: Sequence[str | None],
    judged: NDArray[np.bool_],
    users: Sequence[str | None],
) -> tuple[list[_Part], LeftOut]:
    """The groups of one attribute, the small ones joined, and what is in none of them."""
    has = np.array([value is not None for value in values]) & judged
    masks = {
        value: np.array([one == value for one in values]) & judged
        for value in sorted({one for one in values if one is not None}, key=_natural)
    }
    groups = [(value, 1, mask) for value, mask in masks.items() if _enough(mask, users)]
    small = [mask for mask in masks.values() if not _enough(mask, users)]
    if small:
        joined = np.logical_or.reduce(small)
        groups.append((f"{len(small)} others", len(small), joined))
    kept, lost = [], LeftOut(name, 0, 0)
    for value, count, mask in groups:
        if _enough(mask, users) and _enough(has & ~mask, users):
            kept.append(_Part(name, value, mask, has & ~mask))
        else:
            lost = LeftOut(name, lost.values + count, lost.requests + int(mask.sum()))
    return kept, lost


def _enough(mask: NDArray[np.bool_], users: Sequence[str | None]) -> bool:
    return int(mask.sum()) >= LEAST_REQUESTS and _people(mask, users) >= MIN_PEOPLE


def _people(mask: NDArray[np.bool_], users: Sequence[str | None]) -> int:
    """Of whom these requests are; whoever has no name is somebody else each time."""
    rows = np.flatnonzero(mask).tolist()
    return len({users[row] if users[row] is not None else row for row in rows})


def _natural(value: str) -> tuple[tuple[int, ...], str]:
    """In the order of the numbers in it: "Under 15K", "15-24K", "100K+"."""
    return tuple(int(digits) for digits in re.findall(r"[0-9]+", value)), value


def _qualities(
    values: NDArray[np.float64], parts: Sequence[_Part], rng: np.random.Generator
) -> Iterator[list[GroupQuality]]:
    """Of each part every order's, whose columns ``values`` are."""
    if not parts:
        return
    orders = values.shape[1]
    own = np.stack([part.own for part in parts], axis=1)
    rest = np.stack([part.rest for part in parts], axis=1)
    chances = np.array([[_chance(column, part) for part in parts] for column in values.T])
    corrected = [holm(row) for row in chances]
    columns = [
        np.where(mask, values[:, [order]], np.nan)
        for order in range(orders)
        for mask in (own, rest)
    ]
    drawn = resampled_means(np.concatenate(columns, axis=1), rng)
    drawn = drawn.reshape(len(drawn), orders, 2, len(parts))
    for row, part in enumerate(parts):
        made = []
        for order in range(orders):
            mine, theirs = drawn[:, order, 0, row], drawn[:, order, 1, row]
            mean = float(values[part.own, order].mean())
            made.append(
                GroupQuality(
                    mean,
                    middle(mine),
                    mean - float(values[part.rest, order].mean()),
                    middle(mine - theirs),
                    corrected[order][row],
                )
            )
        yield made


def _chance(column: NDArray[np.float64], part: _Part) -> float:
    """Two-sided, of a difference as large where it is by lot who is of the group.

    The means of the randomisation distribution of a difference of means are known, and with 30
    requests on either side it is all but normal (Hoeffding, "A combinatorial central limit
    theorem", Annals of Mathematical Statistics 1951).
    """
    mine, theirs = column[part.own], column[part.rest]
    variance = float(np.concatenate([mine, theirs]).var(ddof=1)) * (1 / len(mine) + 1 / len(theirs))
    if variance <= 0:
        return 1.0
    return math.erfc(abs(float(mine.mean() - theirs.mean())) / math.sqrt(2 * variance))
