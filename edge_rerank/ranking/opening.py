"""Packs and tables that an engine is opened with: which they are, and which has which part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_rerank._check import check_path, kind_of
from edge_rerank.errors import InvalidRequest, PackUntrusted
from edge_rerank.packs.installed import find_pack
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import Trust

Packs = str | Path | Sequence[str | Path]


def folders_of(pack: object) -> list[Path]:
    """Folders of the packs that are named; that of the shipped one for ``None``.

    Raises:
        InvalidRequest: when they are no paths.
        PackNotFound: when there is no such pack.
    """
    if pack is None:
        return [shipped_pack()]
    folders = [pack] if isinstance(pack, str | Path) else pack
    if not isinstance(folders, Sequence) or not folders:
        raise InvalidRequest(f"pack: expected a path, several, or None, got {kind_of(pack)}")
    for folder in folders:
        check_path(folder, "pack", InvalidRequest, wanted="only paths")
    return [find_pack(folder) for folder in folders]


def tables_of(tables: str | Path | Tables, trust: Trust) -> Tables:
    """Tables that are open, or those of a folder."""
    if not isinstance(tables, Tables):
        return Tables.open(tables, trust=trust)
    if trust.keys and not tables.signed:
        raise PackUntrusted("tables: expected some that were opened with the trusted keys")
    return tables


def the_one(packs: Sequence[Pack], part: str) -> Pack | None:
    """The only one of them, ``None`` of none.

    Raises:
        InvalidRequest: when there are several.
    """
    if len(packs) > 1:
        raise InvalidRequest(f"pack: expected at most one with a part {part}, got {len(packs)}")
    return packs[0] if packs else None
