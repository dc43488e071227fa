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
    check_date,
    check_id,
    check_integer,
    check_label,
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
    """Methods of diversification: maximal marginal relevance, determinantal point process."""

    MMR = "mmr"
    DPP = "dpp"


class Had(StrEnum):
    """Where items stand that the person has bought, completed or rated."""

    SINK = "sink"
    STAY = "stay"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Block:
    """Block list: items that are taken out before anything is ranked.

    Attributes:
        ids: of blocked items.
        categories: an item with any of them is blocked.
        words: an item whose text has any of them is blocked, whatever the case: whole words or
            phrases; in scripts without spaces, anywhere in the text.

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
    """At most so many items with one value of a key, as two of a brand.

    Items without the key are not counted, and never share a cap.

    Attributes:
        key: "category" for the first category of an item, "subcategory" for its last, or the name
            of one of :attr:`edge_rerank.Item.fields`.
        most: items with one value, 1 or more; this or ``share``.
        share: of the places that are returned, above 0 to 1, rounded down; one item at least.
        hard: whether items beyond the cap are left out; else they stand behind the others, and
            fill places that would stay empty.
        of: the value that is capped; every value by itself if ``None``.

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
        """How many items with one value a list of so many places may hold."""
        if self.most is not None:
            return self.most
        return max(int((self.share or 0.0) * places + _TINY), 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """Least distance between items with one value of a key, within the first 100 places.

    It is kept as far as the candidates allow.

    Attributes:
        key: as for :class:`Cap`.
        distance: places from one to the next, 2 to 100; with 2 they never stand side by side.

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
    """Diminishing returns: each further item with one value of a key has lower odds.

    The odds of the i-th repeat (i = 0 for the best of the value) are multiplied by
    (1 - ``floor``) · ``factor``^i + ``floor``, as in the author diversity of X's recommender.

    Attributes:
        key: as for :class:`Cap`.
        factor: of each repeat, 0 to 1.
        floor: least share of the odds that is left, above 0 to 1.

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
    """Impression fatigue: what was shown often and never chosen is left out for a while.

    It counts :attr:`edge_rerank.RankOptions.exposures`; without any, the impressions that were
    recorded of the person; without either it does nothing.

    Attributes:
        shown: impressions from which on an item that was never chosen is left out, 1 or more.
        hidden_days: days since its last impression during which it is.
        back_days: days after that during which its odds rise from ``least`` of them to all.
        least: share of its odds when it comes back, above 0 to 1.

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
    """What was shown a moment ago has lower odds, so that lists vary from one visit to the next.

    Right after an impression the odds are multiplied by 1 - ``rate``; the factor rises to 1 within
    ``seconds``. It counts what :class:`Fatigue` counts.

    Attributes:
        rate: share of the odds that is lost at first, above 0 and below 1.
        seconds: until all of it is back, above 0.

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
    """Freshness: newer items score higher, by :attr:`edge_rerank.Item.published`.

    With age an item loses up to ``weight`` log-odds, half of it by its half-life; one without a
    time loses half.

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
    """Deduplication: of near-duplicates among the best 200 items only the best one stays.

    Two items are near-duplicates where their vectors and their words say so.

    Attributes:
        cosine: least cosine of their text vectors, -1 to 1.
        words: least share of the shorter text's words that the other has (the overlap
            coefficient), 0 to 1.

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
    """Diversification of the first 50 places, out of the best 200 items.

    With a ``cost``, each page of ten is the most varied set for that price, ordered by score; lists
    of ten items or fewer stay as they are. With a ``strength``, places are filled one by one,
    whatever that costs.

    Attributes:
        strength: 0 keeps the order, 1 looks at variety only; ``None`` where the cost decides.
        method: "mmr", maximal marginal relevance, penalises the cosine with each item that is
            chosen, or with a strength the largest of them; "dpp", a determinantal point process,
            rewards the volume that all of them span.
        cost: largest share of the expected DCG of the first ten places to give up, 0 to 1; 0.03
            where neither is given.

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
    """Calibration: categories have the shares in the list that they have in the person's taste.

    After Steck, "Calibrated recommendations", RecSys 2018, over the best 200 items and the first 20
    places. Without a history, and with a query that anything fits, nothing is done.

    Attributes:
        strength: λ in (1 - λ) · chance of being chosen - λ · KL divergence, 0 to 1: 0 keeps the
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
    """Impressions of an item so far, and how often the person chose it.

    Attributes:
        shown: impressions, 0 or more.
        chosen: times that it was chosen, 0 or more.
        last: time of the last impression, UTC seconds or a datetime with a time zone; both rules
            take no note of what has none.

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
        put(self, "last", check_date(self.last, "exposure.last", InvalidRequest))


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
