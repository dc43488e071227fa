"""Rules of a list policy: small frozen values, each checked when it is made.

What each does is in a file of its own in :mod:`~edge_rerank.ranking.policies`, but for what counts
in the scores: that is in :mod:`~edge_rerank.ranking.sources.timing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edge_rerank._check import (
    check_bool,
    check_id,
    check_integer,
    check_label,
    check_moment,
    check_number,
    check_text,
    kind_of,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.types import FieldValue

MAX_NAMES = 10_000
"""Of one kind in :class:`Block`."""

MAX_DISTANCE = 100
COST = 0.03
"""Of variety, where a :class:`Diversify` says none; see EXPERIMENTS.md of the toolchain."""

_MAX_WEIGHT = 10.0
_MAX_DAYS = 36_500.0
_TINY = 1e-6
"""The least of a number that is to be above 0."""


class Method(StrEnum):
    """How variety is weighed against relevance."""

    MMR = "mmr"
    DPP = "dpp"


class Had(StrEnum):
    """What becomes of items that the person has bought, completed or rated."""

    SINK = "sink"
    STAY = "stay"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Block:
    """Items that take no part, as if they had not been handed in.

    Attributes:
        ids: of items.
        categories: an item with any of them is blocked.
        words: or whose text has any of them, whatever the case: whole words, or several with
            blanks between; in scripts without blanks, anywhere.

    Raises:
        InvalidRequest: when one is malformed, or there are more than 10,000 of a kind.
    """

    ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    def __init__(
        self,
        ids: Iterable[str | int] = (),
        categories: Iterable[str] = (),
        words: Iterable[str] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "ids", _names(ids, "block.ids", check_id))
        put(self, "categories", _names(categories, "block.categories", check_label))
        put(self, "words", _names(words, "block.words", _word))

    def __bool__(self) -> bool:
        return bool(self.ids or self.categories or self.words)

    def __repr__(self) -> str:
        """Counts only: what somebody does not want to see says something of them."""
        counts = f"{len(self.ids)} ids, {len(self.categories)} categories, {len(self.words)} words"
        return f"Block(<{counts}>)"


@dataclass(frozen=True, slots=True)
class Cap:
    """So many items of one value of a key, and no more.

    Items without the key are not counted, and never share a cap.

    Attributes:
        key: "category" for the first category of an item, "subcategory" for its last, or the name
            of one of :attr:`edge_rerank.Item.fields`.
        most: items of one value, 1 or more; this or ``share``.
        share: of the places asked for, above 0 to 1, rounded down; one item at least.
        hard: whether what goes beyond is left out; else it stands behind what does not, and
            fills places that nothing else can.
        of: the value that is capped; each for itself if ``None``.

    Raises:
        InvalidRequest: when one is malformed, or not exactly one of ``most`` and ``share`` given.
    """

    key: str
    most: int | None = None
    share: float | None = None
    hard: bool = False
    of: FieldValue = field(default=None, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "key", check_label(self.key, "cap.key", InvalidRequest))
        if (self.most is None) == (self.share is None):
            raise InvalidRequest("cap: expected either most or share")
        if self.most is not None:
            most = check_integer(self.most, "cap.most", InvalidRequest, minimum=1)
            put(self, "most", most)
        if self.share is not None:
            put(self, "share", within(self.share, "cap.share", _TINY, 1.0))
        put(self, "hard", check_bool(self.hard, "cap.hard", InvalidRequest))
        if self.of is not None and not isinstance(self.of, str | int | float | bool):
            wanted = "a string, a number, a bool or None"
            raise InvalidRequest(f"cap.of: expected {wanted}, got {kind_of(self.of)}")

    def room(self, places: int) -> int:
        """How many items of one value a list of so many places may hold."""
        if self.most is not None:
            return self.most
        return max(int((self.share or 0.0) * places + _TINY), 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """Items of one value of a key stand apart, within the first 100 places.

    Attributes:
        key: as for :class:`Cap`.
        distance: places from one to the next, 2 to 100; 2 is never side by side.

    Raises:
        InvalidRequest: when one is malformed.
    """

    key: str
    distance: int = 2

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "key", check_label(self.key, "spread.key", InvalidRequest))
        distance = check_integer(
            self.distance, "spread.distance", InvalidRequest, minimum=2, maximum=MAX_DISTANCE
        )
        put(self, "distance", distance)


@dataclass(frozen=True, slots=True)
class Decay:
    """Each further item of one value of a key counts less.

    The odds of the i-th repeat (i = 0 for the best of the value) are multiplied by
    (1 - ``floor``) · ``factor``^i + ``floor``, as in the author diversity of X's recommender.

    Attributes:
        key: as for :class:`Cap`.
        factor: 0 to 1.
        floor: what is left of the odds at least, above 0 to 1.

    Raises:
        InvalidRequest: when one is malformed.
    """

    key: str
    factor: float = 0.5
    floor: float = 0.25

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "key", check_label(self.key, "decay.key", InvalidRequest))
        put(self, "factor", within(self.factor, "decay.factor", 0.0, 1.0))
        put(self, "floor", within(self.floor, "decay.floor", _TINY, 1.0))


@dataclass(frozen=True, slots=True)
class Fatigue:
    """What was shown often and never chosen is left out for a while, and then let back.

    It counts what :attr:`edge_rerank.RankOptions.exposures` say; without any, the impressions
    that were recorded of the person; without either it does nothing.

    Attributes:
        shown: times from which on an item that was never chosen is tiring, 1 or more.
        hidden_days: since it was shown last, during which it is left out.
        back_days: after that, during which its odds rise from ``least`` of them to all.
        least: above 0 to 1.

    Raises:
        InvalidRequest: when one is malformed.
    """

    shown: int = 5
    hidden_days: float = 14.0
    back_days: float = 140.0
    least: float = 0.2

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "shown", check_integer(self.shown, "fatigue.shown", InvalidRequest, minimum=1))
        for name in ("hidden_days", "back_days"):
            put(self, name, within(getattr(self, name), f"fatigue.{name}", 0.0, _MAX_DAYS))
        put(self, "least", within(self.least, "fatigue.least", _TINY, 1.0))


@dataclass(frozen=True, slots=True)
class Rotate:
    """What was just shown counts less, so that lists change from one look to the next.

    The odds are multiplied by 1 - ``rate``, and by ever more until ``seconds`` later all is as it
    was. It counts what :class:`Fatigue` does.

    Attributes:
        rate: above 0 and below 1.
        seconds: above 0.

    Raises:
        InvalidRequest: when one is malformed.
    """

    rate: float = 0.1
    seconds: float = 7_200.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "rate", within(self.rate, "rotate.rate", _TINY, 1 - _TINY))
        put(self, "seconds", within(self.seconds, "rotate.seconds", _TINY, _MAX_DAYS * 86_400))


@dataclass(frozen=True, slots=True)
class Fresh:
    """Newer items count more, by :attr:`edge_rerank.Item.published`.

    An item loses up to ``weight`` log-odds, half of it by its half-life; one that says no time
    loses half.

    Attributes:
        half_life_days: above 0.
        weight: log-odds between what is new and what is old, above 0 to 10.

    Raises:
        InvalidRequest: when one is malformed.
    """

    half_life_days: float = 7.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        days = within(self.half_life_days, "fresh.half_life_days", _TINY, _MAX_DAYS)
        put(self, "half_life_days", days)
        put(self, "weight", within(self.weight, "fresh.weight", _TINY, _MAX_WEIGHT))


@dataclass(frozen=True, slots=True)
class Collapse:
    """Of near-duplicates among the best 200 the best one stays, and the others are left out.

    Attributes:
        cosine: of the texts' vectors from which on two items may be duplicates, -1 to 1.
        words: part of the shorter text's words that the other has from which on they are, 0 to 1.

    Raises:
        InvalidRequest: when one is malformed.
    """

    cosine: float = 0.85
    words: float = 0.7

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "cosine", within(self.cosine, "collapse.cosine", -1.0, 1.0))
        put(self, "words", within(self.words, "collapse.words", 0.0, 1.0))


@dataclass(frozen=True, slots=True, init=False)
class Diversify:
    """Variety at the top: of the best 200 items the first 50 places are filled with an eye to it.

    As strong as ``cost`` allows: each ten places are the set that is most varied for the price,
    the best of it first, and ten items or fewer stay as they are. Or as strong as ``strength``
    says, place by place and whatever it costs.

    Attributes:
        strength: 0 keeps the order, 1 looks at variety only; ``None`` where the cost decides.
        method: "mmr", maximal marginal relevance, weighs how alike an item is to each of what is
            chosen, or with a strength to the most alike; "dpp", a determinantal point process, what
            all of them span together.
        cost: share of the DCG that the first ten places are expected to have by the scores, 0 to 1,
            which may be given up at most; 0.03 where neither is given.

    Raises:
        InvalidRequest: when one is malformed, or both a strength and a cost given.
    """

    strength: float | None = None
    method: Method = Method.MMR
    cost: float | None = None

    def __init__(
        self,
        strength: float | None = None,
        method: Method | str = Method.MMR,
        cost: float | None = None,
    ) -> None:
        put = object.__setattr__
        if strength is not None and cost is not None:
            raise InvalidRequest("diversity: expected either strength or cost")
        if strength is None:
            put(self, "strength", None)
            put(self, "cost", within(COST if cost is None else cost, "diversity.cost", 0.0, 1.0))
        else:
            put(self, "strength", within(strength, "diversity.strength", 0.0, 1.0))
            put(self, "cost", None)
        put(self, "method", one_of(Method, method, "diversity.method"))


@dataclass(frozen=True, slots=True)
class Calibrate:
    """Categories have the shares in the list that they have in what the person likes.

    After Steck, "Calibrated recommendations", RecSys 2018, over the best 200 items and the first 20
    places. Without a history, and with a query that anything fits, nothing is done.

    Attributes:
        strength: of the shares beside the chances of being chosen, which sum to 1: 0 keeps the
            order, 1 looks at the shares only; 0.05 takes half off the divergence of ten of 100
            films for about 3 % of NDCG@10.

    Raises:
        InvalidRequest: when it is malformed.
    """

    strength: float = 0.05

    def __post_init__(self) -> None:
        strength = within(self.strength, "calibrate.strength", 0.0, 1.0)
        object.__setattr__(self, "strength", strength)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How an item was shown to the person so far.

    Attributes:
        shown: times, 0 or more.
        chosen: times, 0 or more.
        last: when it was shown last, UTC seconds or a datetime with a time zone; both rules take
            no note of what has none.

    Raises:
        InvalidRequest: when one is malformed.
    """

    shown: int
    chosen: int = 0
    last: float | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("shown", "chosen"):
            value = check_integer(
                getattr(self, name), f"exposure.{name}", InvalidRequest, minimum=0
            )
            put(self, name, value)
        put(self, "last", check_moment(self.last, "exposure.last", InvalidRequest))


