"""The pack that comes with this package."""

from __future__ import annotations

from pathlib import Path

from edge_rerank.errors import PackNotFound

SHIPPED_DIGEST = "1a8af3f32338d8dae654d4dbc3e725c4684dd57bc341ba6c7970bfb95757a52b"
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
