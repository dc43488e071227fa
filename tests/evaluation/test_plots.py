from __future__ import annotations

import re

import pytest

from edge_rerank._resampling import Interval
from edge_rerank.evaluation.plots import Line, curves


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    """The points of the only element of this class."""
    (found,) = re.findall(rf'class="{kind}" points="([^"]*)"', svg)
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in found.split())]


def test_curves_with_bands() -> None:
    band = (Interval(0.1, 0.3), Interval(0.4, 0.6))
    low = Line("a < b", (1.0, 11.0), (0.1, 0.1), (Interval(0.1, 0.1),) * 2)
    svg = curves(
        "What is gained", [low, Line("ours", (1.0, 11.0), (0.2, 0.5), band, "own")], "list"
    )
    (first, last) = points(svg, "path own")
    assert first[0] < last[0]
    assert first[1] > last[1]
    # From left to right along the upper end, and back along the lower one.
    upper, upper_end, lower_end, lower = points(svg, "band own")
    assert upper[0] == lower[0] < upper_end[0] == lower_end[0]
    assert upper[1] < first[1] < lower[1]
    assert upper_end[1] < last[1] < lower_end[1]
    assert len({y for _, y in points(svg, "path quiet")}) == 1
    assert 'aria-label="What is gained"' in svg
    assert "a &lt; b" in svg


def test_a_curve_of_one_point() -> None:
    svg = curves("One", [Line("only", (1.0,), (0.5,), (Interval(0.5, 0.5),), "own")], "list")
    assert len(points(svg, "path own")) == 1
    assert "nan" not in svg


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ((0.23, 0.54), [0.2, 0.3, 0.4, 0.5, 0.6]),
        ((0.301, 0.309), [0.30, 0.31]),
        ((0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((0.3, 0.3), [0.3, 0.31]),
        ((0.51, 0.58), [0.50, 0.52, 0.54, 0.56, 0.58]),
    ],
)
def test_levels_of_a_curve_are_round(values: tuple[float, ...], levels: list[float]) -> None:
    intervals = tuple(Interval(one, one) for one in values)
    drawn = curves("Curve", [Line("a", (1.0, 2.0), values, intervals)], "list")
    assert re.findall(r'<text class="s e"[^>]*>([^<]*)<', drawn) == [f"{one:.2f}" for one in levels]
