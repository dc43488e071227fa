from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.render.texttable import (
    Column,
    display_width,
    one_line,
    shorten,
    text_table,
    wrap,
)

COLUMNS = (Column("#", right=True), Column("item", flexible=True), Column("why", flexible=True))


def test_a_table() -> None:
    table = text_table(COLUMNS, [("1", "Bread", "popular"), ("12", "Mars", "")])
    assert table.splitlines() == [
        " #  item   why",
        "--  -----  -------",
        " 1  Bread  popular",
        "12  Mars",
    ]


def test_flexible_columns_give_way() -> None:
    table = text_table(COLUMNS, [("1", "a" * 50, "b" * 20)], width=40)
    assert max(map(len, table.splitlines())) <= 40
    assert table.splitlines()[2].startswith("1  aaaa")
    assert table.count("a") == 50
    cut = text_table(COLUMNS, [("1", "a" * 50, "b" * 20)], width=40, lines=1)
    assert len(cut.splitlines()) == 3
    assert "…" in cut


def test_cells_wrap_between_words() -> None:
    table = text_table(COLUMNS[:2], [("1", "bread and butter"), ("2", "tea")], width=12)
    assert table.splitlines()[2:] == ["1  bread and", "   butter", "2  tea"]


def test_wide_characters_take_two_cells() -> None:
    assert display_width("大数据") == 6
    assert display_width("e\u0301") == 1
    rows = text_table(COLUMNS[:2], [("1", "大数据"), ("2", "abcdef")]).splitlines()
    assert {display_width(row) for row in rows[1:]} == {9}


def test_no_rows() -> None:
    assert text_table(COLUMNS, []).splitlines() == ["#  item  why", "-  ----  ---"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand  more", "two lines and more"),
        ("\x1b[31mred\x07", "[31mred"),
        ("a\u202eb\ufeff", "ab"),
        ("half \ud800", "half"),
        ("", ""),
    ],
)
def test_nothing_that_a_terminal_obeys(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text(), st.integers(1, 30))
def test_shorten_keeps_within_the_width(text: str, width: int) -> None:
    line = one_line(text)
    short = shorten(line, width)
    assert display_width(short) <= max(width, 1)
    if display_width(line) <= width:
        assert short == line


@given(st.text(alphabet="ab 大\u0301", max_size=60), st.integers(2, 12), st.integers(1, 4))
def test_wrap_loses_nothing_but_what_is_cut(text: str, width: int, lines: int) -> None:
    line = one_line(text)
    wrapped = wrap(line, width, lines=lines)
    assert 1 <= len(wrapped) <= lines
    assert all(display_width(one) <= width for one in wrapped)
    if not wrapped[-1].endswith("…"):
        assert "".join(wrapped).replace(" ", "") == line.replace(" ", "")
