"""CSV files: their separator, what their columns are called, and their rows as records."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from edge_rerank.errors import DataError
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.lines import Line, TextFile
from edge_rerank.formats.members import Members, Vocabulary, members_of, not_called_user

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "::": "double colons"}
TABLES = (".csv", ".tsv", ".txt", ".dat")
"""Endings of the names of tables, gzipped or not."""

NUMBERS = ("dwell_s", "scroll", "value", "popularity", "score")
"""Members that hold a number of any size."""

_NEVER_LEFT_OUT = frozenset({"user", "timestamp"})

_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+")
"""A number with a decimal comma; "1,234" may be one of thousands, see :func:`_decimal_comma`."""

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_EVEN = 0.9
"""Share of the first rows that have as many columns as most, in a file without a header."""

Record = tuple[int, Mapping[str, Any] | str]
"""A line number with the record, or with the reason why there is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """How a CSV file is laid out.

    Attributes:
        separator: of the columns.
        columns: how many there are.
        places: of ours among them, several where a text is made of several.
        head: lines before the first row.
        decimal_comma: whether numbers are written as "1.234,5".
        numbers: our names of the columns that hold them.
    """

    separator: str
    columns: int
    places: Mapping[str, tuple[int, ...]]
    head: int
    decimal_comma: bool = False
    numbers: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: TextFile, vocabulary: Vocabulary, layout: FileLayout, required: str) -> Table:
        """Find the separator that gives the columns, and what these are called.

        Args:
            text: the file.
            vocabulary: what names may mean.
            layout: what somebody said of it.
            required: our name without which there is no use in it.

        Raises:
            DataError: when a column is missing, or one looks like a person's identifier and
                nothing says whose the rows are.
        """
        first = next(text.lines(), None)
        if first is not None and first.fault is not None:
            raise DataError(text.path, first.fault, line=first.number)
        lines = text.beginning()
        head = next((number for number, line in enumerate(lines) if line.strip()), 0)
        # The first line of spreadsheets may name the separator: "sep=;".
        head += int(bool(lines) and re.fullmatch(r'"?sep=.?"?', lines[head], re.I) is not None)
        if layout.numbered:
            table = _without_header(lines, layout, head)
        else:
            header = lines[head] if len(lines) > head else ""
            table = _by_header(text, header, vocabulary, layout, head + 1)
        if table is None or required not in table.places:
            wanted = f"a header with a column named '{required}'"
            if layout.numbered:
                wanted = f"rows with a column for '{required}', separated alike"
            also = "; or --type for all events alike" if required == "type" else ""
            reason = f"expected {wanted}, or one mapped to it{also}"
            raise DataError(text.path, reason, line=head + 1)
        numbers = tuple(name for name in NUMBERS if name in table.places)
        comma = _decimal_comma(cell for name in numbers for cell in table.cells(lines, name))
        return replace(table, decimal_comma=comma, numbers=numbers)

    def rows(self, lines: Sequence[str]) -> Iterator[list[str]]:
        """The first rows, to look at; none after one that cannot be read."""
        try:
            yield from _reader([f"{line}\n" for line in lines[self.head :]], self.separator)
        except csv.Error:
            return

    def cells(self, lines: Sequence[str], name: str) -> list[str]:
        """What stands in a column of the first rows, empty cells left out."""
        places = self.places.get(name, ())
        return [
            cell
            for row in self.rows(lines)
            for place in places
            for cell in row[place : place + 1]
            if cell.strip()
        ]

    def records(self, lines: Iterator[Line]) -> Iterator[Record]:
        """Each row in the shape of a JSON record."""
        feed = _Feed(islice(lines, self.head, None))
        reader = _reader(feed, self.separator)
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
                yield feed.number, self._record(row)

    def _record(self, row: Sequence[str]) -> dict[str, Any]:
        """A row by our names; an empty cell is an absent field.

        But not where it would say "now" or stand for the person whose log it is.
        """
        record: dict[str, Any] = {}
        for name, places in self.places.items():
            cell = row[places[0]]
            if len(places) > 1 or name == "categories":
                record[name] = joined(name, [row[place] for place in places])
            elif cell and not cell.isspace():
                record[name] = cell
            elif name in _NEVER_LEFT_OUT:
                record[name] = None
        for name in self.numbers:
            if name in record:
                record[name] = self._number(record[name])
        if "position" in record and str(record["position"]).strip().isdecimal():
            record["position"] = int(record["position"])
        return record

    def _number(self, cell: str) -> float | str:
        plain = cell.strip()
        if self.decimal_comma:
            plain = plain.replace(".", "").replace(",", ".") if "," in plain else plain
        elif _THOUSANDS.fullmatch(plain) and "." in plain:
            plain = plain.replace(",", "")
        try:
            return float(plain)
        except ValueError:
            return cell  # the Event's own check then says what is wrong with it


