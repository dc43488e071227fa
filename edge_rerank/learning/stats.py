"""Statistics of the lists that a person was shown: whether the order helps, with intervals.

Shares have the interval of Wilson, "Probable inference, the law of succession, and statistical
inference", JASA 1927; means of places that of the normal distribution; comparisons the bootstrap's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval, bootstrap
from edge_rerank.history.history import History
from edge_rerank.learning.feedback_log import EDGES, RECIPROCAL, FeedbackLog, Tally
from edge_rerank.learning.journal import STATE
from edge_rerank.learning.list_record import WHOLE, ListRecord
from edge_rerank.learning.logged_lists import Chances, LoggedLists, Predictions
from edge_rerank.learning.off_policy import LEAST_RECORDS, Estimator, estimate

LEAST_CHOICES = 10
"""Lists with a choice below which means of places have no interval, and nothing is compared."""

_Z = 1.959964
_SEED = 0
_ESTIMATORS = (Estimator.IPS, Estimator.SNIPS, Estimator.DR)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and the interval that holds it at 95 %.

    Attributes:
        value: the figure.
        low, high: of the interval, ``None`` where too little is known for one.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ListFigures:
    """How lists did.

    Attributes:
        name: of the month, as "2026-11", or of the surface; empty for all lists, and for surfaces
            without a name of their own.
        lists: that were shown.
        clicked: of them, that something was chosen from.
        refused: items that were disliked or dismissed.
        click_through: share of the lists that something was chosen from; ``None`` without lists.
        satisfied: mean success of a list, 0 to 1: a whole one for a long visit, a purchase and
            the like, part of one for a short visit, none for a bounce.
        place: mean place of what was chosen, from 1; ``None`` where nothing was.
        mrr: mean of 1 / place over the lists with a choice.
    """

    name: str
    lists: int
    clicked: int
    refused: int
    click_through: Figure | None
    satisfied: Figure | None
    place: Figure | None
    mrr: Figure | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where what was chosen stood, and where another order would have put it.

    Attributes:
        lists: with a choice and a place in both orders, of the newest.
        place: mean place as shown.
        other: mean place in the other order.
        higher: places by which what was chosen stood higher than there, in the mean.
        mrr: mean of 1 / place as shown, less that in the other order.
    """

    lists: int
    place: Figure
    other: Figure
    higher: Figure
    mrr: Figure


@dataclass(frozen=True, slots=True)
class OrderEstimate:
    """What the first places earn a list, in successes.

    Attributes:
        estimator: "shown" for the lists as they were, else by which it is estimated what they
            would have earned without what was learnt.
        value: with its interval.
        effective_size: lists of equal weight that say as much.
        lists: that it was estimated from.
    """

    estimator: str
    value: Figure
    effective_size: float
    lists: int


@dataclass(frozen=True, slots=True)
class Stats:
    """How a person's lists did. It names no item.

    Attributes:
        whole: of all lists that are counted, of 13 months at most.
        by_month: the same by month, oldest first.
        by_surface: the same by surface, by name.
        places: lists by the place of what was chosen, as ("1", 12) or ("6-10", 3).
        against_host: against the application's own order; ``None`` where too little is known.
        against_pack: against the order without what was learnt of the person, likewise.
        estimates: off-policy estimates of the order without what was learnt; empty where they
            are refused.
        notes: in words, what cannot be said and why, and what to be careful about.
    """

    whole: ListFigures
    by_month: tuple[ListFigures, ...]
    by_surface: tuple[ListFigures, ...]
    places: tuple[tuple[str, int], ...]
    against_host: Comparison | None
    against_pack: Comparison | None
    estimates: tuple[OrderEstimate, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All attributes, ready for JSON; places by their name."""
        return {**asdict(self), "places": dict(self.places)}

    def to_json(self, *, indent: int | None = None) -> str:
        """All attributes as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)


def read_stats(history: History, user: str, *, beside: FeedbackLog | None = None) -> Stats:
    """Statistics of a person's lists, whatever the consent; the audit log notes it.

    Args:
        history: where what came of them is kept.
        user: about whom.
        beside: what came of lists that is not kept there yet.

    Raises:
        InvalidRequest: when ``user`` is malformed.
        HistoryError: when the history cannot be read, or the reading not be noted.
    """
    raw = history.disclosed_state(user, STATE)
    kept = FeedbackLog() if raw is None else FeedbackLog.from_bytes(raw)
    log = kept or FeedbackLog()
    if beside is not None:
        log = log.merged(beside)
    return stats_of(log.since(history.kept_since))


