"""Statistics of the lists that a person was shown: whether the order helps, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from edge_rerank.history.history import History
from edge_rerank.learning.coverage import Covered, Sketch
from edge_rerank.learning.feedback_log import EDGES, RATED, RECIPROCAL, FeedbackLog, Tally
from edge_rerank.learning.figures import LEAST, Figure, mean_of, resampled, share_of
from edge_rerank.learning.journal import STATE
from edge_rerank.learning.list_record import WHOLE, ListRecord, Used
from edge_rerank.learning.off_policy import LEAST_RECORDS
from edge_rerank.learning.order_estimates import OrderEstimate, estimates_of

LEAST_CHOICES = LEAST
"""Lists with a choice below which nothing is compared."""

MUCH_REACHED = 0.95
"""Share of places that chance has to reach for estimates to go without a note."""

LEAST_EFFECTIVE = 30
"""Effective lists below which intervals of estimates are too narrow: on simulated lists those of
13 held the truth in 87 % of logs, those of 84 in 93 to 95 %, see export/EXPERIMENTS.md."""


@dataclass(frozen=True, slots=True)
class ListFigures:
    """Click-through, satisfaction and ranks over a group of lists.

    Attributes:
        name: of the month, as "2026-11", of the surface or of the order; empty for all lists, and
            for surfaces without a name of their own.
        lists: that were shown.
        clicked: lists that something was chosen from.
        refused: items that were disliked or dismissed.
        click_through: share of the lists that something was chosen from; ``None`` without lists.
        satisfied: mean success of a list, 0 to 1: a whole one for a long visit, a purchase and
            the like, part of one for a short visit, none for a bounce.
        place: mean rank of what was chosen, from 1; ``None`` where nothing was.
        mrr: mean reciprocal rank over the lists with a choice.
        rated: lists that the person rated as a whole.
        rating: mean of these ratings, in the host's unit; ``None`` where there are none.
    """

    name: str
    lists: int
    clicked: int
    refused: int
    click_through: Figure | None
    satisfied: Figure | None
    place: Figure | None
    mrr: Figure | None
    rated: int
    rating: Figure | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ranks of what was chosen, in the order shown and in another order of the same lists.

    Attributes:
        lists: of the newest 200, those with a choice that has a place in both orders.
        place: mean rank as shown.
        other: mean rank in the other order.
        higher: ``other`` less ``place``: above 0 where the order shown is better.
        mrr: mean reciprocal rank as shown, less that in the other order.
    """

    lists: int
    place: Figure
    other: Figure
    higher: Figure
    mrr: Figure


@dataclass(frozen=True, slots=True)
class ListDiversity:
    """Intra-list diversity of the first ten places, in the mean of the newest lists.

    Attributes:
        lists: that were looked at.
        categories: intra-list diversity by categories, 0 to 1: the mean of 1 - |A ∩ B| / |A ∪ B|
            over pairs of items, A and B being their categories.
        vectors: the same by vectors, the host's or those of texts: the mean of 1 - cosine.
        recall: subtopic recall: share of the categories of all candidates that were there, 0 to 1.
    """

    lists: int
    categories: Figure | None
    vectors: Figure | None
    recall: Figure | None


@dataclass(frozen=True, slots=True)
class ListCoverage:
    """Catalogue coverage of the first ten places, in this month and the last.

    Attributes:
        items: counted by their ids.
        categories: by all that items have.
    """

    items: Covered
    categories: Covered


class NoteCode(StrEnum):
    """Caveats of statistics: what cannot be said, or is to be read with care."""

    NO_LIST = "no-list"
    """There is no list yet: those count that were ranked with learning on, after consent."""
    NOT_AGAINST_HOST = "not-against-host"
    """Too few of the newest lists have a choice and a place in the application's order."""
    NOT_AGAINST_PACK = "not-against-pack"
    """Likewise in the order without what was learnt."""
    FAVOURS_SHOWN = "favours-shown"
    """People choose more of what stands high, which favours the order they saw."""
    NO_ESTIMATES = "no-estimates"
    """Too few of the newest lists had something left to chance."""
    OUT_OF_REACH = "out-of-reach"
    """Exploration never shows what the other order has at many of the places."""
    CLIPPED = "clipped"
    """Importance weights were clipped, so estimates leave out part of what rare lists earned."""
    FEW_EFFECTIVE = "few-effective"
    """The effective sample size of an estimate is so small that its interval is too narrow."""


