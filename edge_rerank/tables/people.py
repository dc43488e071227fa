"""People of a log: what each of them did, in order, and what they chose first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge_rerank._progress import Progress
from edge_rerank.errors import InvalidEvent
from edge_rerank.formats.logs import BadLine, Log
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.history.clean import clean
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.ranking.strength import CHOSEN, attention, guess_scale, verdict_of
from edge_rerank.types import NOT_CHOSEN, Event, EventType, Item

PROGRESS_LINES = 1_000


class Deed(NamedTuple):
    """What somebody did once.

    Attributes:
        at: UTC seconds.
        item: id; empty for a search.
        type: of the event.
        value, dwell_s, scroll: see :class:`edge_rerank.types.Event`.
        query: personal data taken out.
    """

    at: float
    item: str
    type: EventType
    value: float | None
    dwell_s: float | None
    scroll: float | None
    query: str | None

    @classmethod
    def of(cls, event: Event, *, query: str | None = None) -> Deed:
        """What an event says, beside a query without personal data."""
        return cls(
            at=event.timestamp or 0.0,
            item="" if event.item is None else event.item.id,
            type=event.type,
            value=event.value,
            dwell_s=event.dwell_s,
            scroll=event.scroll,
            query=query,
        )


class Choice(NamedTuple):
    """The first time that somebody had to do with an item, where it was chosen.

    Attributes:
        at: UTC seconds.
        person: number.
        item: id.
    """

    at: float
    person: int
    item: str


@dataclass(frozen=True, slots=True, repr=False)
class People:
    """What a log says.

    Attributes:
        deeds: of each person, oldest first; people are numbered as they first occur.
        items: that occur, by id, with the text that the log or the host's items give them.
        first, last: UTC seconds of the first and the last deed; 0 without any.
        of_nobody: good lines that say of nobody's.
        repeated: events that are there more than once.
        bad: lines that could not be used.
    """

    deeds: tuple[tuple[Deed, ...], ...]
    items: Mapping[str, Item]
    first: float
    last: float
    of_nobody: int
    repeated: int
    bad: tuple[BadLine, ...]


def read_people(log: Log, *, update: Progress) -> People:
    """Read a log to its end.

    Args:
        log: see :func:`edge_rerank.formats.logs.read_log`.
        update: told how far it is, in lines.

    Raises:
        DataError: when the file cannot be read; a bad line is only noted.
    """
    now, lines = time.time(), log.count_lines()
    numbers: dict[str, int] = {}
    found: list[dict[Deed, None]] = []
    items: dict[str, Item] = {}
    bad: list[BadLine] = []
    of_nobody = repeated = 0
    scrubber = Scrubber()
    for entry in log:
        if entry.line % PROGRESS_LINES == 0:
            update(min(entry.line, lines), lines)
        if isinstance(entry, BadLine):
            bad.append(entry)
            continue
        if entry.user is None:
            of_nobody += 1
            continue
        try:
            deed = deed_of(entry.event, scrubber, now=now)
        except InvalidEvent as error:
            bad.append(BadLine(entry.line, str(error)))
            continue
        item = entry.event.item
        if item is not None and (item.text or item.id not in items):
            items[item.id] = item
        number = numbers.setdefault(entry.user, len(numbers))
        if number == len(found):
            found.append({})
        repeated += deed in found[number]
        found[number][deed] = None
    deeds = tuple(tuple(sorted(one, key=lambda deed: deed.at)) for one in found)
    return People(
        deeds=deeds,
        items=items,
        first=min((one[0].at for one in deeds), default=0.0),
        last=max((one[-1].at for one in deeds), default=0.0),
        of_nobody=of_nobody,
        repeated=repeated,
        bad=tuple(bad),
    )


def choices_of(people: Sequence[Sequence[Deed]]) -> tuple[list[Choice], float]:
    """What people chose that they had never had to do with, in the order of time.

    An event is a choice where the ranking takes it for one: from
    :data:`~edge_rerank.ranking.strength.CHOSEN` on, so neither a bounce nor a bad rating is.

    Args:
        people: what each did, oldest first.

    Returns:
        The choices, and the share of repeats among all that was chosen, 0 to 1.
    """
    scale = _scale(people)
    firsts: list[Choice] = []
    chosen = again = 0
    for person, deeds in enumerate(people):
        touched: set[str] = set()
        for deed in deeds:
            if not deed.item or deed.type is EventType.IMPRESSION:
                continue
            wanted = is_choice(deed, scale)
            chosen += wanted
            again += wanted and deed.item in touched
            if wanted and deed.item not in touched:
                firsts.append(Choice(deed.at, person, deed.item))
            touched.add(deed.item)
    firsts.sort(key=lambda one: one.at)
    return firsts, again / chosen if chosen else 0.0


def is_choice(deed: Deed, scale: RatingScale) -> bool:
    """Whether a deed speaks for its item.

    Args:
        deed: any but a search.
        scale: of ratings.
    """
    if deed.type in NOT_CHOSEN:
        return False
    if deed.type in {EventType.CLICK, EventType.VIEW}:
        return attention(deed.dwell_s, deed.scroll) >= CHOSEN
    if deed.type is EventType.RATING:
        verdict = verdict_of(Event(deed.type, Item(deed.item), value=deed.value), scale)
        return verdict is not None and verdict >= CHOSEN
    return True


def deed_of(event: Event, scrubber: Scrubber, *, now: float) -> Deed:
    """What an event says, cleaned, and with personal data taken out of its query.

    Args:
        event: with a time.
        scrubber: takes it out.
        now: UTC seconds.

    Raises:
        InvalidEvent: when there is no time, or one that is more than a day ahead of ``now``.
    """
    if event.timestamp is None:
        raise InvalidEvent("timestamp: expected a time, got none")
    event = clean(event, now=now)
    return Deed.of(event, query=None if event.query is None else scrubber.scrub(event.query).text)


def _scale(people: Iterable[Iterable[Deed]]) -> RatingScale:
    """The scale of all ratings of a log, as the runtime guesses that of one person."""
    values = Counter(
        deed.value
        for deeds in people
        for deed in deeds
        if deed.type is EventType.RATING and deed.value is not None and deed.item
    )
    item = Item("any")
    return guess_scale([Event(EventType.RATING, item, value=value) for value in values])
