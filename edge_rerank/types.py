"""The values that cross the public door: items, events, reasons, ranked items.

All are frozen. Constructing one checks its types and ranges and raises
:class:`~edge_rerank.errors.InvalidItem` or :class:`~edge_rerank.errors.InvalidEvent`;
what is merely an outlier (a dwell time of nine hours) is accepted here and handled when
the event is recorded, see :mod:`edge_rerank.history.clean`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_rerank._check import (
    check_date,
    check_id,
    check_integer,
    check_label,
    check_moment,
    check_number,
    check_sequence,
    check_text,
    kind_of,
)
from edge_rerank._media import Picture, Sound, picture_of, sound_of
from edge_rerank.errors import InvalidEvent, InvalidItem

MAX_CATEGORIES = 64
MAX_VECTOR_DIM = 4096

MAX_LIST_RATING = 1_000.0
"""Largest size of a rating of a whole list."""

FieldValue = str | int | float | bool | None


class EventType(StrEnum):
    """What a person did. The names are those shops and news sites already log."""

    IMPRESSION = "impression"
    CLICK = "click"
    VIEW = "view"
    SEARCH = "search"
    LIKE = "like"
    DISLIKE = "dislike"
    DISMISS = "dismiss"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    COMPLETE = "complete"
    RATING = "rating"


EventName = Literal[
    "impression",
    "click",
    "view",
    "search",
    "like",
    "dislike",
    "dismiss",
    "add_to_cart",
    "purchase",
    "complete",
    "rating",
]
"""The values of :class:`EventType`, for type checkers: they see a name that is misspelt."""

UNKNOWN_TYPE = "got an unknown type"
"""How an error ends of a type of events that is none."""

NOT_CHOSEN = frozenset(
    {EventType.IMPRESSION, EventType.SEARCH, EventType.DISLIKE, EventType.DISMISS}
)
"""Events that do not speak for their item."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Item:
    """Something that can be shown: a product, an article, a course, a game.

    Attributes:
        id: the host's identifier, 1 to 512 characters; a whole number becomes its digits.
        text: what the language model reads, usually a title and a short description.
            Only the first tokens count, see the pack's ``limits``.
        categories: from general to specific, at most 64, in any ordered iterable.
        popularity: how often the item was chosen by anyone, a count ≥ 0.
        score: the host's own ranking score, higher is better, on any scale.
        vector: a precomputed embedding, shape ``(d,)`` with d ≤ 4096, kept as float32.
            Items that carry one are compared by it instead of by their text.
        fields: whatever the host wants back with the ranking, as a price or a brand; never stored,
            and read only by rules of a list policy that name one.
        published: when it came out, UTC seconds since 1970, given as such or as a datetime with a
            time zone; for :class:`edge_rerank.Fresh`, never stored.
        image: a picture, for packs that look at pictures: uint8 of shape (height, width, 3), or,
            with the extra ``images``, the bytes of a file, its path, or a ``data:`` URL. Nothing
            is ever fetched. Never stored.
        audio: a sound, for packs that listen: a pair of float32 of shape (samples,), one channel
            from -1 to 1, and its rate in Hz; or, with the extra ``audio``, as for a picture.
            Never stored.

    Raises:
        InvalidItem: when a field has the wrong type or is out of range.
    """

    id: str
    text: str = ""
    categories: tuple[str, ...] = ()
    popularity: float | None = None
    score: float | None = None
    vector: NDArray[np.float32] | None = field(default=None, compare=False)
    fields: Mapping[str, FieldValue] = field(default_factory=dict, hash=False)
    published: float | None = None
    image: Picture | None = field(default=None, compare=False)
    audio: Sound | None = field(default=None, compare=False)

    def __init__(  # noqa: PLR0917 - in the order of the fields, as documented
        self,
        id: str | int,
        text: str = "",
        categories: Iterable[str] = (),
        popularity: float | None = None,
        score: float | None = None,
        vector: ArrayLike | Iterable[float] | None = None,
        fields: Mapping[str, FieldValue] | None = None,
        published: float | datetime | None = None,
        image: Picture | str | None = None,
        audio: Sound | str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "id", check_id(id, "item id", InvalidItem))
        put(self, "text", check_text(text, "item text", InvalidItem))
        put(self, "categories", _categories(categories))
        put(self, "popularity", check_number(popularity, "popularity", InvalidItem, minimum=0.0))
        put(self, "score", check_number(score, "score", InvalidItem))
        put(self, "vector", None if vector is None else _vector(vector))
        put(self, "fields", _fields(fields))
        put(self, "published", check_date(published, "published", InvalidItem))
        put(self, "image", None if image is None else picture_of(image))
        put(self, "audio", None if audio is None else sound_of(audio))

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Copied and pickled by what it is made of: neither knows read-only mappings."""
        kept = (self.id, self.text, self.categories, self.popularity, self.score, self.vector)
        told = (dict(self.fields), self.published, self.image, self.audio)
        return type(self), (*kept, *told)

    def __repr__(self) -> str:
        """Id and shape only: a repr ends up in logs, an item's text must not."""
        return f"Item(id={self.id!r}, text=<{len(self.text)} characters>)"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Event:
    """One thing a person did.

    Attributes:
        type: see :class:`EventType`; its value as a plain string is converted.
        item: what it was done to; required for everything but a rating of a whole list and a
            search, of which it says nothing.
        timestamp: UTC seconds since 1970, given as such or as a datetime with a time zone;
            ``None`` means now, when it is recorded.
        dwell_s: seconds the person stayed with the item, ≥ 0.
        scroll: how much of the item was seen, 0 to 1.
        query: the words of a search; required for a search.
        value: a rating, or the money paid, in the host's own unit.
        ranking: ``Ranking.id`` of the list in which the item was shown; of a rating without an
            item, of the list that was rated, which needs a ``value`` of -1,000 to 1,000.
        position: 1-based place in that list; filled in from ``ranking`` when left out.
        id: the host's identifier of this event, a whole number or a string; a second event
            with it is a duplicate.

    Raises:
        InvalidEvent: when a field has the wrong type or is out of range.
    """

    type: EventType
    item: Item | None = None
    timestamp: float | None = None
    dwell_s: float | None = None
    scroll: float | None = None
    query: str | None = None
    value: float | None = None
    ranking: str | None = None
    position: int | None = None
    id: str | None = None

    def __init__(
        self,
        type: EventType | EventName,
        item: Item | None = None,
        *,
        timestamp: float | datetime | None = None,
        dwell_s: float | None = None,
        scroll: float | None = None,
        query: str | None = None,
        value: float | None = None,
        ranking: str | int | None = None,
        position: int | None = None,
        id: str | int | None = None,
    ) -> None:
        put = object.__setattr__
        # A history is thousands of events: what is not there is not looked at.
        kind = _event_type(type)
        put(self, "type", kind)
        if item is not None and not isinstance(item, Item):
            raise InvalidEvent(f"item: expected an Item or None, got {kind_of(item)}")
        put(self, "item", item)
        put(self, "timestamp", check_moment(timestamp, "timestamp", InvalidEvent))
        if dwell_s is not None:
            dwell_s = check_number(dwell_s, "dwell_s", InvalidEvent, minimum=0.0)
        put(self, "dwell_s", dwell_s)
        put(
            self, "scroll", None if scroll is None else check_number(scroll, "scroll", InvalidEvent)
        )
        put(self, "query", None if query is None else check_text(query, "query", InvalidEvent))
        put(self, "value", None if value is None else check_number(value, "value", InvalidEvent))
        put(
            self, "ranking", None if ranking is None else check_id(ranking, "ranking", InvalidEvent)
        )
        put(self, "position", None if position is None else _position(position))
        put(self, "id", None if id is None else check_id(id, "event id", InvalidEvent))
        if kind is EventType.SEARCH:
            if not (self.query and self.query.strip()):
                raise InvalidEvent("query: a search event needs a query that is not empty")
        elif item is None:
            if not self.of_list:
                raise InvalidEvent(f"item: a {kind} event needs an item, got None")
            if self.value is None or abs(self.value) > MAX_LIST_RATING:
                wanted = f"a list's rating needs one within ±{MAX_LIST_RATING:,.0f}"
                raise InvalidEvent(f"value: {wanted}")

    @property
    def of_list(self) -> bool:
        """Whether it says how content the person was with a whole list, and nothing of an item."""
        return self.type is EventType.RATING and self.ranking is not None and self.item is None

    def __repr__(self) -> str:
        """Type and time only: a repr ends up in logs."""
        return f"Event({self.type.value!r}, timestamp={self.timestamp!r})"


