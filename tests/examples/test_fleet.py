"""The fleet of kiosks: invented members are people who chose, and one command tells all of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edge_rerank.formats.dataset import DataSet
from examples.fleet import main as fleet

SMALL = (
    *("--devices", "100", "--others", "4", "--lists", "12", "--first", "2", "--rounds", "2"),
    *("--candidates", "25", "--after", "1", "--epsilon", "8", "--threads", "1"),
    *("--fleets", "2"),
)


def test_members_chose_what_they_like_and_what_others_like(tmp_path: Path) -> None:
    data = DataSet.open(fleet.invent_members(tmp_path / "a"))
    paths = list(data.paths())
    assert len(paths) == fleet.MEMBERS
    assert {len(set(path)) for path in paths} == set(fleet.CHOICES)
    chosen = [data.items[name] for path in paths for name in path]
    popular = sum(item.popularity or 0 for item in chosen) / len(chosen)
    assert popular > sum(item.popularity or 0 for item in data.items.values()) / len(data.items)
    again = fleet.invent_members(tmp_path / "b")
    for name in ("items.jsonl", "train.jsonl"):
        assert (again / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_one_command_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flwr")
    monkeypatch.setattr(sys, "argv", ["main", str(tmp_path), *SMALL])
    assert fleet.main() == 0
    (figures,) = json.loads((tmp_path / "fleet.json").read_text(encoding="utf-8"))["fleets"]
    assert [stop["round"] for stop in figures["by_round"]] == [1, 2]
    assert figures["canaries_in_histories"] == 100
    assert figures["canaries_on_the_wire"] == 0
    assert 0 < figures["sealed_answers"] <= 200
    assert figures["device_epsilon"]["most"] <= 8
    reach = figures["reach_of_an_honest_device_at_most"]
    assert max(figures["reach_of_a_hostile_device"].values()) <= reach * (1 + 1e-6)
    attacks = {"along", "likelihood", "distance", "beside"}
    assert set(figures["membership"]) == set(figures["membership_drawn"]) == attacks
    assert "drawn at random from 104 people" in " ".join(capfd.readouterr().err.split())
    page = (tmp_path / "fleet.html").read_text(encoding="utf-8")
    assert "What is given away at ε 8" in page
    for stop in ("prior-8", "prior-8-after-1"):
        assert (tmp_path / stop / "prior.npy").is_file()
