from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_rerank.evaluation import speed as bench
from edge_rerank.evaluation.speed import BenchReport, Figure
from edge_rerank.packs.shipped import shipped_pack

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
def test_a_real_run(run: Run) -> None:
    result = run("bench", "--quick", "--json")
    figures = {one["name"]: one for one in json.loads(result.out)["figures"]}
    assert len(figures) == 10
    assert all(one["value"] > 0 for one in figures.values())


def test_peers_are_shown_with_what_is_not_installed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    peers = pytest.importorskip("edge_rerank_export.studies.peers")
    report = peers.PeerReport(
        2,
        (
            peers.Timing("ours", 20, 200, 50.0, 5),
            peers.Timing("slow", 20, 200, 500.0, 5),
            peers.Timing("absent", 20, 200, None, 0, "not installed: pip install absent"),
        ),
        ("50 candidates: skipped, too long",),
    )
    monkeypatch.setattr(peers, "compare", lambda *_, **__: report)
    plot = tmp_path / "peers.svg"
    table = run("bench", "--peers", "--pack", str(shipped_pack()), "--plot", str(plot))
    assert table.code == 0
    assert "10.0 ×" in table.out
    assert "not installed" in table.out
    assert table.out.rstrip().endswith("50 candidates: skipped, too long")
    assert "not installed: pip install absent" in plot.read_text(encoding="utf-8")


def test_peers_need_a_pack_and_a_plot_needs_peers(run: Run) -> None:
    pytest.importorskip("edge_rerank_export.studies.peers")
    assert "--pack FOLDER" in run("bench", "--peers").err
    assert "--peers" in run("bench", "--plot", "x.svg").err
