"""The figures the README promises: `edge-rerank bench` holds the bounds, this twice the bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_rerank.evaluation import speed as bench
from edge_rerank.evaluation.speed_report import Figure

pytestmark = pytest.mark.bench

ATTEMPTS = 3
"""Other work on the machine only ever makes a figure worse, so the best of a few counts."""


def least(figure: Figure) -> float:
    """The time that passes, or that of the processor where others had more of it than we."""
    return min(figure.value, figure.processor or figure.value)


def test_no_figure_is_far_from_its_bound(
    report: Callable[[str], None], slowest: Callable[[], float]
) -> None:
    best: dict[str, Figure] = {}
    missed: list[str] = []
    for _ in range(ATTEMPTS):
        for figure in bench.run().figures:
            known = best.get(figure.name)
            if known is None or least(figure) < least(known):
                best[figure.name] = figure
        times = slowest()
        missed = [name for name, figure in best.items() if least(figure) > times * figure.bound]
        if not missed:
            break
    for figure in best.values():
        own = "" if figure.processor is None else f", {figure.processor:.3f} of the processor"
        report(f"{figure.name}: {figure.value:.3f} {figure.unit}{own}, at most {figure.bound:g}")
    assert not missed
