"""The shipped pack, and its pinned digest."""

from __future__ import annotations

from pathlib import Path

from edge_rerank.errors import PackNotFound

SHIPPED_DIGEST = "6fa6f0cefbf589c828ae1455fa08657e1d3ea4c5e03d0a47975696e243b2f144"
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
