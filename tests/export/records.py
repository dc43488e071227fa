"""Lines of JSON, as the files of a data set hold them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_records(path: Path, records: Sequence[object]) -> None:
    """One record a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def read_packed(path: Path) -> list[Any]:
    """The records of a file packed by gzip."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
