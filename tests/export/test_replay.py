"""The command ``replay``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_rerank_export.cli import main


def test_the_command_prints_a_table_and_json(
    things: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(things), "--people", "2", "--choices", "13", "--json"]) == 0
    said = capsys.readouterr()
    table = said.err
    assert things.resolve().name[:6] in table
    assert "1 to 9" in table
    assert "10 to 24" in table
    (curve,) = json.loads(said.out)["replay"]
    assert curve["folder"] == things.resolve().name
    assert curve["whole"]["people"] == 2
    assert 0 < curve["whole"]["frozen"]["mean"] < 1
