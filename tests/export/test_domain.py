"""Folders that hold too little to train on are refused, whatever they lack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.errors import DataError
from edge_rerank_export.train.domain import unread
from edge_rerank_export.train.requests import load_domain
from tests.export.records import write_records


def folder_of(folder: Path, requests: int, clicked: Callable[[int], bool]) -> Path:
    """A folder without choices: requests alone, some of which have a click."""
    folder.mkdir()
    items = [{"id": name, "text": f"thing {name}"} for name in "abc"]
    write_records(folder / "items.jsonl", items)
    shown = [
        {"history": ["a"], "candidates": ["b", "c"], "clicked": ["b"] if clicked(number) else []}
        for number in range(requests)
    ]
    write_records(folder / "train_requests.jsonl", shown)
    return folder


def test_requests_without_a_click_are_nothing_to_learn_from(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "films", 40, lambda number: number < 19)
    with pytest.raises(DataError, match="expected at least 20 choices to learn from"):
        load_domain(folder, unread, rng=np.random.default_rng(0))


def test_requests_without_a_click_are_nothing_to_validate_by(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "films", 40, lambda number: number % 10 > 0)
    with pytest.raises(DataError, match="expected validation requests with a click"):
        load_domain(folder, unread, rng=np.random.default_rng(0))


def test_every_tenth_request_is_validated_by(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "films", 40, lambda _number: True)
    domain = load_domain(folder, unread, rng=np.random.default_rng(0))
    assert domain.real is not None
    assert (len(domain.real.candidates), len(domain.valid.candidates)) == (36, 4)
