"""Metamorphic relations: a history is changed in one place, and its kind must move the right way.

Nobody has to know the best order for that: whoever turns out to have left an article after half
a second shall not see more of its kind than if they had stayed (metamorphic testing: Chen et al.,
1998; behavioural tests of recommenders: Tagliabue et al., "Beyond NDCG", 2021). Each trial takes
a real history, changes one event, ranks the same candidates before and after, and compares the
mean place of the items alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from edge_rerank._check import check_integer
from edge_rerank._progress import Progress
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.evaluation.expectations.changes import (
    OTHERS,
    RELATIONS,
    Ratings,
    Relation,
    Subject,
)
from edge_rerank.evaluation.expectations.kinds import Ranker, Shelf, share_of_words
from edge_rerank.formats.dataset import VALID, DataSet
from edge_rerank.render.texttable import Column
from edge_rerank.types import Event, EventType, Item

SEED = 0
"""Of what is drawn, unless another is asked for."""

SHORTEST = 3
"""Choices that a history must have."""

FIRST_PLACES = 3
"""Where an item must stand whose words were asked for; as many more as others have them too."""

FEWEST = 3
"""Items alike that a trial needs, beside the one that is asked for."""

COLUMNS = (
    Column("relation"),
    Column("what must hold", flexible=True),
    Column("tested", right=True),
    Column("held", right=True),
    Column("unchanged", right=True),
    Column("share", right=True),
    Column("places", right=True),
)
"""Of :meth:`RelationsReport.rows`."""

_FIRST_DATE = 1_600_000_000.0
_HOUR_S = 3600.0
"""Where a data set knows no times, its histories begin at a fixed one, an hour between events."""


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """Two rankings of the same candidates that must differ in one way.

    Attributes:
        relation: which must hold.
        candidates: what is ranked, both times.
        watched: ids of the candidates whose mean place counts.
        before, after: the history without and with the change, oldest first.
        now: UTC seconds of both rankings.
        query: what is asked for after the change; never before.
    """

    relation: Relation
    candidates: tuple[Item, ...]
    watched: frozenset[str]
    before: tuple[Event, ...]
    after: tuple[Event, ...]
    now: float
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial.

    Attributes:
        held: whether the watched items moved the right way, or had no room to.
        room: whether they could move at all.
        places: how far their mean place moved the right way; negative is the wrong way.
    """

    held: bool
    room: bool
    places: float


@dataclass(frozen=True, slots=True)
class Tally:
    """A relation over all its trials.

    Attributes:
        relation: its name.
        sentence: what must hold.
        tested: how many trials there were; fewer than histories where a change did not fit.
        held: in how many it held, those without room to move included.
        unchanged: in how many nothing moved though there was room; these did not hold.
        no_room: in how many the watched items stood at the end already, and stayed.
        places: mean number of places moved the right way.
    """

    relation: str
    sentence: str
    tested: int
    held: int
    unchanged: int
    no_room: int
    places: float

    @property
    def share(self) -> float:
        """Of the trials in which it held, 0 to 1; 1 where there was none."""
        return self.held / self.tested if self.tested else 1.0


@dataclass(frozen=True, slots=True)
class RelationsReport:
    """All relations on one data set.

    Attributes:
        folder: the data set.
        split: whose histories.
        histories: how many were drawn.
        tallies: one for each relation, in their order.
    """

    folder: str
    split: str
    histories: int
    tallies: tuple[Tally, ...]

    @property
    def share(self) -> float:
        """Of all trials of all relations in which the relation held, 0 to 1."""
        tested = sum(one.tested for one in self.tallies)
        return sum(one.held for one in self.tallies) / tested if tested else 1.0

    @property
    def worst(self) -> float:
        """The smallest share of a relation, 0 to 1."""
        return min((one.share for one in self.tallies), default=1.0)

    def rows(self) -> list[tuple[str, ...]]:
        """Cells for a table with the columns :data:`COLUMNS`."""
        return [
            (
                one.relation,
                one.sentence,
                str(one.tested),
                str(one.held),
                str(one.unchanged),
                f"{one.share:.1%}" if one.tested else "",
                f"{one.places:+.1f}" if one.tested else "",
            )
            for one in self.tallies
        ]

    def to_dict(self) -> dict[str, object]:
        """``{"folder", "split", "histories", "share", "worst", "relations": [{...}]}``."""
        return {
            "folder": self.folder,
            "split": self.split,
            "histories": self.histories,
            "share": round(self.share, 6),
            "worst": round(self.worst, 6),
            "relations": [{**asdict(one), "share": one.share} for one in self.tallies],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)


