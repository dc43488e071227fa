"""Gzipped JSON lines that are the same bytes for the same records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ENDING = ".jsonl.gz"
"""Of the names of such files."""

_LEVEL = 6
"""gzip's own default level; Python's is 9, three times as slow for 2 % less."""


def write_packed(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Write a file of records, one a line; how many there were."""
    count = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
        for record in records:
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            packed.write(f"{line}\n".encode(errors="replace"))
            count += 1
    return count
