"""Attributes of people: what a host knows of somebody beside what they did, as an age group.

A host states them, and the circumstances of a call, as few short values by short names, see
:func:`check_values`; nothing is inferred. A data set folder holds them in ``users.jsonl``, plain
or gzipped, one person a line: ``{"user", "attributes"?: {name: value}}``. There names and values
are strings, values those of a few groups ("30-39", "renter"); an attribute that is missing or
null is not known.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from edge_rerank._check import check_id, check_text, kind_of
from edge_rerank.errors import DataError, InvalidInput, InvalidRequest

if TYPE_CHECKING:
    from edge_rerank.formats.jsonl import Record

MAX_ATTRIBUTES = 32
"""Of one person."""

MAX_NAME_CHARS = 64
MAX_VALUE_CHARS = 128
MAX_NUMBER = 1e12

Value = str | int | float
"""Of an attribute, or of a circumstance of a call."""

Values = Mapping[str, Value]
"""Values by their names; what is not known is not in it."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of names that a host states values by, as JSON Schema has it."""

_NAME = re.compile(NAME_PATTERN)

Attributes = Mapping[str, str]
"""Values by the names of attributes; what is not known is not in it."""


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A line of ``users``.

    Attributes:
        user: who.
        attributes: what is known; may be empty.
    """

    user: str
    attributes: Attributes


def check_attributes(value: object, error: type[InvalidInput]) -> Attributes:
    """``value`` as attributes, if it is a mapping of few short strings to short strings.

    Messages never hold a name or a value.

    Args:
        value: what came.
        error: what to raise.
    """
    if not isinstance(value, Mapping):
        raise error(f"attributes: expected an object of strings, got {kind_of(value)}")
    if len(value) > MAX_ATTRIBUTES:
        raise error(f"attributes: expected at most {MAX_ATTRIBUTES}, got {len(value)}")
    return MappingProxyType(
        {
            # The same few strings stand at everybody: keep each once.
            sys.intern(_short(name, "attributes: name", MAX_NAME_CHARS, error)): sys.intern(
                _short(one, "attributes: value", MAX_VALUE_CHARS, error)
            )
            for name, one in value.items()
            if one is not None
        }
    )


def check_values(
    value: object, what: str, error: type[InvalidInput], *, most: int = MAX_ATTRIBUTES
) -> dict[str, Value | None]:
    """``value`` as short values by names, if it is a mapping of few of them.

    Messages never hold a name or a value.

    Args:
        value: what came: by 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or a digit,
            strings of 1 to 128 printable characters, finite numbers up to 10¹² either way, or
            ``None``.
        what: names it.
        error: what to raise.
        most: how many there may be.
    """
    if not isinstance(value, Mapping):
        raise error(f"{what}: expected a mapping of names to values, got {kind_of(value)}")
    if len(value) > most:
        raise error(f"{what}: expected at most {most}, got {len(value)}")
    return {
        check_name(name, f"{what}: name", error): _value(one, f"{what}: value", error)
        for name, one in value.items()
    }


def check_name(value: object, what: str, error: type[InvalidInput]) -> str:
    """``value`` if it is a name of 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a mark."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise error(
            f"{what}: expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit,"
            " got something else"
        )
    return str(value)


def _value(value: object, what: str, error: type[InvalidInput]) -> Value | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _short(value, what, MAX_VALUE_CHARS, error)
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise error(f"{what}: expected a string, a number or None, got {kind_of(value)}")
    number = int(value) if isinstance(value, int | np.integer) else float(value)
    if not (math.isfinite(number) and abs(number) <= MAX_NUMBER):
        raise error(f"{what}: expected a finite number of at most 10^12, got another")
    return number


def parse_person(record: Record) -> Person:
    """A line of ``users``.

    Raises:
        InvalidRequest: when it is malformed.
    """
    user = check_id(record.get("user"), "user", InvalidRequest)
    attributes = record.get("attributes")
    return Person(user, check_attributes({} if attributes is None else attributes, InvalidRequest))


def read_users(path: Path) -> Iterator[Person]:
    """The people of a file ``users``, in its order.

    Raises:
        DataError: when the file cannot be read, at the first malformed line, or when somebody
            is there again.
    """
    seen: set[str] = set()
    from edge_rerank.formats.jsonl import read_records  # noqa: PLC0415 - hosts have no such file

    for line, person in read_records(path, parse_person):
        if person.user in seen:
            raise DataError(path, "user: expected each person once, got one again", line=line)
        seen.add(person.user)
        yield person


def _short(value: object, name: str, most: int, error: type[InvalidInput]) -> str:
    text = check_text(value, name, error)
    # More than spaces, so that a table has something to show.
    if not 0 < len(text) <= most or not text.strip():
        raise error(f"{name}: expected 1 to {most} characters, not all blank, got {len(text)}")
    if not text.isprintable():
        raise error(f"{name}: expected printable characters, got others")
    return str(text)
