"""Progress callbacks: they are told how far a long piece of work has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total); total is 0 where it is not known."""

StepProgress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total), for work of several steps."""
