"""File layouts: what a foreign log or item table calls its columns, and how it writes its words."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from edge_rerank._check import check_bool, check_text, kind_of
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.members import ALIASES, ITEM_NAMES, LOG_NAMES
from edge_rerank.types import EventName, EventType

_JOINED = frozenset({"text", "categories"})
"""Members that may be made of several columns."""


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How a log, or a table of items, that was not written for this package is laid out.

    Attributes:
        columns: for our names of what a log (``user``, ``item``, ``timestamp``, ``type``, ...) or
            a table of items (``id``, ``text``, ``categories``, ``popularity``, ...) says, the
            file's own: ``{"user": "userId", "timestamp": "When"}``. A text or categories may be
            in several columns, ``{"text": ("title", "summary")}``; ``"#3"`` is the third column
            of a file that has no header; ``""`` says that there is no such column, whatever is
            called so. Names that are not given are recognised where they resemble ours.
        type: what every event is of whose type the file does not say.
        types: for the file's own words the types of events that they mean.
        encoding: of text that is neither UTF-8 nor UTF-16, as "cp1252"; nothing is guessed.
        day_first: whether 03/04/2025 is in April; ``None`` for what the file's other dates tell.

    Raises:
        InvalidRequest: when one of them is malformed.
    """

    columns: Mapping[str, str | Iterable[str]] = field(default_factory=dict)
    type: EventType | EventName | None = None
    types: Mapping[str, EventType | EventName] = field(default_factory=dict)
    encoding: str | None = None
    day_first: bool | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not isinstance(self.columns, Mapping) or not isinstance(self.types, Mapping):
            raise InvalidRequest("layout: expected columns and types as mappings")
        columns: dict[str, tuple[str, ...]] = {}
        for ours, theirs in self.columns.items():
            name = known_name(ours)
            columns[name] = columns.get(name, ()) + _names(name, theirs)
        numbered = [name.startswith("#") for names in columns.values() for name in names]
        if any(numbered) and not all(numbered):
            raise InvalidRequest("columns: expected all of them by number or all by name")
        put(self, "columns", MappingProxyType(columns))
        put(self, "type", None if self.type is None else event_type(self.type))
        words = {
            check_text(word, "types", InvalidRequest): kind for word, kind in self.types.items()
        }
        put(
            self,
            "types",
            MappingProxyType({word: event_type(kind) for word, kind in words.items()}),
        )
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.day_first is not None:
            check_bool(self.day_first, "day_first", InvalidRequest)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled by what it is made of: neither knows read-only mappings."""
        kept = (dict(self.columns), self.type, dict(self.types), self.encoding, self.day_first)
        return type(self), kept

    @property
    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The columns as a value that can be a key."""
        return tuple((ours, tuple(theirs)) for ours, theirs in self.columns.items())

    @property
    def numbered(self) -> bool:
        """Whether columns are named by their place, in a file without a header."""
        return any(name.startswith("#") for _, theirs in self.named for name in theirs)

    @classmethod
    def parse(
        cls,
        columns: Iterable[tuple[str, str]] = (),
        types: Iterable[tuple[str, str]] = (),
        *,
        encoding: str | None = None,
        day_first: bool | None = None,
    ) -> FileLayout:
        """A layout from pairs of words, as a command line gives them.

        Args:
            columns: our name and the file's, the same of ours again for one more column.
            types: the file's word, empty for "none", and the type of events.
            encoding: see the class.
            day_first: see the class.

        Raises:
            InvalidRequest: when one of them is malformed.
        """
        named: dict[str, tuple[str, ...]] = {}
        for ours, theirs in columns:
            name = known_name(ours)
            named[name] = named.get(name, ()) + ((theirs,) if theirs else ())
        words = {word: event_type(kind) for word, kind in types}
        return cls(named, words.pop("", None), words, encoding, day_first)


def known_name(name: object) -> str:
    """Our name that is meant.

    Raises:
        InvalidRequest: when it is none.
    """
    text = check_text(name, "columns", InvalidRequest).strip()
    meant = ALIASES.get(text.casefold(), text)
    known = tuple(dict.fromkeys((*LOG_NAMES, *ITEM_NAMES)))
    if meant not in known:
        raise InvalidRequest(f"columns: expected names of {', '.join(known)}; got another")
    return meant


def event_type(value: object) -> EventType:
    """The type that is meant.

    Raises:
        InvalidRequest: when it is none.
    """
    word = check_text(value, "type", InvalidRequest)
    try:
        return EventType(plain_word(word))
    except ValueError:
        known = ", ".join(EventType)
        raise InvalidRequest(f"type: expected one of {known}; got another word") from None


def plain_word(word: str) -> str:
    """A word for a type as ours are written: "Add-to cart" as "add_to_cart"."""
    return re.sub(r"[\s-]+", "_", word.strip()).casefold()


def _names(ours: str, theirs: object) -> tuple[str, ...]:
    several = (theirs,) if isinstance(theirs, str) else theirs
    if not isinstance(several, Iterable):
        raise InvalidRequest(f"columns: expected a name for {ours}, got {kind_of(theirs)}")
    names = tuple(check_text(name, f"columns: {ours}", InvalidRequest) for name in several)
    names = tuple(name for name in names if name)
    if len(names) > 1 and ours not in _JOINED:
        raise InvalidRequest(f"columns: expected one for {ours}, got {len(names)}")
    return names


def _check_encoding(name: object) -> None:
    try:
        "a".encode(codecs.lookup(check_text(name, "encoding", InvalidRequest)).name)
    except (LookupError, UnicodeError, ValueError):
        wanted = 'one that Python knows, as "cp1252"'
        raise InvalidRequest(f"encoding: expected {wanted}, got another") from None
