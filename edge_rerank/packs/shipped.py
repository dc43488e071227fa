"""The shipped pack, and its pinned digest."""

from __future__ import annotations

from pathlib import Path

from edge_rerank.errors import PackNotFound

SHIPPED_DIGEST = "b4cc13221b2d820c540c0c6853122024cbe58de4ce7a55596278fc84dfc901d7"
"""sha256 of the shipped pack's manifest.json; whoever changes the pack changes this line."""


def shipped_pack() -> Path:
    """The folder of the shipped pack, in an installed wheel or in a checkout.

    Raises:
        PackNotFound: when this installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "models" / "default", package.parent / "models" / "default"):
        if folder.is_dir():
            return folder
    raise PackNotFound("this installation lacks the shipped pack: install edge-rerank again")
