from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge_rerank import Ranking, Reranker
from edge_rerank.evaluation import fresh_process, growth, neighbour
from edge_rerank.evaluation import speed as bench
from edge_rerank.evaluation.growth import Curve, Growth
from edge_rerank.evaluation.invented import invented_items
from edge_rerank.evaluation.speed_html import as_html
from edge_rerank.evaluation.speed_report import BUSY_SHARE, BenchReport, Figure

from .conftest import Run


@pytest.mark.parametrize(("value", "code"), [(0.9, 0), (1.1, 1)])
def test_exit_code_and_output(
    run: Run, monkeypatch: pytest.MonkeyPatch, value: float, code: int
) -> None:
    asked: list[tuple[object, bool]] = []

    def measured(pack: object, *, quick: bool, loaded: bool, progress: object) -> BenchReport:
        asked.append((pack, quick))
        assert not loaded
        return BenchReport(2, ("CPUExecutionProvider",), (Figure("thing", value, "ms", 1.0),))

    monkeypatch.setattr(bench, "run", measured)
    result = run("bench", "--json", "--quick", "--pack", "somewhere")
    assert result.code == code
    assert json.loads(result.out)["figures"] == [
        {
            "name": "thing",
            "value": value,
            "unit": "ms",
            "bound": 1.0,
            "processor": None,
            "loaded": None,
            "ok": code == 0,
        }
    ]
    assert json.loads(result.out)["longer"] is None
    table = run("bench")
    assert table.code == code
    assert ("✓" if code == 0 else "✗") in table.out
    assert "loaded" not in table.out
    assert asked == [("somewhere", True), (None, False)]


LOADED = BenchReport(
    2,
    ("CPUExecutionProvider",),
    (
        Figure("thing", 0.8, "ms", 1.0, 0.6, 2.4),
        Figure("other thing", 0.5, "ms", 1.0, 0.5, 2.0),
        Figure("third thing", 0.1, "ms", 1.0, 0.1, 0.2),
        Figure("memory", 90.0, "MiB", 100.0),
    ),
)
GROWTH = Growth(
    candidates=(
        Curve("plain list", (10, 100, 1_000), (0.5, 1.0, 8.0)),
        Curve("prepared", (10, 100, 1_000), (0.5, 0.7, 4.0)),
    ),
    events=(Curve("rank 100", (0, 10, 50), (1.0, 1.2, 1.6)),),
    people=(
        Curve("open", (100, 1_000), (3.0, 3.3)),
        Curve("record", (100, 1_000), (1.0, 1.0)),
        Curve("rank 100", (100, 1_000), (1.5, 1.6)),
    ),
)


def test_a_loaded_run_says_how_much_longer_a_call_takes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run", lambda _, *, loaded, **__: LOADED if loaded else None)
    result = run("bench", "--loaded")
    # The neighbour makes every figure miss its bound, but bounds hold without it.
    assert result.code == 0
    assert re.search(r"thing +0\.80 +0\.60 +2\.40 +1 +ms", result.out)
    assert re.search(r"memory +90\.00 +100 +MiB", result.out)
    said = " ".join(result.out.split())
    assert "takes 3.0 times as long" in said
    assert "at most 4.0 times: other thing" in said
    found = json.loads(run("bench", "--loaded", "--json").out)
    assert found["longer"] == pytest.approx(3.0)
    assert (found["figures"][0]["processor"], found["figures"][0]["loaded"]) == (0.6, 2.4)


def test_a_page_has_every_curve_and_figure(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[object, bool]] = []

    def measured(pack: object, *, quick: bool, progress: object) -> Growth:
        asked.append((pack, quick))
        return GROWTH

    monkeypatch.setattr(bench, "run", lambda *_, **__: LOADED)
    monkeypatch.setattr(growth, "measure", measured)
    path = tmp_path / "page.html"
    assert run("bench", "--quick", "--html", path).code == 0
    assert asked == [(None, True)]
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert [svg.count("<polyline") for svg in page.split("<svg")[1:]] == [2, 1, 3]
    for curve in (*GROWTH.candidates, *GROWTH.events, *GROWTH.people):
        assert f">{curve.name}</text>" in page
    for figure in LOADED.figures:
        assert f">{figure.name}</th>" in page
    assert "3.0 ×" in page
    assert "busy" not in page
    assert "got 50% of the processor" in as_html(replace(LOADED, share=0.5), GROWTH)


def test_costs_are_measured_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "CANDIDATES", (5, 20))
    monkeypatch.setattr(growth, "EVENTS", (0, 5))
    monkeypatch.setattr(growth, "PEOPLE", (30, 40))
    monkeypatch.setattr(growth, "_RANKED", 10)
    told: list[tuple[int, int]] = []
    found = growth.measure(quick=True, progress=lambda *both: told.append(both))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [one.sizes for one in found.candidates] == [(5, 20)] * 2
    assert [one.sizes for one in found.events] == [(0, 5)]
    assert [one.sizes for one in found.people] == [(30, 40)] * 3
    every = (*found.candidates, *found.events, *found.people)
    assert all(ms > 0 for one in every for ms in one.cpu_ms)


