"""Strict JSON objects: members taken out by name and type, and none left over.

Whoever made the file, a reader of it gets values of the wanted type and size, or one error that
names the place and repeats nothing of the content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

from edge_rerank.errors import PackInvalid

MAX_TEXT = 500
"""Characters of a string."""

MAX_NUMBER = 1e15
"""Figures, bytes and weights are far below; what is larger overflows where it is multiplied."""

T = TypeVar("T")


def parse_json(raw: bytes) -> Any:
    """Parse JSON in which no object has a name twice.

    Raises:
        ValueError: when it is not such JSON in UTF-8.
        RecursionError: when it is nested too deeply.
    """
    return json.loads(raw, object_pairs_hook=_without_repeats)


class JsonObject:
    """The members of one JSON object.

    Args:
        value: what was parsed.
        where: names the place in an error, as "manifest.encoder".
        file: name of the file, the beginning of every error.

    Raises:
        PackInvalid: when ``value`` is no object; the methods raise it when a member is missing or
            is not what is asked for.
    """

    def __init__(self, value: object, where: str, file: str) -> None:
        self._where = where
        self._file = file
        if not isinstance(value, dict):
            self._refuse("", f"expected an object, got {type(value).__name__}")
        self._members: dict[str, Any] = dict(value)

    @classmethod
    def parse(cls, raw: bytes, where: str, file: str, *, most: int) -> JsonObject:
        """Read a file of one object.

        Args:
            raw: its content.
            where: see the class.
            file: see the class.
            most: bytes it may have.
        """
        if len(raw) > most:
            raise PackInvalid(f"{file}: expected at most {most} bytes, got {len(raw)}")
        try:
            value = parse_json(raw)
        except (ValueError, RecursionError):
            raise PackInvalid(f"{file}: expected JSON in UTF-8") from None
        return cls(value, where, file)

    def text(self, name: str, pattern: re.Pattern[str] | None = None) -> str:
        """A string of 1 to :data:`MAX_TEXT` characters, all of which match ``pattern``."""
        value = self._take(name)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
            self._refuse(f".{name}", f"expected a string of 1 to {MAX_TEXT} characters")
        if pattern is not None and not pattern.fullmatch(value):
            self._refuse(f".{name}", f"expected the form {pattern.pattern}")
        return value

    def optional_text(self, name: str, pattern: re.Pattern[str]) -> str | None:
        """The same, or ``None`` where there is nothing or ``null``."""
        return None if self._absent(name) else self.text(name, pattern)

    def integer(self, name: str, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._refuse(f".{name}", f"expected an integer from {low} to {high}")
        return value

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """The same, or ``None`` where there is nothing or ``null``."""
        return None if self._absent(name) else self.integer(name, low, high)

    def flag(self, name: str) -> bool:
        """``true`` or ``false``."""
        value = self._take(name)
        if not isinstance(value, bool):
            self._refuse(f".{name}", "expected true or false")
        return value

    def integers(
        self, name: str, low: int, high: int, most: int, *, least: int = 1
    ) -> tuple[int, ...]:
        """An array of ``least`` to ``most`` integers from ``low`` to ``high``."""
        values = self._take(name)
        if not isinstance(values, list) or not least <= len(values) <= most:
            self._refuse(f".{name}", f"expected an array of {least} to {most} integers")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                self._refuse(f".{name}", f"expected only integers from {low} to {high}")
        return tuple(values)

    def number(self, name: str) -> float:
        """An integer or a fraction, finite and at most :data:`MAX_NUMBER` either way."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(f".{name}", "expected a number")
        if not abs(value) <= MAX_NUMBER:
            self._refuse(f".{name}", f"expected a number of at most {MAX_NUMBER:g} either way")
        return float(value)

    def optional_number(self, name: str, default: float) -> float:
        """The same, or ``default`` where there is none."""
        return self.number(name) if name in self._members else default

    def object(self, name: str, read: Callable[[JsonObject], T]) -> T:
        """What ``read`` makes of an object; it has to take every member."""
        members = JsonObject(self._take(name), f"{self._where}.{name}", self._file)
        value = read(members)
        members.nothing_else()
        return value

    def optional(self, name: str, read: Callable[[JsonObject], T]) -> T | None:
        """The same, or ``None`` where there is nothing or ``null``."""
        return None if self._absent(name) else self.object(name, read)

    def array(self, name: str, read: Callable[[JsonObject], T], most: int) -> tuple[T, ...]:
        """What ``read`` makes of each of 1 to ``most`` objects."""
        values = self._take(name)
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            self._refuse(f".{name}", f"expected an array of 1 to {most} entries")
        entries = []
        for place, value in enumerate(values):
            members = JsonObject(value, f"{self._where}.{name}[{place}]", self._file)
            entries.append(read(members))
            members.nothing_else()
        return tuple(entries)

    def other_texts(self, name: re.Pattern[str], pattern: re.Pattern[str]) -> dict[str, str]:
        """All members not taken yet, which have to be strings; what is ``null`` is left out.

        Args:
            name: form of their names.
            pattern: form of the strings.
        """
        names = [key for key, value in self._members.items() if value is not None]
        if not all(name.fullmatch(key) for key in names):
            self._refuse("", f"expected members with names of the form {name.pattern}")
        texts = {key: self.text(key, pattern) for key in names}
        self._members.clear()
        return texts

    def other_numbers(self) -> dict[str, float]:
        """All members not taken yet, which have to be numbers."""
        return {name: self.number(name) for name in list(self._members)}

    def ignore(self, name: str) -> None:
        """Take a member out that means nothing any more, whatever it is."""
        self._members.pop(name, None)

    def nothing_else(self) -> None:
        """Refuse what was not taken."""
        if self._members:
            self._refuse("", f"{len(self._members)} members this version does not know")

    def _absent(self, name: str) -> bool:
        """Whether there is no such member, or ``null``, which is then taken."""
        absent = self._members.get(name) is None
        if absent:
            self._members.pop(name, None)
        return absent

    def _take(self, name: str) -> Any:
        if name not in self._members:
            self._refuse("", f"expected a member {name!r}")
        return self._members.pop(name)

    def _refuse(self, member: str, reason: str) -> NoReturn:
        raise PackInvalid(f"{self._file}: {self._where}{member}: {reason}")


def _without_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """JSON readers disagree on which of two equal names counts; there must be only one."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("a name twice")
        members[name] = value
    return members
