"""Plots as inline SVG, in the colours of the page around them.

All are 360 units wide: on a phone one fills the screen, on a desktop two stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from edge_rerank._resampling import Interval
from edge_rerank.evaluation.calibration import ReliabilityBin

WIDTH = 360
_ROW = 24
_LABELS = 132
"""Units kept for the names at the left."""

_VALUES = 38
"""Units kept for the numbers at the right."""

_GAP = 13
"""Least distance of two lines of text."""

_LABEL_GAP = 26
"""Least distance of two numbers below an axis, from middle to middle."""

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Between the levels of an axis for what lies between 0 and 1."""

_MOST_STEPS = 5

STYLE = """
svg { display: block; width: 100%; height: auto; max-width: 30rem; margin: .5rem auto; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  fill: var(--ink); }
svg .s { font-size: 11px; fill: var(--dim); }
svg .e { text-anchor: end; } svg .m { text-anchor: middle; } svg .b { font-weight: 600; }
svg .axis { stroke: var(--line); } svg .zero { stroke: var(--dim); }
svg .rule { stroke: var(--dim); stroke-dasharray: 3 3; }
svg .bar { fill: var(--quiet); } svg .bar.own { fill: var(--accent); }
svg .dot { fill: var(--quiet); } svg .dot.own { fill: var(--accent); }
svg .dot.good { fill: var(--good); } svg .dot.bad { fill: var(--bad); }
svg .span { stroke: var(--ink); stroke-width: 1.5; }
svg .path { fill: none; stroke: var(--accent); stroke-width: 1.5; }
svg .path.quiet { stroke: var(--quiet); }
svg .band { fill: var(--quiet); opacity: .3; } svg .band.own { fill: var(--accent); opacity: .2; }
svg .leader { stroke: var(--quiet); stroke-width: .75; }
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of a plot.

    Attributes:
        name: what stands at the left.
        value: where its bar ends or its dot lies.
        interval: around the value, if there is one.
        kind: "own" for the pack, "good" or "bad" for a difference that holds, else "".
    """

    name: str
    value: float
    interval: Interval | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a scatter plot."""

    name: str
    x: float
    y: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve and its band.

    Attributes:
        name: stands at its right end.
        x: ascending, at least one.
        y: one for each of them.
        intervals: around these.
        kind: "own" for the pack, else "".
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    intervals: tuple[Interval, ...]
    kind: str = ""


def bars(title: str, marks: Sequence[Mark]) -> str:
    """Horizontal bars from 0 with intervals, in the order given."""
    top = _nice(max([*(one.value for one in marks), *_ends(marks), 1e-9]))
    left, right = _LABELS, WIDTH - _VALUES
    scale = (right - left) / top
    drawn = []
    for row, one in enumerate(marks):
        y = float(row * _ROW)
        width = max(one.value, 0) * scale
        drawn.append(
            _name(one, y)
            + f'<rect class="bar {one.kind}" x="{left}" y="{y + 5}" width="{width:.1f}" '
            f'height="14" rx="2"/>'
            + _span(one.interval, y + 12, lambda value: left + value * scale)
            + f'<text class="e" x="{WIDTH}" y="{y + 16}">{one.value:.3f}</text>'
        )
    height = len(marks) * _ROW
    axis = _line("axis", left, 0, left, height)
    return _svg(title, height + 2, axis + "".join(drawn))


def differences(title: str, marks: Sequence[Mark], *, beside: Sequence[Mark] = ()) -> str:
    """Dots with intervals around a line at zero, in the order given.

    Args:
        title: what is drawn.
        marks: the dots.
        beside: those of other plots, for an axis that is as long as theirs.
    """
    every = [*marks, *beside]
    low = min([0.0, *_ends(every), *(one.value for one in every)])
    high = max([0.0, *_ends(every), *(one.value for one in every)])
    left, right = _LABELS + 6, WIDTH - _VALUES - 14
    scale = (right - left) / max(high - low, 1e-9)

    def place(value: float) -> float:
        return left + (value - low) * scale

    drawn = []
    for row, one in enumerate(marks):
        y = float(row * _ROW)
        drawn.append(
            _name(one, y)
            + _span(one.interval, y + 12, place)
            + f'<circle class="dot {one.kind}" cx="{place(one.value):.1f}" cy="{y + 12}" r="4.5"/>'
            f'<text class="e" x="{WIDTH}" y="{y + 16}">{one.value:+.3f}</text>'
        )
    height = len(marks) * _ROW
    zero = _line("zero", place(0), 0, place(0), height)
    label = f'<text class="s m" x="{place(0):.1f}" y="{height + 14}">no difference</text>'
    return _svg(title, height + 20, zero + label + "".join(drawn))


def reliability(title: str, bins: Sequence[ReliabilityBin]) -> str:
    """Predicted against observed share of clicks; on the dashed line they agree."""
    top = _nice(max([*(one.predicted for one in bins), *(one.observed for one in bins), 1e-9]))
    left, upper, side = 44.0, 8.0, 270.0
    scale = side / top

    def at(one: ReliabilityBin) -> tuple[float, float]:
        return left + one.predicted * scale, upper + side - one.observed * scale

    ticks = ""
    for part in range(5):
        value = top * part / 4
        x, y = left + value * scale, upper + side - value * scale
        ticks += (
            _line("axis", left, y, left + side, y)
            + f'<text class="s e" x="{left - 6}" y="{y + 4:.1f}">{value:.3g}</text>'
            f'<text class="s m" x="{x:.1f}" y="{upper + side + 16}">{value:.3g}</text>'
        )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, bins))
    dots = "".join(
        f'<circle class="dot own" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in map(at, bins)
    )
    words = (
        f'<text class="s m" x="{left + side / 2}" y="{upper + side + 34}">'
        "predicted probability of a click</text>"
        f'<text class="s m" transform="translate(10 {upper + side / 2}) rotate(-90)">'
        "share that was clicked</text>"
    )
    diagonal = _line("rule", left, upper + side, left + side, upper)
    return _svg(
        title,
        upper + side + 40,
        f'{ticks}{diagonal}<polyline class="path" points="{path}"/>{dots}{words}',
    )


def scatter(title: str, points: Sequence[Point]) -> str:
    """Milliseconds, on a logarithmic axis, against NDCG@10."""
    left, right, upper, lower = 40.0, 244.0, 10.0, 250.0
    decades = [math.log10(max(one.x, 1e-4)) for one in points]
    first, last = math.floor(min(decades)), math.ceil(max(decades) + 1e-9)
    levels = _levels([one.y for one in points])
    low, high = levels[0], levels[-1]

    def x_of(decade: float) -> float:
        return left + (right - left) * (decade - first) / max(last - first, 1)

    def y_of(value: float) -> float:
        return lower - (lower - upper) * (value - low) / (high - low)

    grid = ""
    for decade in range(first, last + 1):
        tick = x_of(decade)
        grid += _line("axis", tick, upper, tick, lower)
        grid += f'<text class="s m" x="{tick:.1f}" y="{lower + 16}">{10.0**decade:g}</text>'
    for value in levels:
        grid += _line("axis", left, y_of(value), right, y_of(value))
        grid += f'<text class="s e" x="{left - 6}" y="{y_of(value) + 4:.1f}">{value:.2f}</text>'
    drawn = ""
    floor = 0.0
    ranked = sorted(zip(points, decades, strict=True), key=lambda pair: -pair[0].y)
    for one, at in ranked:
        x, y = x_of(at), y_of(one.y)
        floor = max(y + 4, floor + _GAP)
        weight = " b" if one.kind == "own" else ""
        drawn += (
            _line("leader", x, y, right + 8, floor - 4)
            + f'<circle class="dot {one.kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
            f'<text class="s{weight}" x="{right + 11}" y="{floor:.1f}">{escape(one.name)}</text>'
        )
    words = (
        f'<text class="s m" x="{(left + right) / 2}" y="{lower + 34}">'
        "milliseconds a request (median)</text>"
    )
    return _svg(title, max(lower + 40, floor + 6), grid + drawn + words)


def curves(title: str, lines: Sequence[Line], across: str) -> str:
    """Curves with bands, at least one.

    Args:
        title: what is drawn.
        lines: all of them.
        across: what the horizontal axis counts.
    """
    left, right, upper, lower = 40.0, 272.0, 10.0, 210.0
    ends = [end for one in lines for interval in one.intervals for end in interval]
    every = [*ends, *(y for one in lines for y in one.y)]
    levels = _levels(every)
    low, high = levels[0], levels[-1]
    first, last = min(one.x[0] for one in lines), max(one.x[-1] for one in lines)

    def at(x: float, y: float) -> tuple[float, float]:
        across_it = left + (right - left) * (x - first) / max(last - first, 1e-9)
        return across_it, lower - (lower - upper) * (y - low) / (high - low)

    grid = ""
    for value in levels:
        _, y = at(first, value)
        grid += _line("axis", left, y, right, y)
        grid += f'<text class="s e" x="{left - 6}" y="{y + 4:.1f}">{value:.2f}</text>'
    for value in dict.fromkeys((first, last)):
        x, _ = at(value, low)
        grid += f'<text class="s m" x="{x:.1f}" y="{lower + 16}">{value:g}</text>'
    grid += f'<text class="s m" x="{(left + right) / 2}" y="{lower + 16}">{escape(across)}</text>'
    drawn, floor = "", 0.0
    for one in sorted(lines, key=lambda one: -one.y[-1]):
        above = [at(x, end.high) for x, end in zip(one.x, one.intervals, strict=True)]
        below = [at(x, end.low) for x, end in zip(one.x, one.intervals, strict=True)]
        y = at(last, one.y[-1])[1]
        floor = max(y + 4, floor + _GAP)
        weight = " b" if one.kind == "own" else ""
        drawn += (
            f'<polygon class="band {one.kind}" points="{_points([*above, *below[::-1]])}"/>'
            f'<polyline class="path {one.kind or "quiet"}" '
            f'points="{_points([at(x, y) for x, y in zip(one.x, one.y, strict=True)])}"/>'
            f'<text class="s{weight}" x="{right + 8}" y="{floor:.1f}">{escape(one.name)}</text>'
        )
    return _svg(title, max(lower + 24, floor + 6), grid + drawn)


def growth(title: str, lines: Sequence[Line], across: str, *, logarithmic: bool = False) -> str:
    """What something costs against how much there is: curves with a dot at each measurement.

    Args:
        title: what is drawn.
        lines: all of them, at least one; they need no intervals.
        across: what the horizontal axis counts.
        logarithmic: whether both axes are, for sizes and costs above 0; else the vertical one
            begins at 0.
    """
    left, right, upper, lower = 40.0, 272.0, 10.0, 210.0
    sizes = sorted({x for one in lines for x in one.x})
    costs = [y for one in lines for y in one.y]
    ticks = _decades(costs) if logarithmic else _ticks(max(costs))
    turn = math.log10 if logarithmic else float
    (first, last), (low, high) = ((turn(ends[0]), turn(ends[-1])) for ends in (sizes, ticks))

    def at(x: float, y: float) -> tuple[float, float]:
        across_it = left + (right - left) * (turn(x) - first) / max(last - first, 1e-9)
        return across_it, lower - (lower - upper) * (turn(y) - low) / (high - low)

    grid = ""
    for value in ticks:
        _, y = at(sizes[0], value)
        grid += _line("axis", left, y, right, y)
        grid += f'<text class="s e" x="{left - 6}" y="{y + 4:.1f}">{value:g}</text>'
    before = -math.inf
    for value in sizes:
        x, _ = at(value, ticks[0])
        grid += _line("axis", x, lower, x, lower + 4)
        if x - before >= _LABEL_GAP:
            grid += f'<text class="s m" x="{x:.1f}" y="{lower + 16}">{value:,g}</text>'
            before = x
    grid += f'<text class="s m" x="{(left + right) / 2}" y="{lower + 34}">{escape(across)}</text>'
    drawn, floor = "", 0.0
    for one in sorted(lines, key=lambda one: -one.y[-1]):
        places = [at(x, y) for x, y in zip(one.x, one.y, strict=True)]
        end, height = places[-1]
        floor = max(height + 4, floor + _GAP)
        weight = " b" if one.kind == "own" else ""
        dots = "".join(
            f'<circle class="dot {one.kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places
        )
        drawn += (
            f'<polyline class="path {one.kind or "quiet"}" points="{_points(places)}"/>{dots}'
            f'<text class="s{weight}" x="{end + 8:.1f}" y="{floor:.1f}">{escape(one.name)}</text>'
        )
    return _svg(title, max(lower + 40, floor + 6), grid + drawn)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _name(one: Mark, y: float) -> str:
    weight = " b" if one.kind == "own" else ""
    return f'<text class="e{weight}" x="{_LABELS - 8}" y="{y + 16}">{escape(one.name)}</text>'


def _span(interval: Interval | None, y: float, place: Callable[[float], float]) -> str:
    if interval is None:
        return ""
    low, high = place(interval.low), place(interval.high)
    caps = "".join(_line("span", x, y - 3, x, y + 3) for x in (low, high))
    return _line("span", low, y, high, y) + caps


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _ends(marks: Sequence[Mark]) -> list[float]:
    return [end for one in marks if one.interval is not None for end in one.interval]


def _nice(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5, 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 4, 5, 8, 10) if step * power >= value * 0.999)


def _levels(values: Sequence[float]) -> list[float]:
    """Round levels for an axis, 2 to 6 of them, the first below all values, the last above."""
    for step in _STEPS:
        # Rounded first: 0.3 is no level below 0.3.
        lowest, highest = (round(end / step, 6) for end in (min(values), max(values)))
        first, last = math.floor(lowest), math.ceil(highest)
        if last - first <= _MOST_STEPS:
            break
    return [level * step for level in range(first, max(last, first + 1) + 1)]


def _ticks(most: float) -> list[float]:
    """Round levels from 0 to beyond ``most``, 3 to 6 of them."""
    top = _nice(max(most, 1e-9))
    step = next(one for one in (_nice(top / 4), _nice(top / 5)) if round(top / one, 6) % 1 == 0)
    return [step * level for level in range(round(top / step) + 1)]


def _decades(values: Sequence[float]) -> list[float]:
    """Powers of ten, the first at most the least of the values above 0, the last at least all."""
    first = math.floor(math.log10(min(values)))
    last = max(math.ceil(math.log10(max(values))), first + 1)
    return [10.0**power for power in range(first, last + 1)]


def _svg(title: str, height: float, inside: str) -> str:
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}">{inside}</svg>'