@dataclass(frozen=True, slots=True)
class Note:
    """A caveat of statistics: what cannot be said, or is to be read with care.

    Attributes:
        code: what.
        have: lists that there are; of ``OUT_OF_REACH`` and ``CLIPPED`` per cent.
        need: lists that it takes.
        newest: lists that were looked at.
    """

    code: NoteCode
    have: int = 0
    need: int = 0
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """Statistics of the lists that one person was shown. They name no item.

    Attributes:
        whole: of all lists that are counted, of 13 months at most.
        by_month: the same by month, oldest first.
        by_surface: the same by surface, by name.
        by_order: the same of the newest lists by the order they were shown in: "pack", "learnt"
            on the device, "host" for the application's, "mixed" for the two compared.
        places: histogram of the ranks of what was chosen, as ("1", 12) or ("6-10", 3).
        against_host: against the application's own order; ``None`` where too little is known.
        against_pack: against the order without what was learnt of the person, likewise.
        estimates: off-policy estimates of the order without what was learnt; empty where they
            are refused.
        diversity: of the newest lists; ``None`` where there are none.
        coverage: of this month and the last; ``None`` where nothing was shown.
        notes: what cannot be said and why, and what to be careful about.
    """

    whole: ListFigures
    by_month: tuple[ListFigures, ...]
    by_surface: tuple[ListFigures, ...]
    by_order: tuple[ListFigures, ...]
    places: tuple[tuple[str, int], ...]
    against_host: Comparison | None
    against_pack: Comparison | None
    estimates: tuple[OrderEstimate, ...]
    diversity: ListDiversity | None
    coverage: ListCoverage | None
    notes: tuple[Note, ...]

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
    explored = [record for record in records if record.explored]
    host = _compared([(one.place, one.host) for one in chosen if one.host])
    pack = _compared([(one.place, one.without) for one in chosen if one.without])
    estimates = estimates_of(explored) if len(explored) >= LEAST_RECORDS else ()
    notes = [
        *(() if whole.lists else [Note(NoteCode.NO_LIST)]),
        *_of_comparisons(host, pack, chosen),
        *_of_estimates(estimates, explored, len(records)),
    ]
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
        by_order=_by_order(records),
        places=tuple(zip(_BARS, whole.histogram, strict=True)),
        against_host=host,
        against_pack=pack,
        estimates=estimates,
        diversity=_diversity(records),
        coverage=_coverage(log.covered),
        notes=tuple(notes),
    )


def _of_comparisons(
    host: Comparison | None, pack: Comparison | None, chosen: Sequence[ListRecord]
) -> Iterable[Note]:
    """Notes on comparisons with other orders."""
    if host is None:
        known = sum(one.host > 0 for one in chosen)
        yield Note(NoteCode.NOT_AGAINST_HOST, have=known, need=LEAST_CHOICES)
    if pack is None:
        known = sum(one.without > 0 for one in chosen)
        yield Note(NoteCode.NOT_AGAINST_PACK, have=known, need=LEAST_CHOICES)
    if host or pack:
        yield Note(NoteCode.FAVOURS_SHOWN)


def _of_estimates(
    estimates: Sequence[OrderEstimate], explored: Sequence[ListRecord], newest: int
) -> Iterable[Note]:
    """Notes on off-policy estimates."""
    if not estimates:
        yield Note(NoteCode.NO_ESTIMATES, len(explored), LEAST_RECORDS, newest)
        return
    reached = float(np.mean([one.within for one in explored]))
    if reached < MUCH_REACHED:
        yield Note(NoteCode.OUT_OF_REACH, have=round(100 * (1 - reached)))
    fewest = int(min(one.effective_size for one in estimates))
    if fewest < LEAST_EFFECTIVE:
        yield Note(NoteCode.FEW_EFFECTIVE, have=fewest, need=LEAST_EFFECTIVE)
    clipped = max(one.clipped for one in estimates)
    if clipped:
        yield Note(NoteCode.CLIPPED, have=max(round(100 * clipped), 1))


def _by_order(records: Sequence[ListRecord]) -> tuple[ListFigures, ...]:
    tallies: dict[Used, Tally] = {}
    for record in records:
        tallies[record.used] = tallies.get(record.used, Tally()) + Tally.of(record)
    return tuple(_figures(used.value, tallies[used]) for used in Used if used in tallies)


def _diversity(records: Sequence[ListRecord]) -> ListDiversity | None:
    if not records:
        return None
    return ListDiversity(
        len(records),
        *(
            _mean_known([getattr(one, name) for one in records])
            for name in ("categories", "vectors", "recall")
        ),
    )


def _mean_known(values: Sequence[float | None]) -> Figure | None:
    known = [one for one in values if one is not None]
    return mean_of(sum(known), sum(one**2 for one in known), len(known), (0.0, 1.0))


def _coverage(covered: Mapping[int, Sketch]) -> ListCoverage | None:
    whole = sum(covered.values(), Sketch())
    items = whole.of_items()
    return ListCoverage(items, whole.of_categories()) if items.shown else None


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
        click_through=share_of(chosen, tally.lists),
        satisfied=share_of(tally.satisfied / WHOLE, tally.lists),
        place=mean_of(tally.places, tally.squares, chosen, (1.0, math.inf)),
        mrr=mean_of(
            tally.reciprocals / RECIPROCAL,
            tally.reciprocal_squares / RECIPROCAL,
            chosen,
            (0.0, 1.0),
        ),
        rated=tally.rated,
        rating=mean_of(
            tally.ratings / RATED,
            tally.rating_squares / RATED**2,
            tally.rated,
            (-math.inf, math.inf),
        ),
    )


def _compared(places: Sequence[tuple[int, int]]) -> Comparison | None:
    """Pairs of places: as shown, and in the other order."""
    if len(places) < LEAST_CHOICES:
        return None
    shown, other = np.array(places, dtype=np.float64).T
    columns = np.column_stack([shown, other, other - shown, 1 / shown - 1 / other])
    place, there, higher, mrr = resampled(columns)
    return Comparison(len(places), place, there, higher, mrr)
