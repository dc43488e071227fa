"""JSON lines: strictly, where the first line that is not as expected ends it, or line by line."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from edge_rerank._files import reason_of
from edge_rerank.errors import DataError, InvalidInput
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.lines import Line, TextFile
from edge_rerank.formats.members import Members, Named, Vocabulary, members_of, not_called_user
from edge_rerank.formats.table import NUMBERS, joined

T = TypeVar("T")
Record = Mapping[str, Any]

_PLAIN = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*", re.ASCII)

_NOT_JSON = "expected one JSON object, got something that is not JSON"


def read_records(path: Path, parse: Callable[[Record], T]) -> Iterator[tuple[int, T]]:
    """Each line's 1-based number and what ``parse`` makes of its object.

    Blank lines are passed over.

    Args:
        path: one JSON object a line in UTF-8, gzipped if it ends in ".gz".
        parse: may raise :class:`~edge_rerank.errors.InvalidInput`.

    Raises:
        DataError: when the file cannot be read, or at the first malformed line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            for number, raw in enumerate(stream, start=1):
                text = _decode(raw, path, number)
                if text.strip():
                    yield number, _parsed(text, parse, path, number)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error


def json_records(
    lines: Iterable[Line], vocabulary: Vocabulary, named: Named
) -> Iterator[tuple[int, Record | str]]:
    """Each line's number with its object by our names, or with the reason why there is none.

    Args:
        lines: of a file; blank ones are passed over.
        vocabulary: what names may mean.
        named: what somebody said that they mean.
    """
    for line in lines:
        if line.fault is not None:
            yield line.number, line.fault
        elif line.text.strip():
            record = parse_object(line.text)
            if isinstance(record, str):
                yield line.number, record
                continue
            members = members_of(tuple(record), vocabulary, named)
            if members.suspect is not None:
                yield line.number, not_called_user("member", members.suspect)
            else:
                yield line.number, by_our_names(record, members)


def by_our_names(record: dict[str, Any], members: Members) -> Record:
    """An object with its members called as ours are; those that mean nothing are left in it.

    Numbers may stand in strings, as databases write them.
    """
    told = _renamed(record, members) if members.renamed else record
    quoted = {name: value for name in NUMBERS if isinstance(value := told.get(name), str)}
    return {**told, **{name: _number(text) for name, text in quoted.items()}} if quoted else told


def _number(text: str) -> float | str | None:
    """What is no plain number is left to the check of its member; nothing at all is none."""
    if _PLAIN.fullmatch(text):
        return float(text)
    return text if text.strip() else None


def _renamed(record: dict[str, Any], members: Members) -> dict[str, Any]:
    ours = {
        name: record[theirs[0]]
        if len(theirs) == 1 and not (name == "categories" and isinstance(record[theirs[0]], str))
        else joined(name, [record[one] for one in theirs])
        for name, theirs in members.theirs.items()
    }
    taken = {one for theirs in members.theirs.values() for one in theirs}
    return {**{name: value for name, value in record.items() if name not in taken}, **ours}


def expect_members(text: TextFile, vocabulary: Vocabulary, layout: FileLayout) -> None:
    """See that there are lines, and that what somebody said of the members holds of some of them.

    Raises:
        DataError: when the file is one array, or a member that was said is in none of its first
            objects.
    """
    first = next(iter(text.beginning()), "")
    if first.lstrip("\ufeff \t").startswith("["):
        wanted = "expected one JSON object a line, got an array"
        raise DataError(text.path, f"{wanted}: jq -c '.[]' makes lines of it", line=1)
    if layout.numbered:
        raise DataError(text.path, "columns by number: expected a table, got JSON lines")
    records = [
        record for line in text.beginning() if isinstance(record := parse_object(line), dict)
    ]
    missing = [set(members_of(tuple(one), vocabulary, layout.named).missing) for one in records]
    never = set.intersection(*missing) if missing else set()
    if never:
        ours = ", ".join(sorted(never))
        raise DataError(text.path, f"none of the first lines has a member as was said of {ours}")


def parse_object(text: str) -> dict[str, Any] | str:
    """The JSON object of a line, or the reason why there is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return _NOT_JSON
    if not isinstance(record, dict):
        return f"expected one JSON object, got {type(record).__name__}"
    return record


def _decode(raw: bytes, path: Path, line: int) -> str:
    try:
        return raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError:
        raise DataError(path, "expected UTF-8, got other bytes", line=line) from None


def _parsed(text: str, parse: Callable[[Record], T], path: Path, line: int) -> T:
    record = parse_object(text)
    if isinstance(record, str):
        raise DataError(path, record, line=line)
    try:
        return parse(record)
    except InvalidInput as error:
        raise DataError(path, str(error), line=line) from None
