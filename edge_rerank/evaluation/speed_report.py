"""What ``bench`` says: figures against their bounds, and what they were measured on."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass

BUSY_SHARE = 0.9
"""Of the processor time asked for; with less, a figure may be a tenth too long and more."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value against its bound.

    Attributes:
        name: what was measured.
        value: the median of the time that passes, or the memory, in ``unit``.
        unit: "ms", "s" or "MiB".
        bound: the most that ``value`` may be.
        processor: processor time of all threads of the process, in ``unit``: the 10 % quantile,
            for other programs only ever make it more; ``None`` for memory.
        loaded: like ``value``, beside a neighbour that burns every core; ``None`` where that
            was not run.
    """

    name: str
    value: float
    unit: str
    bound: float
    processor: float | None = None
    loaded: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the value is within its bound."""
        return self.value <= self.bound

    @property
    def longer(self) -> float | None:
        """How many times as long it takes beside the neighbour; ``None`` where not run."""
        return None if self.loaded is None else self.loaded / max(self.value, 1e-9)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All figures of one run, and what it ran on.

    Attributes:
        threads: that compute at once in one call.
        providers: what the models ran on.
        figures: what was measured.
        share: the least share of the processor that this process got when it asked for its
            threads' worth, 0 to 1; the neighbour of a loaded run does not count.
    """

    threads: int
    providers: tuple[str, ...]
    figures: tuple[Figure, ...]
    share: float = 1.0

    @property
    def busy(self) -> bool:
        """Whether other work took so much that a missed bound says nothing."""
        return self.share < BUSY_SHARE

    @property
    def missed(self) -> bool:
        """Whether a bound was missed on a machine that was not busy, without the neighbour."""
        return not self.busy and not all(figure.ok for figure in self.figures)

    @property
    def longer(self) -> float | None:
        """How many times as long a call takes beside the neighbour, the median of the figures.

        ``None`` where that was not run.
        """
        times = [figure.longer for figure in self.figures if figure.longer is not None]
        return statistics.median(times) if times else None

    def to_json(self, *, indent: int | None = 2) -> str:
        """All of it.

        ``{"threads", "providers", "share", "busy", "longer", "figures": [{"name", "value",
        "unit", "bound", "processor", "loaded", "ok"}]}``; what was not measured is null.
        """
        figures = [{**asdict(figure), "ok": figure.ok} for figure in self.figures]
        report = {**asdict(self), "busy": self.busy, "longer": self.longer, "figures": figures}
        return json.dumps(report, indent=indent)
