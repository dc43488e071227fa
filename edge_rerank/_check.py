"""Argument checks: the value as it is used from then on, or a typed error.

A message names the argument, what was expected and what came. What came is a type, a length
or a number, never text of an item, a query or a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from edge_rerank.errors import InvalidInput, InvalidRequest

MAX_ID_CHARS = 512

_WHOLE = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)
_UNORDERED = (str, bytes, bytearray, Mapping, Set)
"""Iterables that are no sequences of what the caller means."""


def kind_of(value: object) -> str:
    """The name of the value's type, for "expected ..., got ..."."""
    return type(value).__name__


def check_bool(value: object, name: str, error: type[InvalidInput]) -> bool:
    """``value`` if it is a bool, numpy's included."""
    if not isinstance(value, bool | np.bool_):
        raise error(f"{name}: expected a bool, got {kind_of(value)}")
    return bool(value)


def check_integer(
    value: object,
    name: str,
    error: type[InvalidInput],
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    wanted: str | None = None,
) -> int:
    """``value`` if it is an integer, numpy's included, from ``minimum`` to ``maximum``.

    Args:
        value: what came.
        name: of the argument.
        error: what to raise.
        minimum: the smallest allowed; no limit if ``None``.
        maximum: the largest allowed; no limit if ``None``. Goes with a minimum.
        wanted: words for what is expected, where "an integer from 1 to 9" does not say it.
    """
    if wanted is None:
        wanted = "an integer"
        if minimum is not None:
            wanted += f" ≥ {minimum}" if maximum is None else f" from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        raise error(f"{name}: expected {wanted}, got a number outside")
    return int(value)


_EXACT = 1 << 53
"""Whole numbers below it are floats as well."""


