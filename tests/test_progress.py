from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console as RichConsole

from edge_rerank import _progress
from edge_rerank._progress import _line, told_by_time
from edge_rerank.cli.console import Console


class Lines:
    """Keeps lines, and says when there are enough."""

    def __init__(self, enough: int) -> None:
        self.lines: list[str] = []
        self.enough = threading.Event()
        self._wanted = enough

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        if len(self.lines) >= self._wanted:
            self.enough.set()


def test_lines_come_by_the_clock_whether_or_not_the_work_reports() -> None:
    lines = Lines(2)
    with told_by_time(lines, "train", every_s=0.01) as update:
        assert lines.enough.wait(30)
        update(3, 12)
        lines.enough.clear()
        assert lines.enough.wait(30)
        lines.enough.clear()
        assert lines.enough.wait(30)
    told = len(lines.lines)
    assert lines.lines[0] == "train: at work for 0 s"
    assert lines.lines[-1].startswith("train: 3 of 12 in 0 s, about ")
    assert not lines.enough.wait(0.05) or len(lines.lines) == told  # nothing after the end


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (0, 10, 31.0, "x: at work for 31 s"),
        (7, 0, 60.0, "x: 7 in 60 s"),
        (250, 1000, 600.0, "x: 250 of 1000 in 10 min, about 30 min left"),
        (1000, 1000, 600.0, "x: 1000 of 1000 in 10 min"),
    ],
)
def test_what_a_line_says(done: int, total: int, seconds: float, line: str) -> None:
    assert _line("x", done, total, seconds) == line


def test_both_command_lines_say_it_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    progress = pytest.importorskip("edge_rerank_export.progress")
    for module in ("edge_rerank.cli.console", "edge_rerank_export.progress"):
        monkeypatch.setattr(
            f"{module}.told_by_time",
            lambda say, label: told_by_time(say, label, every_s=0.01),
        )
    assert _progress.EVERY_S == 30
    for write in (
        lambda stream: Console(io.StringIO(), stream).progress("work"),
        lambda stream: progress.on_console(RichConsole(file=stream))("work"),
    ):
        stream = Signalling()
        with write(stream) as update:
            update(1, 2)
            assert stream.told.wait(30)
        assert "work: 1 of 2 in 0 s, about 0 s left\n" in stream.getvalue()


class Signalling(io.StringIO):
    """A file that says when a line of progress is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if "1 of 2" in self.getvalue() and self.getvalue().endswith("\n"):
            self.told.set()
        return written
