"""Packs that an engine is opened with: their folders, and which of them has a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_rerank._check import check_path, kind_of
from edge_rerank.errors import InvalidRequest
from edge_rerank.packs.installed import find_pack
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack


def folders_of(pack: object) -> list[Path]:
    """Folders of a pack or of several; that of the shipped one where it is ``None``.

    Raises:
        InvalidRequest: when it is something else.
        PackNotFound: when one is not there.
    """
    if pack is None:
        return [shipped_pack()]
    folders = [pack] if isinstance(pack, str | Path) else pack
    if not isinstance(folders, Sequence) or not folders:
        raise InvalidRequest(f"pack: expected a path, several, or None, got {kind_of(pack)}")
    for folder in folders:
        check_path(folder, "pack", InvalidRequest, wanted="only paths")
    return [find_pack(folder) for folder in folders]


def the_one(packs: Sequence[Pack], part: str) -> Pack | None:
    """The pack of those with a part, ``None`` where there is none.

    Raises:
        InvalidRequest: when there are several.
    """
    if len(packs) > 1:
        raise InvalidRequest(f"pack: expected at most one with a part {part}, got {len(packs)}")
    return packs[0] if packs else None
