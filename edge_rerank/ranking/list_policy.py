"""List policies: a host's rules for its lists, as one frozen value.

How the rules act, and in which order, stands in ``policies/README.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Self, TypeVar

from edge_rerank._check import (
    check_id,
    check_integer,
    check_kind,
    check_list,
    check_sequence,
    kind_of,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.exploration import MOST
from edge_rerank.ranking.list_rules import (
    Block,
    Calibrate,
    Cap,
    Collapse,
    Decay,
    Diversify,
    Exposure,
    Fatigue,
    Fresh,
    Had,
    Rotate,
    Spread,
    one_of,
    within,
)
from edge_rerank.types import NOT_CHOSEN, Event, EventType

MAX_RULES = 16
"""Of one kind in a policy."""

MAX_PLACE = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ListPolicy:
    """A host's rules for a list: block lists, pins, caps, diversity and more; all are off at first.

    The rules act in a fixed order, whatever theirs here: ``block``; ``fresh``, ``fatigue`` and
    ``rotate`` in the scores; ``floor``; ``collapse``; hard ``caps``; ``decay``; ``calibrate``;
    ``diversity``; ``had``; soft ``caps`` and ``spread``; ``pin``; ``explore``. A pinned item
    is exempt from all but ``block``, and counts for caps and spread. Each item that a rule moved
    has a reason that says so, and :attr:`edge_rerank.Ranking.left_out` names those left out.

    Attributes:
        block: items that are taken out before anything is ranked.
        pin: fixed 1-based places of items by id, each place once. In a list that is shorter they
            stand at its end.
        caps: most items with one value of a key, or of several keys.
        spread: least distance between items with one value of a key.
        decay: lower odds for each further item with one value of a key.
        fatigue: leaves out what was shown often and never chosen.
        rotate: lower odds for what was shown a moment ago.
        fresh: higher scores for newer items.
        floor: least score from 0 to 1 (see :attr:`edge_rerank.RankedItem.score`) of an item
            by itself, before rules move it; items below are left out.
        collapse: leaves out near-duplicates.
        diversity: diversification of the first places; a call's own ``diversity`` takes the place
            of its strength.
        calibrate: brings the shares of categories near those of the person's taste.
        had: "sink" puts what the person has bought, completed or rated behind all else, "stay"
            does not lower it for that; ``None`` lowers its score, see :class:`edge_rerank.Repeats`.
        explore: ε-exploration for off-policy estimates: the chance, 0 to 0.5, that two neighbours
            are put in random order; 0.1 is usual. Not for people with fewer than five choices.
            :attr:`edge_rerank.Ranking.chances` has the propensities.

    Raises:
        InvalidRequest: when a rule is malformed.
    """

    block: Block | None = None
    pin: Mapping[str, int] = field(default_factory=dict, hash=False)
    caps: tuple[Cap, ...] = ()
    spread: tuple[Spread, ...] = ()
    decay: tuple[Decay, ...] = ()
    fatigue: Fatigue | None = None
    rotate: Rotate | None = None
    fresh: Fresh | None = None
    floor: float | None = None
    collapse: Collapse | None = None
    diversity: Diversify | None = None
    calibrate: Calibrate | None = None
    had: Had | None = None
    explore: float = 0.0

    def __init__(
        self,
        *,
        block: Block | None = None,
        pin: Mapping[str, int] | None = None,
        caps: Iterable[Cap] = (),
        spread: Iterable[Spread] = (),
        decay: Iterable[Decay] = (),
        fatigue: Fatigue | None = None,
        rotate: Rotate | None = None,
        fresh: Fresh | None = None,
        floor: float | None = None,
        collapse: Collapse | None = None,
        diversity: Diversify | None = None,
        calibrate: Calibrate | None = None,
        had: Had | str | None = None,
        explore: float = 0.0,
    ) -> None:
        put = object.__setattr__
        given = {
            **{"block": block, "fatigue": fatigue, "rotate": rotate, "fresh": fresh},
            **{"collapse": collapse, "diversity": diversity, "calibrate": calibrate},
        }
        for name, rule in given.items():
            if rule is not None:
                check_kind(rule, name, _ONE[name], example=f"{_ONE[name].__name__}(...)")
            put(self, name, rule)
        for name, rules in {"caps": caps, "spread": spread, "decay": decay}.items():
            put(self, name, _rules(rules, name, _MANY[name]))
        put(self, "pin", _pins({} if pin is None else pin))
        put(self, "floor", None if floor is None else within(floor, "floor", 0.0, 1.0))
        put(self, "had", None if had is None else one_of(Had, had, "had"))
        put(self, "explore", within(explore, "explore", 0.0, MOST))

    @classmethod
    def from_dict(cls, record: object) -> Self:
        """The policy that a JSON object describes: the same names, rules as objects.

        Args:
            record: as {"caps": [{"key": "brand", "most": 2}], "diversity": {"method": "dpp"}}.

        Raises:
            InvalidRequest: when it is no object, or a member is unknown or malformed.
        """
        given = _members(record, cls, "policy")
        for name, kind in _ONE.items():
            if name in given:
                given[name] = _read(kind, given[name], name)
        for name, kind in _MANY.items():
            if name in given:
                entries = check_list(given[name], name, InvalidRequest)
                given[name] = [_read(kind, entry, name) for entry in entries]
        return cls(**given)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copied and pickled by what it is made of: neither knows read-only mappings."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return _again, (type(self), {**kept, "pin": dict(self.pin)})

    def __repr__(self) -> str:
        """The names of the rules that are on: what they say may be about a person."""
        on = [
            one.name for one in fields(self) if getattr(self, one.name) not in (None, (), {}, 0.0)
        ]
        return f"ListPolicy(<{', '.join(on) or 'off'}>)"


_ONE: Mapping[str, type[Any]] = {
    "block": Block,
    "fatigue": Fatigue,
    "rotate": Rotate,
    "fresh": Fresh,
    "collapse": Collapse,
    "diversity": Diversify,
    "calibrate": Calibrate,
}
_MANY: Mapping[str, type[Any]] = {"caps": Cap, "spread": Spread, "decay": Decay}


def policy_of(value: object) -> ListPolicy:
    """A call's policy; one that is off where it is ``None``.

    Raises:
        InvalidRequest: when it is something else.
    """
    if value is None:
        return OFF
    check_kind(value, "policy", ListPolicy, example="ListPolicy(floor=0.1)")
    policy: ListPolicy = value  # type: ignore[assignment]
    return policy


def exposures_of(value: object) -> Mapping[str, Exposure]:
    """What was shown to a person, by item id; nothing where it is ``None``.

    Raises:
        InvalidRequest: when it is something else. Its values are looked at when they are used.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        wanted = "a mapping of item ids to Exposure, or None"
        raise InvalidRequest(f"exposures: expected {wanted}, got {kind_of(value)}")
    return value