class ReasonCode(StrEnum):
    """Why an item stands where it stands, and the words for it.

    Attributes:
        lifts: words for a reason that moves an item up.
        lowers: words for a reason that moves an item down.
    """

    lifts: str
    lowers: str

    def __new__(cls, value: str, lifts: str, lowers: str) -> Self:
        """A code and its words."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.lifts, code.lowers = lifts, lowers
        return code

    SIMILAR = ("similar", "like what you chose before", "unlike what you chose before")
    SESSION = ("session", "like what you look at now", "unlike what you look at now")
    CATEGORY = ("category", "from a category you like", "from a category you seldom choose")
    NEXT = ("next", "what you tend to look at next", "seldom what you look at next")
    QUERY = ("query", "fits your search", "far from your search")
    SEARCH = ("search", "fits what you searched for", "far from what you searched for")
    POPULAR = ("popular", "popular with others", "less known")
    HOST = ("host", "recommended here", "further down here")
    DISLIKED = ("disliked", "unlike what you turned down", "like something you turned down")
    DISMISSED = ("dismissed", "not turned down by you", "turned down by you")
    REPEAT = ("repeat", "you chose this before", "you had this before")
    HABIT = ("habit", "you come back to this", "not what you come back to")
    SEEN = ("seen", "not shown to you before", "shown to you before")
    MODEL = ("model", "goes with what you did before", "unlike what you did before")
    LEARNT = ("learnt", "like what you pick from lists", "like what you pass over in lists")
    TOGETHER = (
        "together",
        "often chosen along with what you chose",
        "seldom chosen along with what you chose",
    )
    LOOKS = ("looks", "looks like what you chose", "looks like what you turned down")
    SOUNDS = ("sounds", "sounds like what you chose", "sounds like what you turned down")
    FRESH = ("fresh", "new", "no longer new")
    FATIGUE = ("fatigue", "not shown to you too often", "shown to you often, never chosen")
    ROTATED = ("rotated", "not shown to you a moment ago", "shown to you a moment ago")
    BLOCKED = ("blocked", "not blocked", "blocked")
    FLOOR = ("floor", "fits well enough", "fits too little")
    COPY = ("copy", "no copy of another", "much the same as another")
    DECAY = ("decay", "the best of its kind", "others of its kind stand above")
    CAP = ("cap", "not too many of its kind", "enough of its kind stand above")
    CALIBRATED = ("calibrated", "for the mix that you choose", "its kind has its share")
    VARIETY = ("variety", "for variety", "others like it stand above")
    SPREAD = ("spread", "keeps others apart", "another of its kind stands near")
    PINNED = ("pinned", "chosen for this place", "given a place further down")
    EXPLORED = ("explored", "tried a place higher", "tried a place lower")


LIST_RULES = frozenset(
    {
        *(ReasonCode.BLOCKED, ReasonCode.FLOOR, ReasonCode.COPY, ReasonCode.DECAY),
        *(ReasonCode.CAP, ReasonCode.CALIBRATED, ReasonCode.VARIETY, ReasonCode.SPREAD),
        *(ReasonCode.PINNED, ReasonCode.EXPLORED),
    }
)
"""Codes of rules of a list policy that are no evidence: no part of a score gives them."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One contribution to an item's score.

    Attributes:
        code: the kind of contribution.
        weight: how much it lifts (or, below 0, lowers) the item's score against the average
            of the candidates, in log-odds; of a rule that moved the item, how much would have
            moved it as far.
        item_id: the item of the history that the code refers to, where there is one.
        category: the category that the code refers to, where there is one.
    """

    code: ReasonCode
    weight: float
    item_id: str | None = field(default=None, repr=False)
    category: str | None = field(default=None, repr=False)


class ListOrder(StrEnum):
    """Whose order a list is in: ours by all evidence, the host's own, or both interleaved."""

    PERSONAL = "personal"
    HOST = "host"
    INTERLEAVED = "interleaved"


