from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edge_rerank.evaluation import speed as bench
from edge_rerank.evaluation.speed import BenchReport, Figure

from .conftest import Run


@pytest.mark.parametrize(("value", "code"), [(0.9, 0), (1.1, 1)])
def test_exit_code_and_output(
    run: Run, monkeypatch: pytest.MonkeyPatch, value: float, code: int
) -> None:
    asked: list[tuple[object, bool]] = []

    def measured(pack: object, *, quick: bool, progress: object) -> BenchReport:
        asked.append((pack, quick))
        return BenchReport(2, ("CPUExecutionProvider",), (Figure("thing", value, "ms", 1.0),))

    monkeypatch.setattr(bench, "run", measured)
    result = run("bench", "--json", "--quick", "--pack", "somewhere")
    assert result.code == code
    assert json.loads(result.out)["figures"] == [
        {"name": "thing", "value": value, "unit": "ms", "bound": 1.0, "ok": code == 0}
    ]
    table = run("bench")
    assert table.code == code
    assert ("✓" if code == 0 else "✗") in table.out
    assert asked == [("somewhere", True), (None, False)]


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
    assert min(shares) < bench.BUSY_SHARE


@pytest.mark.slow
def test_a_real_run(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # To write a file of the size that the bounds are for takes most of a run; see tests/bench.
    monkeypatch.setattr(bench, "PEOPLE", 500)
    monkeypatch.setattr(bench, "ROWS", 500)
    monkeypatch.setattr(bench, "_LOOK_S", 0.02)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    python, encoding, ranking = bench._python, bench._encoding, bench._ranking
    monkeypatch.setattr(bench, "_encoding", lambda pack, _: encoding(pack, 4))
    monkeypatch.setattr(bench, "_ranking", lambda pack, _: ranking(pack, 3))
    monkeypatch.setattr(
        bench, "_python", lambda script, _, place="", *__: python(script, 1, place, "3")
    )
    result = run("bench", "--quick", "--json")
    figures = {one["name"]: one for one in json.loads(result.out)["figures"]}
    assert len(figures) == 10
    assert all(one["value"] > 0 for one in figures.values())
