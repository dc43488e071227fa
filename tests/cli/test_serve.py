"""The command's flags; what it serves is tested in tests/serve."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_rerank import History, KeyFile
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--port", "80"], "--port: expected together with --http"),
        (["--page", "x", "--stdio"], "--page: expected together with --http"),
        (["--mcp", "--token-file", "x"], "--token-file: expected together with --http"),
        (["--history", "x"], "--history: expected together with --key-file"),
        (["--anchor", "x"], "--anchor: expected together with --history"),
    ],
)
def test_flags_that_do_not_go_together(run: Run, flags: list[str], complaint: str) -> None:
    result = run("serve", *flags)
    assert (result.code, result.out, result.err) == (2, "", f"edge-rerank: {complaint}\n")


@pytest.mark.parametrize("port", ["-1", "65536", "web"])
def test_a_port_that_is_none(run: Run, port: str) -> None:
    result = run("serve", "--http", "--port", port)
    assert result.code == 2
    assert "--port" in result.err


def test_a_time_to_be_idle_that_is_none(run: Run) -> None:
    result = run("serve", "--guest-idle", "0")
    assert result.code == 2
    assert "--guest-idle" in result.err


@pytest.mark.parametrize(("way", "extra"), [("http", "serve"), ("mcp", "mcp")])
def test_an_extra_that_is_missing_is_said_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, way: str, extra: str
) -> None:
    package = {"http": "uvicorn", "mcp": "mcp"}[way]
    for name in [f"edge_rerank.serve.{way}", *sys.modules]:
        if name == f"edge_rerank.serve.{way}" or name.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    result = run("serve", f"--{way}")
    assert (result.code, result.err) == (2, f'edge-rerank: pip install "edge-rerank[{extra}]"\n')


def test_a_history_that_another_program_has_open_is_said(run: Run, tmp_path: Path) -> None:
    history, key = tmp_path / "h.db", tmp_path / "key"
    with History.open(history, KeyFile.create(key)):
        result = run("serve", "--history", history, "--key-file", key)
    assert result.code == 2
    assert "has the history file open" in result.err