class Degradation(StrEnum):
    """Why a ranking is poorer than it could be, see :attr:`edge_rerank.Ranking.degraded`."""

    HISTORY_UNAVAILABLE = "history-unavailable"
    TIME_BUDGET = "time-budget"
    TEXT_NOT_READ = "text-not-read"
    LEARNING_RESET = "learning-reset"
    RULES_NOT_MET = "rules-not-met"
    HOST_ORDER = "host-order"


class LeftOut(NamedTuple):
    """An item that a rule of the list policy left out of a ranking.

    Attributes:
        id: the item's.
        code: the rule, see :class:`edge_rerank.ListPolicy`.
    """

    id: str
    code: ReasonCode


@dataclass(frozen=True, slots=True)
class Unread:
    """Shares of texts that the pack cannot read: most of their signs are not in its vocabulary.

    Such a text says nothing; its categories, its popularity and the host's score still count.
    A language whose letters are known but whose words are not is not noticed.

    Attributes:
        candidates: share of the candidates with a text, 0 to 1.
        history: share of the liked and disliked items with a text and of the searches, 0 to 1.
        query: 1 if the query could not be read, else 0.
    """

    candidates: float = 0.0
    history: float = 0.0
    query: float = 0.0


_TYPES = {kind.value: kind for kind in EventType}
"""Looked up in a third of the time that the enum takes; a batch makes millions of events."""


