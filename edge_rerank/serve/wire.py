"""Requests as they come over the wire: one parser for our own methods and the shapes of others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeVar, cast

from edge_rerank._check import check_bool, check_id, check_integer, check_list, kind_of
from edge_rerank.errors import InvalidEvent, InvalidInput, InvalidItem, InvalidRequest
from edge_rerank.formats.events import (
    EVENT_MEMBERS,
    HOST_MEMBERS,
    ITEM_MEMBERS,
    MEDIA_MEMBERS,
    event_from_dict,
    item_of,
)
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.ranking.list_rules import Exposure
from edge_rerank.ranking.options import ListOptions, RankOptions
from edge_rerank.serve.known_items import KnownItems
from edge_rerank.types import Event, Item

MAX_BYTES = 16 << 20
"""The largest request: 10,000 candidates with 1,600 bytes of text each."""

ITEM = (*ITEM_MEMBERS, *HOST_MEMBERS, *MEDIA_MEMBERS)
"""Members of an item."""

DOCUMENT = ("id", "text", "categories", "popularity", "score", "published")
"""Members of a document that is an object."""

_ITEM_NAMES = frozenset(ITEM)
_DOCUMENT_NAMES = frozenset(DOCUMENT)
_EVENT_NAMES = frozenset(EVENT_MEMBERS)
_EXPOSURE_NAMES = frozenset(one.name for one in fields(Exposure))

OPTIONS = ("diversity", "budget_ms", "now", "repeats", "context", "surface", "shown")
"""What is handed on to any ranking as it is."""

RULES = ("policy", "exposures")
"""The list policy, and what some rules of it count."""

WHOSE = ("user", "guest")

Members = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class Whose:
    """Whose history counts: at most one of the two is there."""

    user: str | None = None
    guest: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class RankCall:
    """``rank``: candidates, and what the answer is to hold beside their order.

    Attributes:
        items: what is there for them, to be read by :func:`read_items`.
    """

    whose: Whose
    items: object
    options: RankOptions
    return_items: bool
    reasons: bool
    why: bool


@dataclass(frozen=True, slots=True, repr=False)
class TextsCall:
    """``rank_texts``, by whichever name its members came.

    Attributes:
        documents: strings, or objects with some of :data:`DOCUMENT`.
        echo: whether the answer is to hold the texts; ``None`` where the request does not say.
    """

    whose: Whose
    query: str | None
    documents: Sequence[str | Members]
    options: ListOptions
    echo: bool | None


def parse(raw: bytes) -> Any:
    """The JSON value of a request.

    Raises:
        ValueError: when it is no JSON in UTF-8, or holds a number that is not finite.
        RecursionError: when it is nested too deeply.
    """
    return json.loads(raw.decode(), parse_float=_finite, parse_constant=_no_number)


def render(value: object) -> bytes:
    """A JSON text in UTF-8, on one line."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half an emoji that came escaped goes back escaped
        return json.dumps(value, separators=(",", ":")).encode()


def members_of(params: object, known: Collection[str]) -> Members:
    """The members of a request that are there; ``null`` is the same as not there.

    Raises:
        InvalidRequest: when it is no object, or has others than those in ``known``.
    """
    if not isinstance(params, dict):
        raise InvalidRequest(f"params: expected an object, got {kind_of(params)}")
    if not params.keys() <= set(known):
        names = ", ".join(known) or "no members"
        raise InvalidRequest(f"params: expected only {names}; got another member")
    return {name: value for name, value in params.items() if value is not None or name == "user"}


def read_rank(params: object, default: str | None) -> RankCall:
    """A call of ``rank``, but for its items.

    Args:
        params: an object.
        default: the user where none is named.

    Raises:
        InvalidInput: when it is malformed.
    """
    given = members_of(params, RANK)
    return RankCall(
        whose=read_whose(given, default),
        items=given.get("items"),
        options=_rank_options(given),
        return_items=read_bool(given, "return_items", False),
        reasons=read_bool(given, "reasons", False),
        why=read_bool(given, "why", False),
    )


_OF_RANK = ("query", "top_k", "host_order", *OPTIONS, "locale")
RANK = (
    *("items", *WHOSE, "query", "top_k", "host_order", *OPTIONS, "locale"),
    *(*RULES, "return_items", "reasons", "why"),
)
TEXTS = (
    *("documents", "texts", *WHOSE, "query", "top_n", "top_k", *OPTIONS),
    *(*RULES, "return_documents"),
)


def read_texts(
    params: object, default: str | None, *, known: Collection[str] = TEXTS, echo: str = ""
) -> TextsCall:
    """A call that ranks texts, ours or in a shape of others.

    Args:
        params: an object.
        default: the user where none is named.
        known: the members that the shape has.
        echo: the member that says whether the answer is to hold the texts, "return_documents" if
            empty.

    Raises:
        InvalidInput: when it is malformed.
    """
    given = members_of(params, known)
    options = cast(ListOptions, {**_picked(given, OPTIONS), **_rules(given)})
    top = _either(given, "top_n", "top_k")
    if top is not None:
        wanted = "an integer ≥ 0"
        top = check_integer(top, "top_n", InvalidRequest, minimum=0, wanted=wanted)
        options["top_k"] = top or None
    echoed = given.get(echo or "return_documents")
    if read_bool(given, "raw_scores", False):
        raise InvalidRequest("raw_scores: expected false: scores go from 0 to 1")
    return TextsCall(
        whose=read_whose(given, default),
        query=given.get("query"),
        documents=_documents(_either(given, "documents", "texts")),
        options=options,
        echo=None if echoed is None else check_bool(echoed, "return_documents", InvalidRequest),
    )


