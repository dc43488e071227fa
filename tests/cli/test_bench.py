from __future__ import annotations

import json

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


@pytest.mark.slow
def test_a_real_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # To write a file of the size that the bounds are for takes most of a run; see tests/bench.
    monkeypatch.setattr(bench, "PEOPLE", 500)
    monkeypatch.setattr(bench, "ROWS", 500)
    result = run("bench", "--quick", "--json")
    figures = {one["name"]: one for one in json.loads(result.out)["figures"]}
    assert len(figures) == 10
    assert all(one["value"] > 0 for one in figures.values())
