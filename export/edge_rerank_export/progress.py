"""Progress of long steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from edge_rerank._progress import told_by_time

Update = Callable[[int, int], None]
"""Called with (done, total)."""


class Steps(Protocol):
    """Announces steps; each yields the function that is told how far the step is."""

    def __call__(self, name: str) -> AbstractContextManager[Update]:
        """Begin the step called ``name``."""
        ...


def silent(name: str) -> AbstractContextManager[Update]:  # noqa: ARG001 - see Steps
    """Say nothing."""
    return nullcontext(lambda _done, _total: None)


def on_console(console: Console) -> Steps:
    """Bars on a terminal; anywhere else a line for each step, and one every 30 s of it."""

    @contextmanager
    def plain(name: str) -> Iterator[Update]:
        def say(text: str) -> None:
            console.print(text, highlight=False, soft_wrap=True)

        say(f"{name} ...")
        with told_by_time(say, name) as update:
            yield update

    @contextmanager
    def bar(name: str) -> Iterator[Update]:
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as display:
            task = display.add_task(name, total=None)
            yield lambda done, total: display.update(task, completed=done, total=total)
            total = display.tasks[0].total or 1
            display.update(task, completed=total, total=total)

    return bar if console.is_terminal else plain