def read_whose(given: Members, default: str | None) -> Whose:
    """Whose history counts; ``user`` that is ``null`` is nobody.

    Raises:
        InvalidRequest: when both are named, or one is malformed.
    """
    guest = given.get("guest")
    if guest is None:
        user = given.get("user", default)
        return Whose(user=None if user is None else check_id(user, "user", InvalidRequest))
    if given.get("user") is not None:
        raise InvalidRequest("user: expected a user or a guest, got both")
    return Whose(guest=check_id(guest, "guest", InvalidRequest))


def read_bool(given: Members, name: str, default: bool) -> bool:
    """A member that is true or false.

    Raises:
        InvalidRequest: when it is something else.
    """
    return check_bool(given.get(name, default), name, InvalidRequest)


def read_items(value: object, known: KnownItems) -> list[Item]:
    """Items, in their order.

    Args:
        value: what is there for them.
        known: where they are kept.

    Raises:
        InvalidInput: when it is no list, or holds something malformed.
    """
    entries = check_list(value, "items", InvalidRequest, wanted="a list of items")
    return known.read(entries, _item)


def read_events(given: Members, known: Callable[[str], Item | None]) -> list[Event]:
    """The events of ``event`` or ``events``.

    Args:
        given: members of the request.
        known: the item of an id, for events that name theirs by its id alone.

    Raises:
        InvalidInput: when one is malformed.
    """
    if ("event" in given) == ("events" in given):
        raise InvalidRequest("events: expected events, or one event")
    if "event" in given:
        return [_event(given["event"], known)]
    entries = check_list(given["events"], "events", InvalidRequest, wanted="a list of events")
    return [
        _in_place(lambda entry: _event(entry, known), entry, f"events at index {place}")
        for place, entry in enumerate(entries)
    ]


def _in_place(read: Callable[[Any], _T], entry: object, where: str) -> _T:
    """What ``read`` makes of an entry of a list; its errors say which one it was."""
    try:
        return read(entry)
    except InvalidInput as error:
        raise type(error)(f"{error}, in {where}") from None


def _event(record: object, known: Callable[[str], Item | None]) -> Event:
    members = _closed(record, _EVENT_NAMES, "event", InvalidEvent)
    item = None
    if "item" in members:
        item = _item_of_event(members["item"], known)
    return event_from_dict(members, item, any_time=True)


def _item_of_event(value: object, known: Callable[[str], Item | None]) -> Item:
    """The item itself, or the one that its id alone stands for."""
    item = Item(check_id(value, "item", InvalidEvent)) if _is_id(value) else _item(value)
    return item if item.text else known(item.id) or item


def _item(record: object) -> Item:
    return item_of(_closed(record, _ITEM_NAMES, "item", InvalidItem))


def _documents(value: object) -> list[str | Members]:
    wanted = "a list of strings or objects"
    entries = check_list(value, "documents", InvalidRequest, wanted=wanted)
    return [
        _in_place(_document, entry, f"documents at index {place}")
        for place, entry in enumerate(entries)
    ]


def _document(entry: object) -> str | Members:
    if isinstance(entry, str):
        return entry
    return _closed(entry, _DOCUMENT_NAMES, "document", InvalidItem)


def _closed(
    record: object, known: frozenset[str], what: str, error: type[InvalidInput]
) -> dict[str, Any]:
    """The members of an object that are not ``null``; others than the known ones are refused."""
    if not isinstance(record, dict):
        raise error(f"{what}: expected an object, got {kind_of(record)}")
    if not record.keys() <= known:
        raise error(f"{what}: expected only {', '.join(sorted(known))}; got another member")
    if None not in record.values():  # as nearly always; a copy costs as much as an item
        return record
    return {name: value for name, value in record.items() if value is not None}


def _rank_options(given: Members) -> RankOptions:
    return cast(RankOptions, {**_picked(given, _OF_RANK), **_rules(given)})


def _rules(given: Members) -> dict[str, Any]:
    """The list policy, and how items were shown so far, where there are any."""
    found: dict[str, Any] = {}
    if "policy" in given:
        found["policy"] = ListPolicy.from_dict(given["policy"])
    if "exposures" in given:
        found["exposures"] = _exposures(given["exposures"])
    return found


def _exposures(value: object) -> dict[str, Exposure]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"exposures: expected an object by item id, got {kind_of(value)}")
    found = {}
    for name, one in value.items():
        members = _closed(one, _EXPOSURE_NAMES, "exposure", InvalidRequest)
        found[name] = Exposure(**{"shown": None, **members})
    return found


def _picked(given: Members, names: Collection[str]) -> dict[str, Any]:
    """Options that are there; ``rank()`` checks their values itself."""
    return {name: given[name] for name in names if name in given}


def _either(given: Members, name: str, other: str) -> object:
    """The value of a member that goes by two names."""
    if name in given and other in given:
        raise InvalidRequest(f"{name}: expected {name} or {other}, got both")
    return given.get(name, given.get(other))


def _is_id(value: object) -> bool:
    return isinstance(value, str | int)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"expected a number, got {name}")
