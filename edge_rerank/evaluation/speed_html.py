"""A bench as one HTML page: figures against their bounds, and how costs grow."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edge_rerank.evaluation import plots
from edge_rerank.evaluation.growth import Curve, Growth
from edge_rerank.evaluation.plots import Line
from edge_rerank.evaluation.speed_report import BenchReport, Figure
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, facts, row, section, table

_STYLE = plots.STYLE + NUMBERS_STYLE
_MISSING = "–"

_FIGURES = (
    "Medians of the time that passes, and beside them what the processor works for it in all "
    "threads together: of that the 10 % quantile, for other programs only ever make it more."
)
_LOADED = " Loaded: the time that passes beside a neighbour that burns every core."
_BUSY = (
    "The machine was busy: this process got {share:.0%} of the processor that it asked for, so a "
    "bound that is missed says nothing."
)


def as_html(report: BenchReport, growth: Growth) -> str:
    """The page, which needs nothing else; it names no item and no person."""
    threads = f"{report.threads} thread{'s' if report.threads != 1 else ''}"
    title = "What ranking costs on this machine"
    return report_page(
        title,
        f"<h1>{title}</h1>\n"
        f'<p class="dim">{threads}, {escape(", ".join(report.providers))}</p>\n'
        f"{_busy(report)}{_facts(report)}{_growth(growth)}{_figures(report)}",
        style=_STYLE,
    )


def _busy(report: BenchReport) -> str:
    return f"<p>{_BUSY.format(share=report.share)}</p>\n" if report.busy else ""


def _facts(report: BenchReport) -> str:
    told = []
    first = report.figures[0] if report.figures else None
    if first is not None:
        told.append((f"{first.value:.1f} {first.unit}", first.name))
    held = sum(figure.ok for figure in report.figures)
    told.append((f"{held} of {len(report.figures)}", "figures within their bounds"))
    if report.longer is not None:
        told.append((f"{report.longer:.1f} ×", "as long beside a neighbour on every core"))
    memory = [figure for figure in report.figures if figure.unit == "MiB"]
    told += [(f"{one.value:.0f} MiB", one.name) for one in memory]
    return facts(told)


def _growth(growth: Growth) -> str:
    drawn = (
        ("rank() against candidates", growth.candidates, "candidates", True),
        ("rank() of 100 against events", growth.events, "events of the person", False),
        ("A history file against its people", growth.people, "people in the file", True),
    )
    plotted = "".join(
        f"<div><h3>{title}</h3>{_plot(title, curves, across, logarithmic)}</div>"
        for title, curves, across, logarithmic in drawn
    )
    told = "".join(_table(curves, across) for _, curves, across, _ in drawn)
    return section(
        "How costs grow",
        "Milliseconds of the processor that a call takes; both axes are logarithmic but for "
        "events. Plain: another list of items at each call.",
        f'<div class="pair">{plotted}</div>{told}',
    )


def _plot(title: str, curves: Sequence[Curve], across: str, logarithmic: bool) -> str:
    lines = [
        Line(
            one.name,
            tuple(map(float, one.sizes)),
            one.cpu_ms,
            (),
            "own" if one is curves[-1] else "",
        )
        for one in curves
    ]
    return plots.growth(f"{title}, ms", lines, across, logarithmic=logarithmic)


def _table(curves: Sequence[Curve], across: str) -> str:
    headings = (across, *(f"{size:,}" for size in curves[0].sizes), "last to first")
    rows = [
        row(one.name, [*(f"{ms:.2f} ms" for ms in one.cpu_ms), f"{one.times:.1f} ×"])
        for one in curves
    ]
    return table(headings, rows)


def _figures(report: BenchReport) -> str:
    loaded = report.longer is not None
    headings = ["", "median", "processor", *(["loaded", "longer"] if loaded else []), "at most"]
    rows = [row(one.name, _cells(one, report, loaded=loaded)) for one in report.figures]
    return section(
        "Figures and their bounds",
        _FIGURES + (_LOADED if loaded else ""),
        table(headings, rows),
    )


def _cells(figure: Figure, report: BenchReport, *, loaded: bool) -> list[str]:
    kind = "good" if figure.ok else "dim" if report.busy else "bad"
    cells = [f'<span class="{kind}">{figure.value:.2f}</span>', _number(figure.processor)]
    if loaded:
        cells.append(_number(figure.loaded))
        cells.append(_MISSING if figure.longer is None else f"{figure.longer:.1f} ×")
    return [*cells, f"{figure.bound:g} {figure.unit}"]


def _number(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.2f}"
