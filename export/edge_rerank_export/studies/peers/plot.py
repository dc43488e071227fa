"""A plot of the peers' timings: bars by shape, on a logarithmic scale, in one SVG file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edge_rerank_export.studies.peers.measure import OURS, PeerReport, Timing

_SCALE, _BAR, _GAP, _HEAD = 560, 16, 6, 34
_OURS, _PEER, _INK, _FAINT, _PAPER = "#0b7285", "#adb5bd", "#212529", "#dee2e6", "#ffffff"
_RIGHT = 90
"""Room after the longest bar for its number."""

_LETTER, _BOLD_LETTER = 7.3, 8.3
"""Width of a letter on average, in pixels, in the widest of the usual fonts."""


def as_svg(report: PeerReport) -> str:
    """A picture of ``report``; shorter bars are better."""
    known = [one.median_ms for one in report.timings if one.median_ms]
    # Half of the least, so that its bar can be seen too.
    low = 10.0 ** math.floor(math.log10(min(known, default=1.0) / 2))
    high = max([*known, 10 * low])
    names = 20 + max((_width(one.contender) for one in report.timings), default=0)
    width = names + _SCALE
    parts: list[str] = []
    top = 52
    for shape in report.shapes:
        rows = report.of(shape)
        height = len(rows) * (_BAR + _GAP)
        parts.append(_text(12, top + 14, shape.label, weight="600"))
        axis = _Axis(low, high, names)
        parts += _grid(axis, top + _HEAD - 10, height)
        parts += _bars(rows, axis, top + _HEAD - 8)
        top += _HEAD + height + 22
    for line in report.skipped:
        parts.append(_text(12, top + 8, line, size=12))
        top += 22
    title = f"Milliseconds to score, {report.threads} threads, logarithmic; shorter is better"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" '
        f'height="{top}" font-family="system-ui, sans-serif" font-size="13" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{width}" height="{top}" fill="{_PAPER}"/>'
    )
    return "\n".join([head, _text(12, 28, title, weight="600", size=15), *parts, "</svg>\n"])


def _width(contender: str) -> int:
    """Pixels at most that a name takes."""
    return math.ceil(len(contender) * (_BOLD_LETTER if _is_ours(contender) else _LETTER))


def _is_ours(contender: str) -> bool:
    return contender.startswith(OURS)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Milliseconds from ``low`` to ``high``, the first of them at ``start`` pixels."""

    low: float
    high: float
    start: int

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (_SCALE - _RIGHT)


def _grid(axis: _Axis, top: float, height: float) -> list[str]:
    parts = []
    tick = axis.low
    while tick <= axis.high * 1.001:
        x = axis.place(tick)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="{_FAINT}"/>'
        )
        parts.append(_text(x, top + height + 14, f"{tick:,g} ms", size=11, anchor="middle"))
        tick *= 10
    return parts


def _bars(rows: Sequence[Timing], axis: _Axis, top: float) -> list[str]:
    parts = []
    for number, row in enumerate(rows):
        y = top + number * (_BAR + _GAP)
        baseline = y + _BAR - 4
        ours = _is_ours(row.contender)
        parts.append(
            _text(
                axis.start - 8,
                baseline,
                row.contender,
                anchor="end",
                weight="600" if ours else "400",
            )
        )
        if row.median_ms is None:
            parts.append(_text(axis.start + 4, baseline, row.note, size=11))
            continue
        end = axis.place(row.median_ms)
        parts.append(
            f'<rect x="{axis.start}" y="{y}" width="{end - axis.start:.1f}" height="{_BAR}" rx="2" '
            f'fill="{_OURS if ours else _PEER}"/>'
        )
        parts.append(_text(end + 5, baseline, f"{row.median_ms:,.0f}", size=12))
    return parts


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 13,
    weight: str = "400",
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{_INK}">{escape(text)}</text>'
    )
