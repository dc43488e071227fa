"""Packs that pip has installed, found by name among the installed distributions.

A wheel of a pack (``python -m edge_rerank.export wheel``) holds a folder
``edge_rerank_packs/NAME`` and an entry point of the group :data:`GROUP` that names it. Nothing of
a pack is code, and nothing of it is imported to find it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from edge_rerank.errors import PackNotFound
from edge_rerank.packs.shipped import MULTILINGUAL, multilingual_pack, shipped_pack

GROUP = "edge_rerank.packs"
"""The group of entry points in which packs are named."""

HOME = "edge_rerank_packs"
"""The folder, beside installed packages, that packs are installed in."""

SHIPPED = "shipped"
"""Names the default one of the packs that come with this package, wherever a pack is named."""

_PLACE = re.compile(rf"{HOME}\.([a-z0-9_]+)")
_SEPARATORS = frozenset({"/", os.sep})


def installed_packs() -> dict[str, Path]:
    """Folders of the installed packs by name; ``Pack.open`` says whether they are sound."""
    # It loads what reads e-mail and archives, and most hosts name no installed pack.
    from importlib.metadata import entry_points  # noqa: PLC0415

    found: dict[str, Path] = {}
    for entry in entry_points(group=GROUP):
        place = _PLACE.fullmatch(entry.value)
        if place is not None and entry.dist is not None:
            folder = entry.dist.locate_file(f"{HOME}/{place[1]}")
            found.setdefault(entry.name, Path(str(folder)))
    return found


def find_pack(pack: str | Path) -> Path:
    """The folder that ``pack`` names: that of a shipped or installed pack, else a folder.

    Args:
        pack: a name, :data:`SHIPPED` or :data:`~edge_rerank.packs.shipped.MULTILINGUAL` for those
            that come with this package, or a folder. A ``Path``, or a string with a separator in
            it as "./default", is always a folder.

    Raises:
        PackNotFound: when the default one is named and this installation lacks it.
    """
    if isinstance(pack, Path) or not _SEPARATORS.isdisjoint(pack):
        return Path(pack)
    if pack == SHIPPED:
        return shipped_pack()
    if pack == MULTILINGUAL:
        with suppress(PackNotFound):
            return multilingual_pack()
    return installed_packs().get(pack) or Path(pack)


def comes_installed(folder: Path) -> bool:
    """Whether ``folder`` is one that an installer made of a wheel.

    Installers link files from their caches, which is a folder's own business nowhere else.
    """
    if folder.absolute().parent.name != HOME:
        return False
    return folder.resolve() in {found.resolve() for found in installed_packs().values()}
