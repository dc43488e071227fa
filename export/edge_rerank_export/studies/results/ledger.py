"""The ledger: what is finished already, and again when what it was made of has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_rerank.formats.dataset_media import MEDIA
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import write_whole
from edge_rerank_export.sources.weights import file_sha256


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished part.

    Attributes:
        kind: parts of a kind take about the same time.
        mark: stands for what it was made of, see :func:`mark_of`.
        seconds: how long it took.
    """

    kind: str
    mark: str
    seconds: float


class Ledger:
    """Finished parts by name, kept in a file.

    Args:
        path: a JSON file, made when the first part is finished.

    Raises:
        RecipeError: when the file is there and is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        if path.exists():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                self._entries = {name: Entry(**entry) for name, entry in stored.items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise RecipeError(f"{path.name}: not a ledger: {type(error).__name__}") from error

    def holds(self, name: str, mark: str) -> bool:
        """Whether the part was made, and of just this."""
        return name in self._entries and self._entries[name].mark == mark

    def put(self, name: str, entry: Entry) -> None:
        """Note a part; on disk when this returns."""
        self._entries[name] = entry
        stored = {name: asdict(entry) for name, entry in self._entries.items()}
        write_whole(self._path, json.dumps(stored, indent=1))

    def seconds(self, kinds: Sequence[str]) -> float | None:
        """What parts of these kinds should take, by those that are finished.

        Kinds that were not seen yet count nothing; ``None`` where none was.
        """
        known: dict[str, list[float]] = {}
        for entry in self._entries.values():
            known.setdefault(entry.kind, []).append(entry.seconds)
        expected = [sum(known[kind]) / len(known[kind]) for kind in kinds if kind in known]
        return sum(expected) if expected else None


def mark_of(*made_of: object) -> str:
    """One word for values of plain JSON."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def data_mark(folder: Path) -> str:
    """Stands for the files of a data set folder, and for those that its items name."""
    files = sorted(folder.glob("*.jsonl*"))
    media = sorted(path for path in (folder / MEDIA).rglob("*") if path.is_file())
    named = [(path.relative_to(folder).as_posix(), path) for path in (*files, *media)]
    return mark_of([(name, file_sha256(path)) for name, path in named])