def ending_of(path: Path) -> str:
    """What the name of a file ends with, gzipped or not, as ".csv"."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name."""
    return ending_of(path) in TABLES


def split_categories(cell: str) -> list[str]:
    """Categories that stand in one cell, from general to specific: "Home|Lamps", "Home > Lamps"."""
    sign = "|" if "|" in cell else " > "
    return [name.strip() for name in cell.split(sign) if name.strip()]


def joined(ours: str, values: Iterable[object]) -> object:
    """One value of those of several columns: a text line by line, categories as one list.

    What is neither text nor a list is handed on for the item's own check.
    """
    known = [value for value in values if value is not None and value != ""]
    if ours != "categories":
        one_text = len(known) > 1 and all(isinstance(value, str) for value in known)
        return "\n".join(map(str, known)) if one_text else next(iter(known), None)
    names: list[object] = []
    for value in known:
        if not isinstance(value, str | list):
            return value
        names += split_categories(value) if isinstance(value, str) else value
    return names


def _by_header(
    text: TextFile,
    header: str,
    vocabulary: Vocabulary,
    layout: FileLayout,
    head: int,
) -> Table:
    """The table in the separator that gives most of the columns that are known."""
    best: tuple[str, list[str], Members] | None = None
    for separator in SEPARATORS:
        try:
            names = next(_reader([header], separator), [])
        except csv.Error as error:
            reason = f"the CSV header cannot be read: {error}"
            raise DataError(text.path, reason, line=head) from None
        members = members_of(tuple(names), vocabulary, layout.named)
        if best is None or len(members.theirs) > len(best[2].theirs):
            best = separator, names, members
    assert best is not None  # noqa: S101 - there are separators
    separator, names, members = best
    if members.missing:
        ours = ", ".join(members.missing)
        reason = f"the header has {len(names)} columns, none called as was said of {ours}"
        raise DataError(text.path, reason, line=head)
    if members.suspect is not None:
        raise DataError(text.path, not_called_user("column", members.suspect), line=head)
    for ours, theirs in members.theirs.items():
        if any(names.count(name) > 1 for name in theirs):
            raise DataError(text.path, f"expected one column for '{ours}', got several", line=head)
    places = {
        ours: tuple(names.index(name) for name in theirs) for ours, theirs in members.theirs.items()
    }
    return Table(separator, len(names), places, head)


def _without_header(lines: Sequence[str], layout: FileLayout, head: int) -> Table | None:
    """The table in the separator that cuts the first rows into as many columns each, and enough."""
    places = {
        ours: tuple(_place(name) for name in theirs) for ours, theirs in layout.named if theirs
    }
    least = max((place for found in places.values() for place in found), default=0) + 1
    best: Table | None = None
    for separator in SEPARATORS:
        table = Table(separator, 0, places, head)
        counts = [len(row) for row in table.rows(lines) if row]
        usual = max(set(counts), key=counts.count, default=0)
        if usual < least or counts.count(usual) < _EVEN * len(counts):
            continue
        if best is None or usual > best.columns:
            best = replace(table, columns=usual)
    return best


def _place(name: str) -> int:
    """The column that "#1" means, from 0 on; far off the table where it means none."""
    digits = name.removeprefix("#")
    return int(digits) - 1 if digits.isdecimal() and 0 < int(digits) < 10_000 else 10_000


def _decimal_comma(cells: Iterable[str]) -> bool:
    """Whether numbers have a decimal comma: one that cannot stand before thousands tells."""
    return any(
        _COMMA.fullmatch(cell.strip()) and not _THOUSANDS.fullmatch(cell.strip()) for cell in cells
    )


def _reader(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Rows of cells; the csv module knows separators of one character alone."""
    if len(separator) == 1:
        return csv.reader(lines, delimiter=separator)
    return csv.reader((line.replace(separator, _UNIT) for line in lines), delimiter=_UNIT)


_UNIT = "\x1f"
"""ASCII's own separator of units, which no text has."""


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
