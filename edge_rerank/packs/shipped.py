"""The shipped packs, and their pinned digests."""

from __future__ import annotations

from pathlib import Path

from edge_rerank.errors import PackNotFound

SHIPPED_DIGEST = "3cb559c9cd872026adf010efb8d54901e0e4a47eb61c3693cb9c928c95ff8e1c"
"""sha256 of the shipped pack's manifest.json; whoever changes the pack changes this line."""

MULTILINGUAL_DIGEST = "f169117c2f1f593716f0781ddb72f76fa6f1d890771863c964959e5878027270"
"""Likewise of the one that reads Chinese and European languages beside English."""

MULTILINGUAL = "multilingual"
"""Names that one, wherever a pack is named."""


def shipped_pack() -> Path:
    """The folder of the shipped pack, in an installed wheel or in a checkout.

    Raises:
        PackNotFound: when this installation lacks it.
    """
    return _folder("default", "the shipped pack")


def multilingual_pack() -> Path:
    """Likewise the folder of the multilingual one.

    Raises:
        PackNotFound: when this installation lacks it.
    """
    return _folder(MULTILINGUAL, "the multilingual pack")


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
