from __future__ import annotations

import io
import re

import pytest

from edge_rerank.cli.console import HAS_RICH, Console
from edge_rerank.render.texttable import Column

COLUMNS = (Column("#", right=True), Column("item", flexible=True))
ROWS = [("1", "[bold]Tea[/bold]\x1b[2J"), ("▲ 2", "大数据与城市规划 " * 9)]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="replace")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode(self.encoding)


WITH_AND_WITHOUT = pytest.mark.parametrize("use_rich", [False, True] if HAS_RICH else [False])


@WITH_AND_WITHOUT
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_items_cannot_style_or_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, use_rich: bool, encoding: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal(encoding)
    console = Console(out, Terminal(), use_rich=use_rich)
    console.table(COLUMNS, ROWS)
    console.say("… ▲")
    text = out.text()
    assert "[bold]Tea[/bold]" in text
    assert "\x1b[2J" not in text
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text)  # no colour
    assert ("▲ 2" if encoding == "utf-8" else "+ 2") in text
    assert text.rstrip().endswith("… ▲" if encoding == "utf-8" else "... +")


@pytest.mark.skipif(not HAS_RICH, reason="rich is not installed")
def test_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    Console(out, Terminal(), use_rich=True).table(COLUMNS, ROWS)
    assert "\x1b[32m▲ 2" in out.text()


@WITH_AND_WITHOUT
def test_progress_only_on_a_terminal(use_rich: bool) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for err in (terminal, pipe):
        with Console(io.StringIO(), err, use_rich=use_rich).progress("items") as report:
            for done in range(1, 4):
                report(done, 3)
            report(4, 0)
    assert "items" in terminal.text()
    assert pipe.getvalue() == ""


@WITH_AND_WITHOUT
def test_headings(use_rich: bool) -> None:
    out = io.StringIO()
    Console(out, io.StringIO(), use_rich=use_rich).heading("What [red]Robin[/red] did")
    assert out.getvalue() == "What [red]Robin[/red] did\n"
