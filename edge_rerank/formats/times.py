"""Times as files write them: seconds since 1970 and finer, ISO 8601, dates of spreadsheets.

A number is told by its size: below 10¹¹ it is seconds (until the year 5138), then milliseconds,
microseconds and nanoseconds, each a thousand times as long; eight digits that are a date, as
20251224, are one. ``24.12.2025`` has the day first wherever it is written, ``2025/12/24`` the
year; whether ``03/04/2025`` is in March or April its file has to tell, by another date
(:func:`day_comes_first`) or by whoever knows. A time without a zone is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from edge_rerank.errors import InvalidEvent

_UNITS = (
    (1e11, 1, "seconds since 1970"),
    (1e14, 1e3, "milliseconds since 1970"),
    (1e17, 1e6, "microseconds since 1970"),
    (1e20, 1e9, "nanoseconds since 1970"),
)
"""Numbers below the first are so many to the second. In the next smaller unit the same number
would lie after the year 5138, in the next larger one before 1974."""

_COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
"""As seconds, these eight digits lie between 1970 and 1973: older than any log."""

_DATE = re.compile(
    r"(?P<first>\d{1,4})(?P<sign>[./-])(?P<second>\d{1,2})(?P=sign)(?P<third>\d{4}|\d{2})"
    r"(?:[T,\s]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)
_NAMED_UTC = re.compile(r"\s*(?:UTC|GMT)$")

_WANTED = (
    "timestamp: expected seconds since 1970 (or ms, µs, ns), ISO 8601 or a date, got other text"
)
_TWO_WAYS = "timestamp: whether the day or the month comes first is not told by the file (--dates)"


def read_timestamp(value: Any, *, day_first: bool | None = None) -> Any:
    """The time as UTC seconds.

    What is neither a number nor text is handed back for the event's own check.

    Args:
        value: as it was read.
        day_first: of dates with slashes or dashes that end with the year; ``None`` where only
            the date itself tells.

    Raises:
        InvalidEvent: when it is other text, or a date that can be read two ways.
    """
    if (type(value) is int or type(value) is float) and value < _UNITS[0][0]:
        return value  # as almost every one is
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return _moment(value.strip(), day_first)
        if _COMPACT.fullmatch(value.strip()):
            return _moment(value.strip(), day_first)
        value = number
    if isinstance(value, int | float) and not isinstance(value, bool):
        for bound, unit, _ in _UNITS:
            if value < bound:
                return value if unit == 1 else value / unit
    return value


def form_of(value: object, *, day_first: bool | None = None) -> str | None:
    """How a time is written, in words; ``None`` for what is none.

    Args:
        value: as it was read.
        day_first: see :func:`read_timestamp`.
    """
    try:
        read_timestamp(value, day_first=day_first)
    except InvalidEvent:
        return None
    text = str(value).strip()
    if isinstance(value, str) and not (_is_number(text) and not _COMPACT.fullmatch(text)):
        date = _DATE.fullmatch(_NAMED_UTC.sub("Z", text))
        return "ISO 8601" if date is None else _form_of_date(date, day_first)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return next((name for bound, _, name in _UNITS if float(value) < bound), None)


def has_zone(value: object) -> bool:
    """Whether a written time says which moment it is: a number does, a date with a zone does."""
    if not isinstance(value, str) or _is_number(value):
        return True
    text = _NAMED_UTC.sub("Z", value.strip())
    return re.search(r"\d{1,2}:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})$", text) is not None


def day_comes_first(values: Iterable[object]) -> bool | None:
    """Whether dates with slashes or dashes begin with the day; ``None`` where none of them tells.

    One whose first number is above 12 does, one whose second is begins with the month; where
    there are both, nothing is told.
    """
    told = set()
    for value in values:
        date = _DATE.fullmatch(_NAMED_UTC.sub("Z", str(value).strip()))
        if date is None or date["sign"] == "." or len(date["first"]) == 4:
            continue
        if (int(date["first"]) > 12) != (int(date["second"]) > 12):
            told.add(int(date["first"]) > 12)
    return told.pop() if len(told) == 1 else None


def _moment(text: str, day_first: bool | None) -> float:
    """UTC seconds of a written date."""
    if text.endswith(("UTC", "GMT")):
        text = _NAMED_UTC.sub("+00:00", text)
    date = None if text[4:5] == "-" else _DATE.fullmatch(text)
    moment = _iso(text, day_first) if date is None else _date(date, day_first)
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (OverflowError, ValueError):
        raise InvalidEvent(_WANTED) from None


def _iso(text: str, day_first: bool | None) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        date = _DATE.fullmatch(text)  # "2025-1-3"
        if date is None:
            raise InvalidEvent(_WANTED) from None
        return _date(date, day_first)


def _date(date: re.Match[str], day_first: bool | None) -> datetime:
    first, second, third = int(date["first"]), int(date["second"]), int(date["third"])
    if len(date["first"]) == 4:
        year, month, day = first, second, third
    else:
        year = third if len(date["third"]) == 4 else _century(third)
        if date["sign"] == "." or first > 12:
            day_first = True
        elif second > 12:
            day_first = False
        elif day_first is None:
            raise InvalidEvent(_TWO_WAYS)
        day, month = (first, second) if day_first else (second, first)
    hour = int(date["hour"] or 0)
    if date["half"]:
        hour = hour % 12 + 12 * (date["half"] in "Pp") if 1 <= hour <= 12 else 24
    try:
        return datetime(
            *(year, month, day, hour, int(date["minute"] or 0), int(date["s"] or 0)),
            tzinfo=_zone(date["zone"]),
        )
    except ValueError:
        raise InvalidEvent(_WANTED) from None


def _century(year: int) -> int:
    """A year of two digits in full, as POSIX's strptime reads it."""
    return year + (2000 if year < 69 else 1900)


def _zone(written: str | None) -> timezone:
    if written is None or written == "Z":
        return UTC
    digits = written[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if written[0] == "-" else offset)


def _form_of_date(date: re.Match[str], day_first: bool | None) -> str:
    sign = date["sign"]
    if len(date["first"]) == 4:
        return "ISO 8601" if sign == "-" else f"Y{sign}M{sign}D"
    if sign == "." or int(date["first"]) > 12 or (day_first and int(date["second"]) <= 12):
        return f"D{sign}M{sign}Y"
    return f"M{sign}D{sign}Y"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
