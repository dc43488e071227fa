from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.packs.shipped import SHIPPED_DIGEST

from .conftest import Run

ROOT = Path(__file__).parents[2]


def findings(text: str) -> dict[str, dict[str, object]]:
    return {one["name"]: one for one in json.loads(text)["findings"]}


def test_all_is_well(run: Run, tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "key")
    result = run("doctor", "--json", "--key-file", tmp_path / "key", "--threads", 1)
    assert result.code == 0, result.out
    found = findings(result.out)
    assert json.loads(result.out)["ok"]
    assert found["telemetry of onnxruntime"]["found"] == "off"
    assert found["pack digest"]["found"] == f"{SHIPPED_DIGEST} (as pinned)"
    assert found["provider that runs"]["found"] == "CPUExecutionProvider; 1 threads"
    assert found["key file"]["ok"]
    assert {"SQLite", "Python", "onnxruntime", "sqlite-utils", "model"} <= set(found)


def test_table(run: Run) -> None:
    result = run("doctor", "--providers", "cpu")
    assert result.code == 0
    assert "provider that runs" in result.out
    assert "✗" not in result.out


def test_a_pack_that_is_none(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--pack", tmp_path, "--json")
    assert result.code == 1
    assert not findings(result.out)["pack"]["ok"]


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_key_file_open_to_others(run: Run, tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    result = run("doctor", "--key-file", tmp_path / "key")
    assert result.code == 1
    assert "0640" in result.out


def test_a_missing_key_file(run: Run, tmp_path: Path) -> None:
    assert run("doctor", "--key-file", tmp_path / "none").code == 1


def test_telemetry_that_may_be_on() -> None:
    script = "import onnxruntime, sys; from edge_rerank.cli import main; sys.exit(main(['doctor']))"
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        # CI=true keeps onnxruntime itself quiet here: the test must not phone home.
        env={**environment, "CI": "true", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "may be on" in done.stdout
