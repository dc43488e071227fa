from __future__ import annotations

import re

import pytest

from edge_rerank._resampling import Interval
from edge_rerank.evaluation.plots import Line, curves, growth


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


def test_growth_on_logarithmic_axes_is_straight_where_it_is_a_power() -> None:
    svg = growth(
        "Cost",
        [Line("squared", (10.0, 100.0, 1000.0), (0.1, 10.0, 1000.0), (), "own")],
        "items",
        logarithmic=True,
    )
    first, middle, last = points(svg, "path own")
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.1)
    assert svg.count("<circle") == 3
    ticks = re.findall(r'<text class="s e"[^>]*>([^<]*)<', svg)
    assert ticks == ["0.1", "1", "10", "100", "1000"]
    sizes = re.findall(r'<text class="s m"[^>]*>([^<]*)<', svg)
    assert sizes == ["10", "100", "1,000", "items"]


def test_growth_on_plain_axes_begins_at_no_cost() -> None:
    svg = growth("Cost", [Line("a < b", (0.0, 10.0, 500.0), (1.0, 2.0, 9.0), ())], "events")
    first, middle, last = points(svg, "path quiet")
    assert middle[0] - first[0] == pytest.approx((last[0] - first[0]) / 50, abs=0.1)
    ticks = re.findall(r'<text class="s e"[^>]*>([^<]*)<', svg)
    assert ticks[0] == "0"
    assert float(ticks[-1]) >= 9.0
    assert "a &lt; b" in svg
    # 0 and 10 lie so near each other that one number would be written over the other.
    sizes = re.findall(r'<text class="s m"[^>]*>([^<]*)<', svg)
    assert sizes == ["0", "500", "events"]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0.9, ["0", "0.25", "0.5", "0.75", "1"]),
        (1.7, ["0", "0.5", "1", "1.5", "2"]),
        (2.2, ["0", "0.5", "1", "1.5", "2", "2.5"]),
        (3.1, ["0", "1", "2", "3", "4"]),
        (42.0, ["0", "10", "20", "30", "40", "50"]),
        (61.0, ["0", "20", "40", "60", "80"]),
    ],
)
def test_ticks_of_costs_are_round(most: float, ticks: list[str]) -> None:
    svg = growth("Cost", [Line("a", (0.0, 1.0), (0.0, most), ())], "events")
    assert re.findall(r'<text class="s e"[^>]*>([^<]*)<', svg) == ticks
