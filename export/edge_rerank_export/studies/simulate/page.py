"""A simulation as an HTML page: learning curves, what is gained, who loses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edge_rerank._resampling import CONFIDENCE, Interval
from edge_rerank.evaluation import plots
from edge_rerank.evaluation.plots import Line, Mark
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, row, section, table
from edge_rerank.render.texttable import Column
from edge_rerank_export.studies.simulate.figures import ArmFigures, Measure
from edge_rerank_export.studies.simulate.plan import Scenario
from edge_rerank_export.studies.simulate.report import (
    curve_table,
    findings,
    measures_table,
    setting,
)
from edge_rerank_export.studies.simulate.run import Simulated

_TITLES = {
    Scenario.CURVE: "What learning gains",
    Scenario.SWITCH: "Another taste",
    Scenario.HOST: "Clicks against a host's order",
    Scenario.BIAS: "Places that are not examined alike",
}


def as_html(simulated: Sequence[Simulated]) -> str:
    """All simulations of a run as one page, which names no item and nobody."""
    first = simulated[0]
    return report_page(
        f"Simulation: {first.pack} on {first.folder}",
        f"<h1>{escape(first.pack)} on {escape(first.folder)}, simulated</h1>\n"
        '<p class="dim">People whose tastes are those of real people of the folder click by a '
        "model; what they want is known, so that every list can be judged.</p>\n"
        + "".join(map(_simulation, simulated)),
        style=plots.STYLE + NUMBERS_STYLE,
    )


def _simulation(one: Simulated) -> str:
    title = _TITLES[one.plan.scenario]
    told = "".join(
        f"<li>{escape(arm.name)}: {escape(say)}</li>"
        for arm in one.arms
        for say in findings(one, arm)
    )
    curves = plots.curves("NDCG@10 by list", [_line(arm) for arm in one.arms], "list")
    return section(
        title,
        escape(setting(one.plan)) + f". Bands are {CONFIDENCE:.0%} intervals over people.",
        f'<div class="pair"><div><h3>NDCG@10 by list</h3>{curves}</div>'
        f"<div><h3>NDCG@10 against {escape(one.arms[0].name)}</h3>{_differences(one)}</div></div>"
        f"<ul>{told}</ul>{_table(*curve_table(one))}{_table(*measures_table(one))}",
    )


def _line(arm: ArmFigures) -> Line:
    """The curve of an arm, by stretches and at the last list of each: one list is mostly luck."""
    parts = arm.stretches
    return Line(
        arm.name,
        tuple(float(part.last) for part in parts),
        tuple(part.values[Measure.NDCG] for part in parts),
        tuple(part.interval for part in parts),
        "own" if arm.name == "learning" else "",
    )


def _differences(one: Simulated) -> str:
    marks = [
        Mark(
            f"{arm.name}, {part.first} to {part.last}",
            part.difference,
            part.difference_interval,
            _kind(part.difference_interval),
        )
        for arm in one.arms[1:]
        for part in arm.stretches
        if part.difference is not None and part.difference_interval is not None
    ]
    return plots.differences(f"Differences to {one.arms[0].name}", marks)


def _kind(interval: Interval) -> str:
    return "good" if interval.low > 0 else "bad" if interval.high < 0 else ""


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    cells = (row(first, map(escape, rest)) for first, *rest in rows)
    return table([column.heading for column in columns], cells)