def _names(
    value: object, name: str, check: Callable[[object, str, type[InvalidRequest]], str]
) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise InvalidRequest(f"{name}: expected several strings, got {kind_of(value)}")
    found = frozenset(check(one, name, InvalidRequest) for one in value)
    if len(found) > MAX_NAMES:
        raise InvalidRequest(f"{name}: expected at most {MAX_NAMES}, got {len(found)}")
    return found


def _word(value: object, name: str, error: type[InvalidRequest]) -> str:
    word = " ".join(check_label(value, name, error).casefold().split())
    if not word:
        raise error(f"{name}: expected words, got blanks")
    return word


def one_of(kind: type[StrEnum], value: object, name: str) -> StrEnum:
    """The member of an enumeration of strings that ``value`` names."""
    wanted = f"one of {', '.join(kind)}"
    try:
        return kind(check_text(value, name, InvalidRequest, wanted=wanted))
    except ValueError:
        raise InvalidRequest(f"{name}: expected {wanted}; got another") from None


def within(value: object, name: str, low: float, high: float) -> float:
    """A number from ``low`` to ``high``."""
    number = check_number(value, name, InvalidRequest)
    if number is None or not low <= number <= high:
        bound = f"above 0 and at most {high:g}" if low == _TINY else f"from {low:g} to {high:g}"
        raise InvalidRequest(f"{name}: expected a number {bound}")
    return number