def stats_of(log: FeedbackLog) -> Stats:
    """Statistics of a log; equal logs give equal ones."""
    whole = sum(log.tallies.values(), Tally())
    records = log.records
    chosen = [record for record in records if record.place]
    notes = [] if whole.lists else [_NOTHING]
    host = _compared([(one.place, one.host) for one in chosen if one.host])
    pack = _compared([(one.place, one.without) for one in chosen if one.without])
    for other, comparison in (("the application's order", host), ("the pack's order", pack)):
        if comparison is None:
            notes.append(
                f"not compared with {other}: fewer than {LEAST_CHOICES} of the newest lists have "
                "a choice and a place in it"
            )
    if host or pack:
        notes.append(_FAVOURS)
    explored = [record for record in records if record.chance < 1]
    if len(explored) < LEAST_RECORDS:
        notes.append(
            f"no off-policy estimates: they need {LEAST_RECORDS} lists of which something was "
            f"left to chance, and {len(explored)} of the newest {len(records)} are such"
        )
    months: dict[int, Tally] = {}
    surfaces: dict[str, Tally] = {}
    for (month, surface), tally in sorted(log.tallies.items()):
        months[month] = months.get(month, Tally()) + tally
        surfaces[surface] = surfaces.get(surface, Tally()) + tally
    return Stats(
        whole=_figures("", whole),
        by_month=tuple(
            _figures(f"{month // 12:04d}-{month % 12 + 1:02d}", tally)
            for month, tally in months.items()
        ),
        by_surface=tuple(_figures(name, tally) for name, tally in sorted(surfaces.items())),
        places=tuple(zip(_BARS, whole.histogram, strict=True)),
        against_host=host,
        against_pack=pack,
        estimates=_estimates(explored) if len(explored) >= LEAST_RECORDS else (),
        notes=tuple(notes),
    )


_NOTHING = (
    "no list is noted: lists count that were ranked for the person with learning, after consent"
)
_FAVOURS = (
    "people choose more of what stands high, so where an order puts what was chosen favours the "
    "order that was shown"
)


def _bars() -> Iterable[str]:
    first = 1
    for last in EDGES:
        yield f"{first}" if first == last else f"{first}-{last}"
        first = last + 1
    yield f"{first}+"


_BARS = tuple(_bars())


def _figures(name: str, tally: Tally) -> ListFigures:
    chosen = tally.clicked
    return ListFigures(
        name=name,
        lists=tally.lists,
        clicked=chosen,
        refused=tally.refused,
        click_through=_share(chosen, tally.lists),
        satisfied=_share(tally.satisfied / WHOLE, tally.lists),
        place=_mean(tally.places, tally.squares, chosen, (1.0, math.inf)),
        mrr=_mean(
            tally.reciprocals / RECIPROCAL,
            tally.reciprocal_squares / RECIPROCAL,
            chosen,
            (0.0, 1.0),
        ),
    )


def _share(part: float, count: int) -> Figure | None:
    """A mean of numbers from 0 to 1; between them they vary less, and the interval is wide."""
    if not count:
        return None
    share = part / count
    much = _Z**2 / count
    centre = (share + much / 2) / (1 + much)
    reach = _Z * math.sqrt(share * (1 - share) / count + much / (4 * count)) / (1 + much)
    return Figure(share, max(centre - reach, 0.0), min(centre + reach, 1.0))


def _mean(total: float, squares: float, count: int, bounds: tuple[float, float]) -> Figure | None:
    if not count:
        return None
    mean = total / count
    if count < LEAST_CHOICES:
        return Figure(mean)
    variance = max(squares - count * mean**2, 0.0) / (count - 1)
    reach = _Z * math.sqrt(variance / count)
    return Figure(mean, max(mean - reach, bounds[0]), min(mean + reach, bounds[1]))


def _compared(places: Sequence[tuple[int, int]]) -> Comparison | None:
    """Pairs of places: as shown, and in the other order."""
    if len(places) < LEAST_CHOICES:
        return None
    shown, other = np.array(places, dtype=np.float64).T
    columns = np.column_stack([shown, other, other - shown, 1 / shown - 1 / other])
    place, there, higher, mrr = _resampled(columns)
    return Comparison(len(places), place, there, higher, mrr)


def _resampled(columns: NDArray[np.float64]) -> list[Figure]:
    intervals = bootstrap(columns, np.random.default_rng(_SEED))
    means = columns.mean(axis=0).tolist()
    return [_figure(mean, one) for mean, one in zip(means, intervals, strict=True)]


def _figure(value: float, interval: Interval) -> Figure:
    return Figure(value, interval.low, interval.high)


def _estimates(records: Sequence[ListRecord]) -> tuple[OrderEstimate, ...]:
    """What the lists earned, and what they would have without what was learnt.

    The model of rewards is the mean of a place, whatever stands there.
    """
    rewards = np.array([one.rewards for one in records])
    target = np.array([one.same for one in records], dtype=np.float64)
    by_place = np.tile(rewards.mean(axis=0), (len(records), 1))
    log = LoggedLists(
        rewards,
        Chances(np.array([one.placements for one in records]), target),
        rewards_at=Predictions(by_place, by_place),
    )
    count = len(records)
    (shown,) = _resampled(rewards.sum(axis=1)[:, None])
    found = [OrderEstimate("shown", shown, float(count), count)]
    for estimator in _ESTIMATORS:
        one = estimate(log, estimator, np.random.default_rng(_SEED))
        value = _figure(one.value, one.bootstrap)
        found.append(OrderEstimate(estimator.value, value, one.effective_size, count))
    return tuple(found)