def check_relations(
    engine: Ranker,
    data: DataSet,
    *,
    count: int = 200,
    seed: int = SEED,
    progress: Progress | None = None,
) -> RelationsReport:
    """Try every relation on real histories.

    Args:
        engine: what is judged.
        data: whose histories and items; of its split "valid", else the first that there is.
        count: histories, drawn with return where the split has fewer; some relations do not fit
            each of them.
        seed: of what is drawn.
        progress: called with (histories done, histories to do).

    Raises:
        DataError: when the data set is malformed, or has no history that is long enough.
        InvalidRequest: when an argument is malformed.
    """
    count = check_integer(count, "count", InvalidRequest, minimum=1)
    split = _usual_split(data)
    outcomes: dict[str, list[Outcome]] = {relation.name: [] for relation in RELATIONS}
    for done, trials in enumerate(
        draw_trials(engine, data, count=count, split=split, seed=seed), start=1
    ):
        for trial in trials:
            outcomes[trial.relation.name].append(judge(engine, trial))
        if progress is not None:
            progress(done, count)
    tallies = tuple(_tally(relation, outcomes[relation.name]) for relation in RELATIONS)
    return RelationsReport(str(data.folder), split, count, tallies)


def draw_trials(
    engine: Ranker, data: DataSet, *, count: int, split: str, seed: int = SEED
) -> Iterator[list[Trial]]:
    """For each of ``count`` real histories a trial of every relation that fits it.

    What is drawn for a history depends on ``seed`` and its number alone.
    """
    histories = [request.history for request in data.requests(split)]
    rated = [
        event.value
        for history in histories
        for event in history
        if event.type is EventType.RATING and event.value is not None
    ]
    ratings = Ratings.of(max(rated, default=0.0))
    rng = np.random.default_rng(seed)
    shelf = Shelf(data.items.values(), engine, rng)
    usable = [
        history
        for history in map(_dated, histories)
        if len(Subject(history, shelf, ratings, rng).choices()) >= SHORTEST
    ]
    if not usable:
        wanted = f"{split}: expected a history of {SHORTEST} choices or more, found none"
        raise DataError(data.folder, wanted)
    if not shelf.items:
        raise DataError(data.folder, "expected items with words, found none")
    for number, place in enumerate(
        rng.choice(len(usable), count, replace=count > len(usable)).tolist()
    ):
        own = np.random.default_rng([seed, number])
        yield list(_trials(Subject(usable[place], shelf, ratings, own)))


def judge(engine: Ranker, trial: Trial) -> Outcome:
    """Rank twice and compare."""
    before = _places(engine, trial, trial.before, None)
    after = _places(engine, trial, trial.after, trial.query)
    rises = trial.relation.rises
    places = (before - after) if rises else (after - before)
    watched, count = len(trial.watched), len(trial.candidates)
    end = (watched + 1) / 2 if rises else count - (watched - 1) / 2
    room = before != end
    if trial.query is not None:
        return Outcome(held=after <= _first_places(trial), room=room, places=places)
    return Outcome(held=places > 0 if room else places == 0, room=room, places=places)


def _trials(subject: Subject) -> Iterator[Trial]:
    for relation in RELATIONS:
        change = relation.change(subject)
        if change is None or len(change.watched) < (FEWEST if change.query is None else 1):
            continue
        touched = {
            event.item.id for event in (*change.before, *change.after) if event.item is not None
        }
        watched = frozenset(item.id for item in change.watched)
        others = subject.shelf.draw(OTHERS, subject.rng, leave_out=touched | watched)
        candidates = [*change.watched, *others]
        yield Trial(
            relation,
            tuple(candidates[place] for place in subject.rng.permutation(len(candidates))),
            watched,
            change.before,
            change.after,
            change.now,
            change.query,
        )


def _places(engine: Ranker, trial: Trial, history: Sequence[Event], query: str | None) -> float:
    """Mean 1-based place of the watched items."""
    ranking = engine.rank(trial.candidates, history=history, now=trial.now, query=query)
    return float(np.mean([one.rank for one in ranking if one.item.id in trial.watched]))


def _first_places(trial: Trial) -> int:
    """Up to which place an item may stand that was asked for by its words."""
    others = (item for item in trial.candidates if item.id not in trial.watched)
    return FIRST_PLACES + sum(share_of_words(item, trial.query or "") == 1.0 for item in others)


def _tally(relation: Relation, outcomes: Sequence[Outcome]) -> Tally:
    return Tally(
        relation=relation.name,
        sentence=relation.sentence,
        tested=len(outcomes),
        held=sum(one.held for one in outcomes),
        unchanged=sum(one.room and not one.held and one.places == 0 for one in outcomes),
        no_room=sum(not one.room for one in outcomes),
        places=float(np.mean([one.places for one in outcomes])) if outcomes else 0.0,
    )


def _usual_split(data: DataSet) -> str:
    splits = data.splits()
    if not splits:
        raise DataError(data.folder, "expected a file of requests, found none")
    return VALID if VALID in splits else splits[0]


def _dated(history: Sequence[Event]) -> tuple[Event, ...]:
    if any(event.timestamp for event in history):
        return tuple(history)
    return tuple(
        replace(event, timestamp=_FIRST_DATE + place * _HOUR_S)
        for place, event in enumerate(history)
    )
