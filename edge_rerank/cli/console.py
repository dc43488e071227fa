"""Console output of the commands: text, tables and progress, with rich where it is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from edge_rerank._progress import told_by_time
from edge_rerank.render.texttable import MIN_FLEXIBLE_WIDTH, Column, one_line, text_table

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress
    from rich.text import Text

HAS_RICH = importlib.util.find_spec("rich") is not None
"""Whether the extra is installed; it is imported when the first thing is drawn with it."""

MIN_WIDTH = 40
MAX_WIDTH = 120
_WIDTH_IN_PIPES = 100
_REDRAW_S = 0.1

_ASCII = str.maketrans(
    {
        "▲": "+",
        "▼": "-",
        "✓": "ok",
        "✗": "!!",
        "…": "...",
        "›": ">",
        "“": '"',
        "”": '"',
        "≥": ">=",
        "≤": "<=",
    }
)
"""What stands in for the signs we use where the terminal's encoding lacks them."""
_STYLES = {"▲": "green", "▼": "red", "✓": "green", "✗": "bold red"}

Report = Callable[[int, int], None]
"""Called with (done, total); a total of 0 means that it is not known."""


class Console:
    """Writes to a terminal, a pipe or a file alike.

    Args:
        out: where results go.
        err: where complaints and progress go.
        use_rich: whether tables and progress bars are drawn by rich.
    """

    def __init__(self, out: TextIO, err: TextIO, *, use_rich: bool = HAS_RICH) -> None:
        self._out = out
        self._err = err
        self._use_rich = use_rich
        self._unicode = _can_encode(out)
        columns = shutil.get_terminal_size((_WIDTH_IN_PIPES, 24)).columns
        self.width = min(max(columns, MIN_WIDTH), MAX_WIDTH)

    @classmethod
    def of_process(cls) -> Console:
        """The console of standard output and standard error.

        What an encoding lacks is replaced: an odd title must not end the command.
        """
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")
        return cls(sys.stdout, sys.stderr)

    def say(self, text: str = "") -> None:
        """Write one paragraph as it is."""
        print(self._plain(text), file=self._out)

    def flush(self) -> None:
        """See that a reader at the other end of a pipe has what was written."""
        self._out.flush()

    def heading(self, text: str) -> None:
        """Write a line that stands out."""
        if self._use_rich:
            self._rich(self._out).print(self._plain(text), style="bold", markup=False)
        else:
            self.say(text)

    def complain(self, text: str) -> None:
        """Write one line to standard error."""
        print(one_line(text), file=self._err)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Write a table that fits the terminal."""
        if not (self._use_rich and self._unicode):
            plain = [[self._plain(cell) for cell in row] for row in rows]
            self.say(f"\n{text_table(columns, plain, width=self.width)}\n")
            return
        from rich import box  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        for column in columns:
            table.add_column(
                column.heading,
                justify="right" if column.right else "left",
                no_wrap=not column.flexible,
                min_width=MIN_FLEXIBLE_WIDTH if column.flexible else None,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(self._cell(cell) for cell in row))
        self.say()
        self._rich(self._out).print(table)
        self.say()

    @contextmanager
    def progress(self, label: str) -> Iterator[Report]:
        """A bar on standard error while the block runs; a line every 30 s where it is a file."""
        if not self._err.isatty():
            with told_by_time(self.complain, label) as report:
                yield report
        elif self._use_rich:
            with self._rich_progress() as bar:
                task = bar.add_task(label, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total or None)
        else:
            yield _PlainProgress(self._err, label)
            print("\r\x1b[K", end="", file=self._err, flush=True)

    def _plain(self, text: str) -> str:
        return text if self._unicode else text.translate(_ASCII)

    def _cell(self, cell: str) -> Text:
        from rich.text import Text  # noqa: PLC0415

        text = one_line(cell)
        style = next((style for sign, style in _STYLES.items() if text.startswith(sign)), "")
        return Text(text, style=style)

    def _rich(self, stream: TextIO) -> RichConsole:
        from rich.console import Console as RichConsole  # noqa: PLC0415

        no_color = "NO_COLOR" in os.environ or None
        return RichConsole(file=stream, width=self.width, highlight=False, no_color=no_color)

    def _rich_progress(self) -> Progress:
        from rich import progress  # noqa: PLC0415

        return progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            console=self._rich(self._err),
            transient=True,
        )


class _PlainProgress:
    """A counter on one line, redrawn at most ten times a second."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self._stream = stream
        self._label = label
        self._drawn = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_S or done == total:
            self._drawn = now
            of = f"/{total}" if total else ""
            print(f"\r{self._label} {done}{of}", end="", file=self._stream, flush=True)


def _can_encode(stream: TextIO) -> bool:
    try:
        "".join(map(chr, _ASCII)).encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