def exposures_in(history: Iterable[Event]) -> dict[str, Exposure]:
    """What recorded impressions say was shown, by item id, with how often it was chosen.

    Args:
        history: events with timestamps, oldest first.
    """
    shown: Counter[str] = Counter()
    chosen: Counter[str] = Counter()
    last: dict[str, float | None] = {}
    for event in history:
        if event.item is None:
            continue
        if event.type is EventType.IMPRESSION:
            shown[event.item.id] += 1
            last[event.item.id] = event.timestamp
        elif event.type not in NOT_CHOSEN:
            chosen[event.item.id] += 1
    return {one: Exposure(times, chosen[one], last[one]) for one, times in shown.items()}


def _again(kind: type[ListPolicy], rules: dict[str, Any]) -> ListPolicy:
    return kind(**rules)


def _read(kind: type[T], value: object, name: str) -> T:
    """The rule that an object describes."""
    return kind(**_members(value, kind, name))


def _members(record: object, kind: type[Any], name: str) -> dict[str, Any]:
    """Members of an object that are fields of a class; ``null`` is the same as not there."""
    if not isinstance(record, Mapping):
        raise InvalidRequest(f"{name}: expected an object, got {kind_of(record)}")
    known = [one.name for one in fields(kind)]
    if not record.keys() <= set(known):
        raise InvalidRequest(f"{name}: expected only {', '.join(known)}; got another member")
    given = {key: value for key, value in record.items() if value is not None}
    if "key" in known and "key" not in given:
        raise InvalidRequest(f"{name}: expected a key")
    return given


def _rules(value: object, name: str, kind: type[T]) -> tuple[T, ...]:
    wanted = f"a sequence of {kind.__name__}"
    given = check_sequence(value, name, InvalidRequest, wanted=wanted, of=kind, most=MAX_RULES)
    if len(given) > MAX_RULES:
        raise InvalidRequest(f"{name}: expected at most {MAX_RULES}, got {len(given)}")
    return tuple(given)


def _pins(value: object) -> Mapping[str, int]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"pin: expected a mapping of ids to places, got {kind_of(value)}")
    pins = {
        check_id(name, "pin: item id", InvalidRequest): check_integer(
            place, "pin: place", InvalidRequest, minimum=1, maximum=MAX_PLACE
        )
        for name, place in value.items()
    }
    if len(set(pins.values())) != len(value):
        raise InvalidRequest("pin: expected each item and each place once")
    return MappingProxyType(pins)


OFF = ListPolicy()