def _event_type(value: object) -> EventType:
    if type(value) is EventType:
        return value
    if type(value) is str and value in _TYPES:
        return _TYPES[value]
    try:
        return EventType(check_text(value, "type", InvalidEvent))
    except ValueError:
        known = ", ".join(EventType)
        raise InvalidEvent(f"type: expected one of {known}; {UNKNOWN_TYPE}") from None


def _position(value: object) -> int:
    return check_integer(value, "position", InvalidEvent, minimum=1, maximum=2**31 - 1)


def _categories(value: object) -> tuple[str, ...]:
    wanted = "a sequence of strings"
    names = check_sequence(value, "categories", InvalidItem, wanted=wanted, most=MAX_CATEGORIES)
    if len(names) > MAX_CATEGORIES:
        raise InvalidItem(f"categories: expected at most {MAX_CATEGORIES}, got {len(names)}")
    return tuple([check_label(name, "category", InvalidItem) for name in names])


def _vector(value: object) -> NDArray[np.float32]:
    if isinstance(value, Iterator):
        value = list(islice(value, MAX_VECTOR_DIM + 1))
    try:
        with np.errstate(over="ignore"):
            vector = np.array(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise InvalidItem(f"vector: expected numbers, got {kind_of(value)}") from None
    if vector.ndim != 1 or not 0 < vector.size <= MAX_VECTOR_DIM:
        raise InvalidItem(
            f"vector: expected shape (d,) with 1 ≤ d ≤ {MAX_VECTOR_DIM}, got {vector.shape}"
        )
    if not np.isfinite(vector).all():
        raise InvalidItem("vector: expected finite numbers, got NaN or infinity")
    vector.setflags(write=False)
    return vector


_NO_FIELDS: Mapping[str, FieldValue] = MappingProxyType({})


def _fields(value: object) -> Mapping[str, FieldValue]:
    if value is None or value is _NO_FIELDS:
        return _NO_FIELDS
    if not isinstance(value, Mapping):
        raise InvalidItem(f"fields: expected a mapping, got {kind_of(value)}")
    for key, entry in value.items():
        if not isinstance(key, str):
            raise InvalidItem(f"fields: expected string keys, got {kind_of(key)}")
        if entry is not None and not isinstance(entry, str | int | float | bool):
            raise InvalidItem(
                f"fields: expected strings, numbers, booleans or None, got {kind_of(entry)}"
            )
    return MappingProxyType(dict(value))