def check_number(
    value: object, name: str, error: type[InvalidInput], *, minimum: float = -math.inf
) -> float | None:
    """``value`` as a finite float ≥ ``minimum``; ``None`` as it is."""
    if value is None:
        return None
    if type(value) is float and minimum <= value < math.inf and value > -math.inf:
        return value  # by far the most; an import checks each number several times
    if type(value) is int and minimum <= value < _EXACT:
        return float(value)
    if not _is_number(value):
        remedy = ": .item() gives its number" if isinstance(value, np.ndarray) else ""
        raise error(f"{name}: expected a number or None, got {kind_of(value)}{remedy}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < minimum:
        wanted = "a finite number" if minimum == -math.inf else f"a finite number ≥ {minimum:g}"
        raise error(f"{name}: expected {wanted}, got {number}")
    return number


def check_fraction(value: object, name: str, error: type[InvalidInput]) -> float:
    """``value`` as a float if it is a number from 0 to 1, numpy's included."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise error(f"{name}: expected a number from 0 to 1")
    return float(value)


def check_moment(value: object, name: str, error: type[InvalidInput]) -> float | None:
    """UTC seconds ≥ 0 if ``value`` is that, or a datetime with a time zone; ``None`` as it is.

    A datetime without a time zone is refused: which moment it means depends on where it is read.
    """
    if value is None or type(value) is float:
        return check_number(value, name, error, minimum=0.0)
    wanted = "UTC seconds, a datetime with a time zone, or None"
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            remedy = "datetime.now(timezone.utc) has one"
            raise error(f"{name}: expected {wanted}, got a datetime without one: {remedy}")
        value = value.timestamp()
    elif not _is_number(value):
        remedy = _MOMENTS.get(kind_of(value), "")
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}{remedy}")
    return check_number(value, name, error, minimum=0.0)


def check_date(value: object, name: str, error: type[InvalidInput]) -> float | None:
    """:func:`check_moment`, of a time that is not compared with the clock: no milliseconds."""
    moment = check_moment(value, name, error)
    if moment is not None and moment >= _NO_SECONDS:
        raise error(f"{name}: expected UTC seconds, got a time after the year 5138 (milliseconds?)")
    return moment


_NO_SECONDS = 1e11
"""In milliseconds a day in 1973."""

_MOMENTS = {
    "str": ": datetime.fromisoformat() reads it",
    "datetime64": ': .astype("datetime64[s]").astype(float) gives its seconds',
    "ndarray": ": .item() gives its number",
}
"""What turns a value of another type into one of these, by the name of the type."""


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def check_text(
    value: object, name: str, error: type[InvalidInput], *, wanted: str = "a string"
) -> str:
    """``value`` if it is a string; ``wanted`` says what is expected, as "a string or None"."""
    if not isinstance(value, str):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    return value


def check_id(value: object, name: str, error: type[InvalidInput]) -> str:
    """``value`` as an identifier: 1 to 512 characters of valid Unicode, or a whole number."""
    if type(value) is str and value.isascii() and 0 < len(value) <= MAX_ID_CHARS:
        return value  # almost every one; a data set names millions
    if not isinstance(value, str) and isinstance(value, _WHOLE) and not isinstance(value, bool):
        value = _digits(int(value))
    return check_label(value, name, error)


def check_label(value: object, name: str, error: type[InvalidInput]) -> str:
    """``value`` if it is 1 to 512 characters of valid Unicode."""
    text = check_text(value, name, error)
    if not 0 < len(text) <= MAX_ID_CHARS:
        raise error(f"{name}: expected 1 to {MAX_ID_CHARS} characters, got {len(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise error(f"{name}: expected valid Unicode, got a lone surrogate") from None
    return text


def _digits(number: int) -> str:
    """A whole number as text; what is far too long for an identifier comes out too long."""
    return str(number) if number.bit_length() < 4 * MAX_ID_CHARS else "9" * (MAX_ID_CHARS + 1)


def check_kind(value: object, name: str, kind: type[Any], *, example: str) -> None:
    """See that ``value`` is one of ours; the message says how such a one is made.

    Args:
        value: what came.
        name: of the argument.
        kind: its class.
        example: how one is made, as "Retention(max_age_days=30)".
    """
    if not isinstance(value, kind):
        came = f"{kind_of(value)}: {example} is one"
        raise InvalidRequest(f"{name}: expected a {kind.__name__}, got {came}")


def check_path(
    value: object, name: str, error: type[InvalidInput], *, wanted: str = "a path"
) -> Path:
    """``value`` as a path if it is one or a string."""
    if not isinstance(value, str | Path):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    return Path(value)


def check_sequence(
    value: object,
    name: str,
    error: type[InvalidInput],
    *,
    wanted: str = "a sequence",
    of: type[Any] | None = None,
    most: int | None = None,
) -> Sequence[Any]:
    """``value`` if it is a sequence; a list of what another ordered iterable gives.

    Generators, arrays of one axis and columns of tables are taken; strings, bytes, mappings and
    sets, which have no order of their own, are not.

    Args:
        value: what came.
        name: of the argument.
        error: what to raise.
        wanted: words for what is expected, as "a sequence of strings".
        of: the type of each of its members, if that is to be checked here.
        most: how many the caller takes; no more than one beyond are read of an iterable.
    """
    if type(value) is not tuple and type(value) is not list:  # most are; asking is slow otherwise
        if isinstance(value, _UNORDERED) or not isinstance(value, Iterable):
            raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
        if isinstance(value, np.ndarray) and value.ndim != 1:
            raise error(f"{name}: expected {wanted}, got an array of {value.ndim} axes")
        if not isinstance(value, Sequence):
            value = list(value if most is None else islice(value, most + 1))
    if of is not None:
        for place, member in enumerate(value):
            if not isinstance(member, of):
                came = f"{kind_of(member)} at index {place}"
                raise error(f"{name}: expected only {of.__name__}, got {came}")
    return value


def check_list(
    value: object, name: str, error: type[InvalidInput], *, wanted: str = "a list"
) -> list[Any]:
    """``value`` if it is a list, as an array of JSON is; ``wanted`` as "a list of ids"."""
    if not isinstance(value, list):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    return value
