"""``edge-rerank profile``: what is stored about a person, for that person."""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers, add_history, open_history, write_text
from edge_rerank.profile import Profile, summarise
from edge_rerank.texttable import Column
from edge_rerank.types import Event


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command with its own: show, export, forget."""
    parser = subparsers.add_parser(
        "profile",
        help="show, export or erase what is stored about a person",
        description="What an encrypted history holds about a person.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="a summary", description="Print a summary.")
    show.add_argument("--json", action="store_true", help="print one JSON object, no table")
    show.set_defaults(run=_show)
    export = actions.add_parser(
        "export",
        help="everything, as JSON",
        description="Write the summary and every stored event as one JSON object.",
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="where to (default: standard output)"
    )
    export.set_defaults(run=_export)
    forget = actions.add_parser(
        "forget",
        help="erase everything",
        description="Erase all events, consents and keys of the person, and replace the key in "
        "the key file, so that old copies of the history stay closed.",
    )
    forget.add_argument("--yes", action="store_true", help="required: this cannot be undone")
    forget.set_defaults(run=_forget)
    for action in (show, export, forget):
        add_history(action)


def _show(arguments: argparse.Namespace, console: Console) -> int:
    profile, _ = _read(arguments)
    if arguments.json:
        console.say(profile.to_json(indent=2))
        return 0
    rows = [
        ("events", str(profile.events)),
        ("sessions", str(profile.sessions)),
        ("from", _day(profile.first)),
        ("to", _day(profile.last)),
        *((f"events: {kind.value}", str(count)) for kind, count in profile.by_type.items()),
        *((f"turns to: {name}", f"{share:.0%}") for name, share in profile.top_categories.items()),
        ("likes items", ", ".join(profile.liked)),
        ("dislikes items", ", ".join(profile.disliked)),
        ("searched for", ", ".join(profile.searches)),
        *(
            (f"consent: {purpose}", "given" if granted else "withdrawn")
            for purpose, granted in profile.consents.items()
        ),
    ]
    columns = (Column("what", flexible=True), Column("stored", flexible=True))
    console.table(columns, [row for row in rows if row[1]])
    return 0


def _export(arguments: argparse.Namespace, console: Console) -> int:
    profile, events = _read(arguments)
    everything = {
        "profile": json.loads(profile.to_json()),
        "events": [_record(event) for event in events],
    }
    text = json.dumps(everything, ensure_ascii=False, indent=2)
    if arguments.output is None:
        console.say(text)
    else:
        write_text(arguments.output, text + "\n")
        console.say(f"{len(events)} events written to {arguments.output}")
    return 0


def _forget(arguments: argparse.Namespace, console: Console) -> int:
    if not arguments.yes:
        console.complain("edge-rerank: nothing erased: give --yes, this cannot be undone")
        return 2
    with open_history(arguments.history, arguments.key_file, create=False) as history:
        receipt = history.forget(arguments.user)
    console.say(f"{receipt.events} events erased, with their key, consents and pseudonym")
    if receipt.key_rotated:
        console.say(f"the key in {arguments.key_file} was replaced: old copies stay closed")
    return 0


def _read(arguments: argparse.Namespace) -> tuple[Profile, tuple[Event, ...]]:
    with open_history(arguments.history, arguments.key_file, create=False) as history:
        events = history.all_events(arguments.user)
        consents = history.consents(arguments.user)
    return summarise(events, consents=consents, now=time.time()), events


def _day(timestamp: float | None) -> str:
    if timestamp is None:
        return ""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"


def _record(event: Event) -> dict[str, Any]:
    """An event in the form that ``import`` reads; absent fields are left out."""
    item = event.item
    record = {
        "type": event.type.value,
        "timestamp": event.timestamp,
        "item": None
        if item is None
        else {"id": item.id, "text": item.text, "categories": list(item.categories)},
        "dwell_s": event.dwell_s,
        "scroll": event.scroll,
        "query": event.query,
        "value": event.value,
        "ranking": event.ranking,
        "position": event.position,
        "id": event.id,
    }
    return {name: value for name, value in record.items() if value is not None}
