"""What is said where a framework is not installed."""

from __future__ import annotations

import importlib
import sys

import pytest

from edge_rerank.errors import MissingExtra


@pytest.mark.parametrize(
    ("adapter", "library"),
    [
        ("langchain", "langchain_core"),
        ("llamaindex", "llama_index"),
        ("haystack", "haystack"),
        ("rerankers", "rerankers"),
    ],
)
def test_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, adapter: str, library: str
) -> None:
    for name in [one for one in sys.modules if one == library or one.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"edge_rerank.integrations.{adapter}", raising=False)
    with pytest.raises(MissingExtra) as caught:
        importlib.import_module(f"edge_rerank.integrations.{adapter}")
    assert str(caught.value) == f'pip install "edge-rerank[{adapter}]"'
    assert caught.value.__cause__ is None
