"""The shipped packs, and their pinned digests."""

from __future__ import annotations

from pathlib import Path

from edge_rerank.errors import PackNotFound

SHIPPED_DIGEST = "b4cc13221b2d820c540c0c6853122024cbe58de4ce7a55596278fc84dfc901d7"
"""sha256 of the shipped pack's manifest.json; whoever changes the pack changes this line."""

MULTILINGUAL_DIGEST = "576768a129f868a0abb1e570d9f2bf6372569af2b0f4dcbc79c92a274e01a8cf"
"""Likewise of the one that reads Chinese beside English."""

MULTILINGUAL = "multilingual"
"""Names that one, wherever a pack is named."""


def shipped_pack() -> Path:
    """The folder of the shipped pack, in an installed wheel or in a checkout.

    Raises:
        PackNotFound: when this installation lacks it.
    """
    return _folder("default", "the shipped pack")


def multilingual_pack() -> Path:
    """Likewise the folder of the one that reads Chinese.

    Raises:
        PackNotFound: when this installation lacks it.
    """
    return _folder(MULTILINGUAL, "the pack that reads Chinese")


def pinned_digest(folder: Path) -> str:
    """What the manifest of a shipped pack has to hash to; empty for any other folder."""
    for find, digest in (
        (shipped_pack, SHIPPED_DIGEST),
        (multilingual_pack, MULTILINGUAL_DIGEST),
    ):
        try:
            if folder.resolve() == find().resolve():
                return digest
        except PackNotFound:
            continue
    return ""


def _folder(name: str, what: str) -> Path:
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "models" / name, package.parent / "models" / name):
        if folder.is_dir():
            return folder
    raise PackNotFound(f"this installation lacks {what}: install edge-rerank again")
