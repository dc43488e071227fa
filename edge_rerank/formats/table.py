"""CSV files: their separator, what their columns are called, and their rows as records."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from edge_rerank.errors import DataError
from edge_rerank.formats.lines import Line, TextFile
from edge_rerank.formats.members import members_of, not_called_user

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
NUMBERS = ("dwell_s", "scroll", "value")
"""Members that hold a number of any size."""

_NEVER_LEFT_OUT = frozenset({"user", "timestamp"})

Record = tuple[int, Mapping[str, Any] | str]
"""A line number with the record, or with the reason why there is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """How a CSV file is laid out.

    Attributes:
        separator: of the columns.
        columns: how many there are.
        places: of ours among them.
        head: lines before the first row.
    """

    separator: str
    columns: int
    places: Mapping[str, int]
    head: int

    @classmethod
    def of(cls, text: TextFile) -> Self:
        """Read the header, in whichever separator gives it a column named "type".

        Raises:
            DataError: when there is none.
        """
        lines = text.sample.lstrip("\ufeff").splitlines()
        # The first line of spreadsheets may name the separator: "sep=;".
        head = 2 if lines and re.fullmatch(r'"?sep=.?"?', lines[0], re.IGNORECASE) else 1
        header = lines[head - 1] if len(lines) >= head else ""
        for separator in SEPARATORS:
            try:
                names = next(csv.reader([header], delimiter=separator), [])
            except csv.Error as error:
                reason = f"the CSV header cannot be read: {error}"
                raise DataError(text.path, reason, line=head) from None
            members = members_of(tuple(names))
            if "type" not in members.theirs:
                continue
            if members.suspect is not None:
                reason = not_called_user("column", members.suspect)
                raise DataError(text.path, reason, line=head)
            places = {ours: names.index(theirs) for ours, theirs in members.theirs.items()}
            return cls(separator, len(names), places, head)
        raise DataError(text.path, "expected a header with a column named 'type'", line=head)

    def records(self, lines: Iterator[Line]) -> Iterator[Record]:
        """Each row in the shape of a JSON record."""
        feed = _Feed(islice(lines, self.head, None))
        reader = csv.reader(feed, delimiter=self.separator)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                yield from feed.faults()
                return
            except csv.Error as error:
                yield feed.number, f"not CSV: {error}"
                continue
            yield from feed.faults()
            if row and len(row) != self.columns:
                yield feed.number, f"expected {self.columns} columns, got another number"
            elif row:
                yield (
                    feed.number,
                    _csv_record({name: row[place] for name, place in self.places.items()}),
                )


class _Feed:
    """Lines for the CSV reader, which asks for more while a cell is open; faulty ones left out.

    Attributes:
        number: of the line that was read last.
    """

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._faults: list[Record] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        while line.fault is not None:
            self._faults.append((line.number, line.fault))
            line = next(self._lines)
        self.number = line.number
        return line.text.replace("\0", "\ufffd") + "\n"

    def faults(self) -> Iterator[Record]:
        """The faulty lines since the last call."""
        yield from self._faults
        self._faults.clear()


def _csv_record(row: Mapping[str, str]) -> dict[str, Any]:
    """Give a CSV row the shape of a JSON record; an empty cell is an absent field.

    But not where it would say "now" or stand for the person whose log it is.
    """
    record: dict[str, Any] = {
        name: cell if cell.strip() else None
        for name, cell in row.items()
        if cell.strip() or name in _NEVER_LEFT_OUT
    }
    for name in NUMBERS:
        if name in record:
            record[name] = _number_or_text(record[name])
    if "position" in record and str(record["position"]).strip().isdecimal():
        record["position"] = int(record["position"])
    if "item" in record:
        categories = record.get("categories", "")
        record["item"] = {
            "id": record["item"],
            "text": record.get("text", ""),
            "categories": [name for name in categories.split("|") if name],
        }
    return record


def _number_or_text(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell  # the Event's own check then says what is wrong with it
