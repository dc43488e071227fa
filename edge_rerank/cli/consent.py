"""``edge-rerank consent``: what a person agrees to, given, withdrawn and shown."""

from __future__ import annotations

import argparse
import json

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_json,
    add_user,
    open_history,
)
from edge_rerank.history.history import PERSONALISATION
from edge_rerank.render.texttable import Column


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command with its own: give, withdraw, show."""
    parser = add_command(
        subparsers,
        "consent",
        help="note, withdraw or show what a person agrees to",
        description="What a person agrees to, as an encrypted history notes it. Without consent to "
        f'"{PERSONALISATION}" nothing is recorded, and nobody is ranked by what is stored.',
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    give = add_command(
        actions,
        "give",
        help="the person agrees",
        description="Note that the person has agreed. Where neither the history nor its key is "
        "there yet, both are made.",
    )
    withdraw = add_command(
        actions,
        "withdraw",
        help="the person agrees no longer",
        description="Note that the person agrees no longer: from now on nothing is recorded or "
        "read. What is stored stays until profile forget.",
    )
    show = add_command(
        actions,
        "show",
        help="what the person has decided",
        description="Print the person's decisions by purpose.",
    )
    for action, run in ((give, _give), (withdraw, _withdraw), (show, _show)):
        add_history(action)
        add_user(action)
        if action is not show:
            action.add_argument(
                "--purpose",
                default=PERSONALISATION,
                metavar="NAME",
                help=f"what for (default: {PERSONALISATION})",
            )
        add_json(action)
        action.set_defaults(run=run)


def _give(arguments: argparse.Namespace, console: Console) -> int:
    with open_history(arguments, create=True) as history:
        history.consent(arguments.user, True, arguments.purpose)
        decisions = history.consents(arguments.user)
    _say(decisions[arguments.purpose], arguments, console)
    return EXIT_DONE


def _withdraw(arguments: argparse.Namespace, console: Console) -> int:
    with open_history(arguments) as history:
        history.consent(arguments.user, False, arguments.purpose)
        decisions = history.consents(arguments.user)
    _say(decisions.get(arguments.purpose, False), arguments, console)
    if decisions and arguments.purpose == PERSONALISATION and not arguments.json:
        console.say("what is stored stays: edge-rerank profile forget erases it")
    return EXIT_DONE


def _say(granted: bool, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.json:
        console.say(json.dumps({arguments.purpose: granted}))
    else:
        console.say(f"{arguments.purpose}: {_word(granted)}")


def _show(arguments: argparse.Namespace, console: Console) -> int:
    with open_history(arguments) as history:
        decisions = dict(history.consents(arguments.user))
    if arguments.json:
        console.say(json.dumps(decisions))
    elif decisions:
        rows = [(purpose, _word(granted)) for purpose, granted in sorted(decisions.items())]
        console.table((Column("purpose"), Column("consent")), rows)
    else:
        console.say("nothing decided: nothing is recorded of this person")
    return EXIT_DONE


def _word(granted: bool) -> str:
    return "given" if granted else "withdrawn"
