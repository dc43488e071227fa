"""Pictures and sounds of a data set folder: files in its ``media/``, which its items name.

A line of ``items`` may have ``"image"`` and ``"audio"``: the name of a file in ``media/``, with
``/`` between folders. Without that folder both are ignored, like any member that is not known.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from edge_rerank._check import kind_of
from edge_rerank.errors import InvalidItem
from edge_rerank.formats.events import MEDIA_MEMBERS
from edge_rerank.formats.jsonl import Record
from edge_rerank.types import Item

MEDIA = "media"
"""Name of the folder."""


def media_folder(folder: Path) -> Path | None:
    """Where the pictures and sounds of a data set folder lie; ``None`` where it has none."""
    path = folder / MEDIA
    return path.resolve() if path.is_dir() else None


def with_media(item: Item, record: Record, media: Path) -> Item:
    """The item with the files that its line names; none is opened.

    Args:
        item: of the line.
        record: the line.
        media: see :func:`media_folder`.

    Raises:
        InvalidItem: when a name is no text, or not that of a file in the folder.
    """
    files: dict[str, Any] = {
        name: _file(record[name], name, media)
        for name in MEDIA_MEMBERS
        if record.get(name) is not None
    }
    return replace(item, **files) if files else item


def media_names(item: Item, media: Path | None) -> dict[str, str]:
    """What a line of ``items`` says of an item's files.

    Args:
        item: of a data set.
        media: see :func:`media_folder`.
    """
    if media is None:
        return {}
    values: dict[str, Any] = {name: getattr(item, name) for name in MEDIA_MEMBERS}
    return {
        name: value.relative_to(media).as_posix()
        for name, value in values.items()
        if isinstance(value, Path)
    }


def _file(name: object, member: str, media: Path) -> Path:
    if not isinstance(name, str):
        raise InvalidItem(f"{member}: expected the name of a file in {MEDIA}, got {kind_of(name)}")
    plain = PurePosixPath(name)
    if not name or "\\" in name or "\0" in name or plain.is_absolute() or ".." in plain.parts:
        raise InvalidItem(f"{member}: expected the name of a file in {MEDIA}, got another path")
    path = media / plain
    try:
        inside = path.resolve().is_relative_to(media) and path.is_file()
    except OSError:  # a name that is too long
        inside = False
    if not inside:
        raise InvalidItem(f"{member}: expected a file in {MEDIA}, found none of that name")
    return path