@pytest.mark.parametrize(("value", "sign"), [(0.9, "✓"), (1.1, "busy")])
def test_a_busy_machine_is_no_failure(
    run: Run, monkeypatch: pytest.MonkeyPatch, value: float, sign: str
) -> None:
    figures = (Figure("thing", value, "ms", 1.0),)
    report = BenchReport(2, ("CPUExecutionProvider",), figures, share=0.5)
    monkeypatch.setattr(bench, "run", lambda *_, **__: report)
    table = run("bench")
    assert table.code == 0
    assert f"{sign}" in table.out
    assert "✗" not in table.out
    assert "got 50% of the processor" in table.out
    found = json.loads(run("bench", "--json").out)
    assert (found["busy"], found["share"], found["figures"][0]["ok"]) == (True, 0.5, value < 1)


def test_other_work_is_noticed() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    spin = "while True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2 * (cores or 1))]
    try:
        shares = [bench._share(cores or 1) for _ in range(3)]
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert min(shares) < BUSY_SHARE


def test_a_figure_of_sleep_takes_time_and_no_processor() -> None:
    figure = bench._Meter(loaded=False).figure(
        "asleep", lambda _: time.sleep(0.02), 3, bound=0.001, per=1e3, unit="s"
    )
    assert figure.value >= 0.02
    assert figure.processor is not None
    assert figure.processor < 0.005
    assert (figure.loaded, figure.longer, figure.ok) == (None, None, False)


def test_a_figure_takes_every_turn_once_quiet_and_loaded() -> None:
    turns: list[int] = []
    figure = bench._Meter(loaded=True).figure("turns", turns.append, 4, bound=1.0)
    # Four calls in three rounds are two in each, quiet and then loaded.
    assert turns == list(range(12))
    assert figure.loaded is not None


def test_a_click_names_its_list_and_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    items = invented_items(30)
    shown: list[Ranking] = []
    named: list[str | None] = []
    with Reranker.open() as reranker:
        bench._accustom(reranker, items)
        rank, record = reranker.rank, reranker.record
        monkeypatch.setattr(
            reranker,
            "rank",
            lambda *_, **options: shown.append(rank(items, **options)) or shown[-1],
        )
        monkeypatch.setattr(
            reranker,
            "record",
            lambda event, user: named.append(event.ranking) or record(event, user=user),
        )
        bench._from_click_to_list(reranker, items, 5, bench._Meter(loaded=False))
    assert named == [one.id for one in shown[:-1]]
    assert len(named) == 5
    assert len({tuple(one.item.id for one in ranking) for ranking in shown}) > 1


SLEEP = "__import__('time').sleep(0.01)"


@pytest.mark.slow
def test_a_real_run(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # To write a file of the size that the bounds are for takes most of a run; see tests/bench.
    for name, size in {"PEOPLE": 500, "ROWS": 500, "KNOWN": 120, "CATALOGUE": 150}.items():
        monkeypatch.setattr(bench, name, size)
    monkeypatch.setattr(bench, "_LOOK_S", 0.02)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    # That a neighbour burns its core has a test of its own.
    idle = neighbour._BURN.replace("for _ in range(1_000_000):\n        pass", SLEEP)
    assert SLEEP in idle
    monkeypatch.setattr(neighbour, "_BURN", idle)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    python, encoding, ranking = fresh_process._python, bench._encoding, bench._ranking
    monkeypatch.setattr(bench, "_encoding", lambda pack, _, meter: encoding(pack, 4, meter))
    monkeypatch.setattr(bench, "_ranking", lambda pack, _, meter: ranking(pack, 4, meter))
    monkeypatch.setattr(
        fresh_process,
        "_python",
        lambda script, _, place="", *__, loaded=False: python(script, 1, place, "3", loaded=loaded),
    )
    result = run("bench", "--quick", "--json", "--loaded")
    figures = {one["name"]: one for one in json.loads(result.out)["figures"]}
    assert len(figures) == 13
    assert all(one["value"] > 0 for one in figures.values())
    memory = {name for name, one in figures.items() if one["unit"] == "MiB"}
    assert len(memory) == 2
    assert {name for name, one in figures.items() if one["processor"] is None} == memory
    beside = {name for name, one in figures.items() if one["loaded"] is not None}
    assert beside == figures.keys() - memory
    assert (
        figures["settled memory of the process"]["value"]
        <= figures["peak memory of the process"]["value"]
    )
