"""``edge-rerank audit repair`` and ``quarantine``: what becomes of damage in a history."""

from __future__ import annotations

import argparse

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    EXIT_FAILED,
    Subparsers,
    add_command,
    add_history,
    add_json,
    expect_history,
)
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    repair = add_command(
        subparsers,
        "repair",
        help="put right flipped bits in a history",
        description="Try every bit of what does not open until its seal fits, and keep that. The "
        "check fails when something is still damaged: then put a copy back, or see quarantine.",
        checks=True,
    )
    repair.add_argument(
        "--accept-loss",
        action="store_true",
        help="go on without transactions that a damaged write-ahead log has lost",
    )
    repair.set_defaults(run=_repair)
    quarantine = add_command(
        subparsers,
        "quarantine",
        help="take out of a history what is damaged",
        description="Erase the people whose records cannot be opened, and the events that cannot, "
        "and take everything else as it is. Run repair first, and keep a copy of the file.",
        checks=True,
    )
    quarantine.add_argument("--yes", action="store_true", help="required: this cannot be undone")
    quarantine.set_defaults(run=_quarantine)
    for command in (repair, quarantine):
        add_history(command)
        add_json(command)


def _repair(arguments: argparse.Namespace, console: Console) -> int:
    with _open(arguments, accept_loss=arguments.accept_loss) as history:
        mended, whole = history.repair(), history.verify().ok
    if arguments.json:
        console.say(mended.to_json())
    else:
        console.say(f"put right: the data of {mended.people} people, {mended.events} events")
    return _verdict(console, whole=whole)


def _quarantine(arguments: argparse.Namespace, console: Console) -> int:
    if not arguments.yes:
        console.complain("edge-rerank: nothing taken out: give --yes, this cannot be undone")
        return EXIT_FAILED
    with _open(arguments) as history:
        mended, whole = history.quarantine(), history.verify().ok
    if arguments.json:
        console.say(mended.to_json())
    else:
        console.say(f"taken out: of {mended.people} people, {mended.events} events")
    return _verdict(console, whole=whole)


def _open(arguments: argparse.Namespace, *, accept_loss: bool = False) -> History:
    path, key_file = arguments.history, arguments.key_file
    expect_history(path, key_file)
    return History.open(path, KeyFile(key_file), anchor=arguments.anchor, accept_loss=accept_loss)


def _verdict(console: Console, *, whole: bool) -> int:
    if not whole:
        console.complain("edge-rerank: something is still damaged: see audit verify")
    return EXIT_DONE if whole else EXIT_CHECK_FAILED
