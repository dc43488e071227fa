from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.evaluation.calibration import Calibration, ReliabilityBin
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.evaluation.report_html import as_html

from .conftest import ITEMS, REQUESTS, Folder

ROWS = [{"request": 0, "scores": [0, 1]}, {"request": 1, "scores": [0, 1]}]


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_scores_from_a_file_are_a_baseline(shop: Path, tmp_path: Path) -> None:
    report = evaluate(None, shop, "test", scores={"oracle": write(tmp_path / "s.jsonl", ROWS)})
    assert report.baselines["oracle"].ndcg_1 == 1.0
    assert report.details["oracle"].latency is None
    assert report.details["oracle"].comparison is not None


def test_a_limit_needs_no_shorter_file(shop: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", ROWS)
    assert evaluate(None, shop, "test", limit=1, scores={"o": path}).baselines["o"].ndcg_1 == 1.0


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (ROWS[:1], "expected 2 lines, one a request, got 1"),
        ([ROWS[0], {"request": 3, "scores": [1, 2]}], ":2: request: expected 1, got 3"),
        ([{"request": 0, "scores": [1]}], ":1: scores: expected one for each of 2"),
        ([{"request": 0, "scores": [1, None]}], ":1: scores: expected numbers, got null"),
        ([{"request": 0, "scores": {}}], ":1: scores: expected a list"),
        ([{"scores": [1, 2]}], ":1: request: expected an integer, got NoneType"),
    ],
)
def test_scores_that_do_not_fit(
    shop: Path, tmp_path: Path, rows: list[object], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        evaluate(None, shop, "test", scores={"x": write(tmp_path / "s.jsonl", rows)})


def test_names_that_are_taken(shop: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", ROWS)
    for name in ("pack", "markov"):
        with pytest.raises(InvalidRequest, match="a name of its own"):
            evaluate(None, shop, "test", scores={name: path})


def test_satisfaction_by_hand(folder: Folder) -> None:
    read = [{**REQUESTS[0], "dwell_s": [40]}, {**REQUESTS[1], "dwell_s": [5]}]
    detail = evaluate(None, folder(items=ITEMS, test=read), "test").details["host-order"]
    # The clicked one is listed second both times, so nothing that stands first was read.
    assert detail.long_click_1 == 0.0
    assert detail.dwell_ndcg_10 == pytest.approx(1 / 1.584962500721156)
    popularity = evaluate(None, folder(items=ITEMS, test=read), "test").details["popularity"]
    assert popularity.long_click_1 == 0.5


@pytest.mark.parametrize("dwell", ["5", [1, 2], [-1], ["long"]])
def test_malformed_dwell_times(folder: Folder, dwell: object) -> None:
    made = folder(items=ITEMS, test=[{**REQUESTS[0], "dwell_s": dwell}])
    with pytest.raises(DataError, match=r"test.jsonl:1: dwell_s"):
        evaluate(None, made, "test")


def test_slices_hold_every_request_with_a_click_once(shop: Path) -> None:
    report = evaluate(None, shop, "test")
    for kind in {one.kind for one in report.slices}:
        assert sum(one.requests for one in report.slices if one.kind == kind) == 2


def test_the_page_needs_nothing_and_tells_nothing(shop: Path) -> None:
    report = evaluate(None, shop, "test")
    html = as_html(report)
    assert not re.search(r"https?://|<script|<img|<link|url\(", html)
    assert str(shop.parent) not in html
    # Quoted: "ndcg" and CSS may hold the letters of an id.
    for item in ITEMS:
        assert f">{item['id']}<" not in html
        assert str(item["text"]) not in html
    for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ElementTree.fromstring(picture)
    assert html.count("<svg") >= 4


def test_the_page_shows_calibration_where_there_is_one(shop: Path) -> None:
    report = evaluate(None, shop, "test")
    unknown = replace(report.details["pack"], calibration=None)
    bare = as_html(replace(report, details={**report.details, "pack": unknown}))
    assert "no probabilities" in bare
    assert "Reliability diagram" not in bare
    bins = (ReliabilityBin(2, 0.1, 0.0), ReliabilityBin(2, 0.6, 0.5))
    known = replace(report.details["pack"], calibration=Calibration(0.1, 0.4, 0.6, bins))
    page = as_html(replace(report, details={**report.details, "pack": known}))
    assert "Reliability diagram" in page
    assert "0.1000" in page
