"""JSON lines, read strictly: the first line that is not as expected ends it, by name."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from edge_rerank.errors import DataError, InvalidInput

T = TypeVar("T")
Record = Mapping[str, Any]


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
        raise DataError(path, f"cannot be read: {type(error).__name__}") from error


def _decode(raw: bytes, path: Path, line: int) -> str:
    try:
        return raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError:
        raise DataError(path, "expected UTF-8, got other bytes", line=line) from None


def _parsed(text: str, parse: Callable[[Record], T], path: Path, line: int) -> T:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        reason = "expected one JSON object, got something that is not JSON"
        raise DataError(path, reason, line=line) from None
    if not isinstance(record, dict):
        reason = f"expected one JSON object, got {type(record).__name__}"
        raise DataError(path, reason, line=line)
    try:
        return parse(record)
    except InvalidInput as error:
        raise DataError(path, str(error), line=line) from None
