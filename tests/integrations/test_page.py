"""The page about the adapters: its code runs, and names what there is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import edge_rerank.integrations as adapters
from tests.pages import run_page

FOLDER = Path(adapters.__file__).parent
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for heavy in ("torch", "transformers"):  # which rerankers would load if they are there
        monkeypatch.setitem(sys.modules, heavy, None)
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    names: dict[str, Any] = {}
    assert run_page(FOLDER / "README.md", names) == 6
    names["reranker"].close()


def test_every_adapter_is_named() -> None:
    for path in FOLDER.glob("[a-z]*.py"):
        assert f"edge_rerank.integrations.{path.stem}.EdgeRerank" in PAGE
        assert f'pip install "edge-rerank[{path.stem}]"' in PAGE
