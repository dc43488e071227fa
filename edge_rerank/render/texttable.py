"""Tables of plain text that fit a terminal, whatever the text: wide characters, control codes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

MIN_FLEXIBLE_WIDTH = 8
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading and how it behaves.

    Attributes:
        heading: what stands above it.
        right: whether the cells are aligned to the right, as numbers are.
        flexible: whether the column gives way where the terminal is narrow.
    """

    heading: str
    right: bool = False
    flexible: bool = False


def one_line(text: str) -> str:
    """``text`` without line breaks and without anything a terminal would obey."""
    if text.isprintable():  # as most texts are, and some are whole articles
        return " ".join(text.split())
    visible = (
        " "
        if character.isspace()
        else ""
        if unicodedata.category(character)[0] == "C"
        else character
        for character in text
    )
    return " ".join("".join(visible).split())


def display_width(text: str) -> int:
    """Terminal cells that ``text`` takes: two for East Asian wide characters, none for marks."""
    return sum(_cells(character) for character in text)


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` ≥ 1 cells, with an ellipsis where something was cut off."""
    if display_width(text) <= width:
        return text
    return _prefix(text, width - 1).rstrip() + "…"


def wrap(text: str, width: int, *, lines: int) -> list[str]:
    """``text`` in at most ``lines`` ≥ 1 lines of ``width`` ≥ 2 cells, broken between words.

    What does not fit the last line is cut off there.
    """
    wrapped: list[str] = []
    rest = text
    while len(wrapped) < lines - 1 and display_width(rest) > width:
        head = _prefix(rest, width)
        if rest[len(head)] != " " and " " in head:
            head = head[: head.rindex(" ")]
        wrapped.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return [*wrapped, shorten(rest, width)]


def text_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    width: int = 80,
    lines: int = 3,
) -> str:
    """Headings, a rule and the rows.

    Args:
        columns: at least one.
        rows: a cell for each column.
        width: cells of the terminal; flexible columns give way to fit it.
        lines: how many lines a row may take before its cells are cut.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    headings = [column.heading for column in columns]
    widths = [max(map(display_width, entries)) for entries in zip(headings, *cells, strict=True)]
    _give_way(widths, columns, width)
    rule = ["-" * room for room in widths]
    table = [_row(headings, widths, columns, 1), _GAP.join(rule)]
    return "\n".join([*table, *(_row(row, widths, columns, lines) for row in cells)])


def _row(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column], lines: int) -> str:
    wrapped = [wrap(cell, room, lines=lines) for cell, room in zip(cells, widths, strict=True)]
    return "\n".join(
        _GAP.join(
            _pad(cell, room, right=column.right)
            for cell, room, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in zip_longest(*wrapped, fillvalue="")
    )


def _give_way(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Take what is too much from the widest flexible column, cell by cell."""
    flexible = [place for place, column in enumerate(columns) if column.flexible]
    surplus = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while surplus > 0 and flexible:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= MIN_FLEXIBLE_WIDTH:
            return
        widths[widest] -= 1
        surplus -= 1


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def _prefix(text: str, width: int) -> str:
    used = 0
    for place, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:place]
    return text


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
