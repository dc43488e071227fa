from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Folder = Callable[..., Path]

ITEMS = [
    {"id": "bread", "text": "Bake rustic bread", "categories": ["Food"], "popularity": 5},
    {"id": "sourdough", "text": "Sourdough bread at home", "categories": ["Food"], "popularity": 1},
    {"id": "mars", "text": "Pictures from Mars", "categories": ["Space"], "popularity": 9},
    {"id": "moon", "text": "Craters of the Moon", "categories": ["Space"], "popularity": 2},
]
TRAIN = [
    {"user": "a", "items": ["bread", "sourdough", "bread", "mars"], "timestamps": [1, 2, 3, 4]},
    {"user": "b", "items": ["moon", "mars"], "timestamps": [1, 2]},
]
REQUESTS = [
    {
        "user": "a",
        "history": [{"item": "bread", "timestamp": 10}, {"item": "moon", "timestamp": 20}],
        "candidates": ["sourdough", "mars"],
        "clicked": ["mars"],
        "timestamp": 30,
    },
    {
        "user": "b",
        "history": [{"item": "mars", "timestamp": 10}, {"item": "bread", "timestamp": 20}],
        "candidates": ["moon", "sourdough"],
        "clicked": ["sourdough"],
        "timestamp": 30,
    },
]


def write_lines(path: Path, records: list[Any]) -> None:
    """Strings are written as they are, everything else as JSON."""
    lines = [
        one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in records
    ]
    raw = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a data set folder: ``folder(items=[...], test=[...])``."""

    def make(*, ending: str = ".jsonl", **files: list[Any]) -> Path:
        made = tmp_path / "data"
        made.mkdir(exist_ok=True)
        for name, records in files.items():
            write_lines(made / f"{name}{ending}", records)
        return made

    return make


@pytest.fixture
def shop(folder: Folder) -> Path:
    """A small, complete folder."""
    return folder(items=ITEMS, train=TRAIN, test=REQUESTS)
