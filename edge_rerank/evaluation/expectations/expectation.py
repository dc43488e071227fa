"""Expectations, their outcomes and the report of a run.

In the manner of CheckList (Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models with
CheckList", ACL 2020) and RecList (Chia et al., "Beyond NDCG: behavioral testing of recommender
systems with RecList", WWW 2022): a model that is good in the mean is held to sentences about
single people, each measured and compared with a bound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge_rerank.evaluation.expectations.visits import Host


class Group(StrEnum):
    """What an expectation is about."""

    STRENGTH = "strength"
    LAST_WORD = "last word"
    QUERY = "query"
    SEARCH = "search"
    TASTES = "tastes"
    SWITCH = "switch"
    NEGATIVE = "negative"
    REPEATS = "repeats"
    COPIES = "near-copies"
    REASONS = "reasons"
    READING = "reading"
    HOST = "host"
    DEFAULTS = "defaults"


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a measured number must lie, both ends included.

    Attributes:
        low: the least it may be.
        high: the most it may be.
    """

    low: float = -math.inf
    high: float = math.inf

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies within; what is not a number never does."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:g}"
        if math.isinf(self.high):
            return f"≥ {self.low:g}"
        if math.isinf(self.low):
            return f"≤ {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


def at_least(low: float) -> Bound:
    """``low`` or more."""
    return Bound(low=low)


def at_most(high: float) -> Bound:
    """``high`` or less."""
    return Bound(high=high)


def between(low: float, high: float) -> Bound:
    """From ``low`` to ``high``."""
    return Bound(low, high)


ALWAYS = Bound(1.0, 1.0)
"""Of a share: all of it. Of a yes or no: yes."""

NEVER = Bound(0.0, 0.0)
"""Of a count: none."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A sentence that anyone would hold of the product, and how to see whether it is so.

    Attributes:
        group: what it is about.
        sentence: what is expected, one sentence that names the set-up.
        bound: where the measured number must lie.
        measure: plays the set-up at a host, through the public door, and gives the number.
    """

    group: Group
    sentence: str
    bound: Bound
    measure: Callable[[Host], float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one expectation.

    Attributes:
        expectation: the one.
        got: the measured number.
        met: whether it lies within the bound.
    """

    expectation: Expectation
    got: float
    met: bool

    @classmethod
    def of(cls, expectation: Expectation, host: Host) -> Outcome:
        """Play one expectation."""
        got = float(expectation.measure(host))
        return cls(expectation, got, expectation.bound.holds(got))


@dataclass(frozen=True, slots=True)
class ExpectationReport:
    """The outcomes of a run.

    Attributes:
        model: name and release of the packs, as "name 1 + name 2".
        outcomes: at least one, in the order of the groups.
    """

    model: str
    outcomes: tuple[Outcome, ...]

    @property
    def share(self) -> float:
        """Share of the expectations that are met, 0 to 1."""
        return _share(self.outcomes)

    @property
    def met(self) -> int:
        """How many are met."""
        return sum(one.met for one in self.outcomes)

    @property
    def unmet(self) -> tuple[Outcome, ...]:
        """Those that are not."""
        return tuple(one for one in self.outcomes if not one.met)

    @property
    def groups(self) -> Mapping[Group, tuple[Outcome, ...]]:
        """The outcomes by group, in the order of :class:`Group`."""
        found = {
            group: tuple(one for one in self.outcomes if one.expectation.group is group)
            for group in Group
        }
        return {group: ones for group, ones in found.items() if ones}

    def rows(self, *, unmet: bool = False) -> list[tuple[str, str, str, str, str]]:
        """A row a sentence: "✓" or "✗", group, sentence, bound, measured number.

        Args:
            unmet: whether those that are met are left out.
        """
        return [
            (
                "✓" if one.met else "✗",
                group.value,
                one.expectation.sentence,
                str(one.expectation.bound),
                f"{one.got:.3g}",
            )
            for group, ones in self.groups.items()
            for one in ones
            if not (unmet and one.met)
        ]

    def to_dict(self) -> dict[str, object]:
        """The report as plain data.

        ``{"model", "share", "met", "count", "groups": {group: share}, "expectations": [{"group",
        "sentence", "low", "high", "got", "met"}]}``; an open end of a bound is null.
        """
        return {
            "model": self.model,
            "share": round(self.share, 6),
            "met": self.met,
            "count": len(self.outcomes),
            "groups": {group: round(_share(ones), 6) for group, ones in self.groups.items()},
            "expectations": [_plain(one) for one in self.outcomes],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)


def _share(outcomes: Sequence[Outcome]) -> float:
    return sum(one.met for one in outcomes) / len(outcomes)


def _plain(outcome: Outcome) -> dict[str, object]:
    bound = outcome.expectation.bound
    return {
        "group": outcome.expectation.group.value,
        "sentence": outcome.expectation.sentence,
        "low": _finite(bound.low),
        "high": _finite(bound.high),
        "got": _finite(outcome.got),
        "met": outcome.met,
    }


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
