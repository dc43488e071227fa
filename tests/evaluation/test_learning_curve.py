"""Learning curves: figures by hand, and where an evaluation shows them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge_rerank.cli.main import main
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.evaluation.learning_curve import learning_curve
from edge_rerank.evaluation.learning_html import learning_section
from edge_rerank.evaluation.replay import Asked
from edge_rerank.evaluation.report_html import as_html

PEOPLE = [
    [Asked(1, 0.5, 0.6), Asked(12, 0.5, 0.5), Asked(30, 0.5, 0.7), Asked(50, 0.5, 0.6)],
    [Asked(1, 0.5, 0.4), Asked(9, 0.5, 0.4)],
    [],
]


def test_figures_of_people_that_gain_and_lose() -> None:
    curve = learning_curve(PEOPLE)
    whole = curve.whole
    assert (whole.people, whole.asked) == (2, 6)
    assert whole.frozen.mean == pytest.approx(0.5)
    assert whole.learnt.mean == pytest.approx(3.2 / 6)
    assert whole.difference.mean == pytest.approx(0.2 / 6)
    assert whole.gain.mean == pytest.approx(0.4 / 6)
    assert curve.worse == 0.5
    assert curve.worst == pytest.approx(-0.1)
    told = [(one.label, one.people, one.asked, one.before) for one in curve.stretches]
    assert told == [
        ("1 to 9", 2, 3, pytest.approx(11 / 3)),
        ("10 to 24", 1, 1, 12),
        ("25 to 49", 1, 1, 30),
        ("from 50", 1, 1, 50),
    ]
    differences = [one.difference.mean for one in curve.stretches]
    assert differences == pytest.approx([-0.1 / 3, 0, 0.2, 0.1])
    assert [one.gain.mean for one in curve.stretches] == pytest.approx([-0.2 / 3, 0, 0.4, 0.2])


def test_intervals_are_over_people_and_paired() -> None:
    # Both people are helped alike at every choice, but one's choices are easier to foretell.
    easy = [Asked(one, 0.8, 0.9) for one in range(1, 10)]
    hard = [Asked(one, 0.2, 0.3) for one in range(1, 10)]
    (stretch,) = learning_curve([easy, hard]).stretches
    assert stretch.frozen.interval == pytest.approx((0.2, 0.8))
    assert stretch.learnt.interval == pytest.approx((0.3, 0.9))
    assert stretch.difference.interval == pytest.approx((0.1, 0.1))


def test_a_person_with_many_choices_counts_for_each_of_them() -> None:
    often = [Asked(one, 0.0, 1.0) for one in range(1, 10)]
    (stretch,) = learning_curve([often, [Asked(1, 0.0, 0.0)]]).stretches
    assert stretch.learnt.mean == pytest.approx(0.9)
    assert math.isnan(stretch.gain.mean)


def test_an_evaluation_has_a_curve_where_it_is_asked_for(things: Path) -> None:
    report = evaluate(None, things, "test", learning=6)
    found = report.learning
    assert found is not None
    assert found.whole.people == 6
    assert [one.label for one in found.stretches] == ["1 to 9", "10 to 24"]
    assert sum(one.asked for one in found.stretches) == found.whole.asked
    # Whoever chooses one kind first is understood by then.
    assert found.whole.difference.mean != 0
    told = json.loads(report.to_json())["learning"]
    assert told["whole"]["frozen"]["mean"] == pytest.approx(found.whole.frozen.mean, abs=1e-6)
    assert len(told["stretches"][0]["difference"]["interval"]) == 2
    without = evaluate(None, things, "test")
    assert without.learning is None
    assert json.loads(without.to_json())["learning"] is None
    assert without == replace(report, learning=None)


def test_tables_that_have_seen_the_choices_are_left_out(things: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    made = ("--skip", "successions", "--min-people", "2")
    assert main(["tables", str(things), "--out", str(tables), *made]) == 0
    plain = evaluate(None, things, "test", learning=2)
    beside = evaluate(None, things, "test", learning=2, tables=tables)
    assert beside.learning == plain.learning
    assert beside.details["pack"].calibration != plain.details["pack"].calibration


def test_the_page_draws_the_curve(things: Path) -> None:
    report = evaluate(None, things, "test", learning=4)
    html = as_html(report)
    assert "What learning on the device gains" in html
    section = learning_section(report.learning)
    assert section in html
    for picture in re.findall(r"<svg.*?</svg>", section, re.DOTALL):
        ElementTree.fromstring(picture)
    assert section.count('<polyline class="path') == 2
    assert section.count('<circle class="dot') == 2
    found = report.learning
    assert found is not None
    for one in (*found.stretches, found.whole):
        assert f"<td>{one.frozen.mean:.3f}</td><td>{one.learnt.mean:.3f}</td>" in section
    assert "What learning on the device gains" not in as_html(replace(report, learning=None))


def test_people_who_cannot_be_replayed_are_told_before_the_long_work(shop: Path) -> None:
    said: list[tuple[str, int, int]] = []
    with pytest.raises(DataError, match="expected people with 12 dated choices, found none"):
        evaluate(None, shop, "test", learning=1, progress=lambda *what: said.append(what))
    assert not said
    for wrong in (-1, 1.5, True):
        with pytest.raises(InvalidRequest, match="learning: expected an integer ≥ 0"):
            evaluate(None, shop, "test", learning=wrong)  # type: ignore[arg-type]
