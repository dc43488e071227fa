"""Tables of plain text that fit a terminal, whatever the text: wide characters, control codes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

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
    kept, used = [], 0
    for character in text:
        used += _cells(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def text_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int = 80) -> str:
    """Headings, a rule and the rows; cells of flexible columns are cut to fit ``width`` cells."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    table = [[column.heading for column in columns], *cells]
    widths = [max(map(display_width, entries)) for entries in zip(*table, strict=True)]
    _give_way(widths, columns, width)
    lines = [
        _GAP.join(
            _pad(shorten(cell, room), room, right=column.right)
            for cell, room, column in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in table
    ]
    lines.insert(1, _GAP.join("-" * room for room in widths))
    return "\n".join(lines)


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


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
