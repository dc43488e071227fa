"""The commands ``keygen`` and ``sign``: a key, and packs that a host can trust by it."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from edge_rerank.packs.manifest import SIGNATURE_NAME
from edge_rerank_export.commands._arguments import Commands, add_command
from edge_rerank_export.commands._output import say
from edge_rerank_export.packing.sign import generate_key, sign_pack


def register(commands: Commands) -> None:
    """Add both commands."""
    keygen = add_command(
        commands,
        "keygen",
        run_keygen,
        "make a key to sign packs with",
        "Make a private key in a new file and print its public half.",
    )
    keygen.add_argument("key", type=Path, metavar="KEYFILE", help="outside of any repository")
    sign = add_command(
        commands,
        "sign",
        run,
        "sign a pack or tables",
        "Check a pack, or tables of a log, and write manifest.sig into the folder.",
    )
    sign.add_argument("pack", type=Path, metavar="PACK", help="the folder")
    sign.add_argument("--key", type=Path, required=True, metavar="KEYFILE", help="see keygen")


def run_keygen(arguments: argparse.Namespace, console: Console) -> None:
    """Make a key and print its public half.

    Raises:
        RecipeError: see :func:`edge_rerank_export.packing.sign.generate_key`.
    """
    public = generate_key(arguments.key)
    console.print(f"made {arguments.key.name}: keep it, nobody can make it again", highlight=False)
    say(public.hex())


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Sign a pack and print the public key.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.packing.sign.sign_pack`.
    """
    public = sign_pack(arguments.pack, arguments.key)
    console.print(f"{SIGNATURE_NAME} written; the public key is", highlight=False)
    say(public.hex())
