"""What came of simulated people, kept one by one, so that a run that is broken off goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import write_whole

Kept = TypeVar("Kept")


class Shelf(Generic[Kept]):
    """What came of people who are finished, by their numbers.

    Args:
        path: JSON lines, the first of them a mark. Where that is another, all is let go of; so is
            a last line that was cut off.
        mark: stands for what it depends on.
        read: makes it of the members of a line; ``None`` where it is of no use any more.
        members: of a line, all but "person".

    Raises:
        RecipeError: when the file is there and is something else.
    """

    def __init__(
        self,
        path: Path,
        mark: str,
        *,
        read: Callable[[Mapping[str, Any]], Kept | None],
        members: Callable[[Kept], Mapping[str, Any]],
    ) -> None:
        self._path, self._members = path, members
        self._finished: dict[int, Kept] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        try:
            records = [json.loads(line) for line in whole.splitlines()]
            if records and records[0]["mark"] == mark:
                for one in records[1:]:
                    if (kept := read(one)) is not None:
                        self._finished[int(one["person"])] = kept
                os.truncate(path, len(whole))
                return
        except (ValueError, TypeError, KeyError) as error:
            raise RecipeError(
                f"{path.name}: expected what came of simulated people, got {type(error).__name__}"
            ) from error
        if content and not whole:
            raise RecipeError(f"{path.name}: expected what came of simulated people")
        write_whole(path, json.dumps({"mark": mark}) + "\n")

    def get(self, number: int) -> Kept | None:
        """What came of a person who is finished."""
        return self._finished.get(number)

    def put(self, number: int, kept: Kept) -> None:
        """Keep what came of somebody; on disk when this returns."""
        self._finished[number] = kept
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"person": number, **self._members(kept)}) + "\n")
