"""``edge-rerank profile``: what is stored about a person, for that person."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from edge_rerank._files import reason_of
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    EXIT_FAILED,
    NO_CONSENT,
    Subparsers,
    add_command,
    add_consent,
    add_history,
    add_html,
    add_json,
    add_language,
    add_pack,
    add_user,
    open_history,
    write_text,
)
from edge_rerank.errors import ConsentRequired, DataError
from edge_rerank.history import transfer
from edge_rerank.history.history import PERSONALISATION
from edge_rerank.history.personal_data import read_export
from edge_rerank.learning.stats import Stats, read_stats
from edge_rerank.learning.stats_page import (
    cells_of,
    comparisons,
    coverage_headings,
    coverages,
    headings_of,
    name_of,
    stats_as_html,
    varieties,
)
from edge_rerank.learning.stats_words import StatsWords
from edge_rerank.profile import read_profile
from edge_rerank.ranking.choice import open_engine
from edge_rerank.render.texttable import Column

_NOBODY = "the history knows nobody of this identifier"

_OFTEN = 4
"""Columns of statistics that say how often something was chosen; the others say where."""


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command with its own: show, stats, export, restore, keypair, forget."""
    parser = add_command(
        subparsers,
        "profile",
        help="show, export, restore or erase what is stored about a person",
        description="What an encrypted history holds about a person.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = add_command(
        actions,
        "show",
        help="a summary",
        description="Print a summary; the history's audit log notes it.",
    )
    add_pack(show)
    show.set_defaults(run=_show)
    stats = add_command(
        actions,
        "stats",
        help="statistics of the lists they were shown",
        description="Print statistics of the lists that the person was shown: clicks, ranks, other "
        "orders; the history's audit log notes it.",
    )
    add_html(stats)
    add_language(stats)
    stats.set_defaults(run=_stats)
    export = add_command(
        actions,
        "export",
        help="everything, as JSON or sealed for a recipient",
        description="Write everything that is stored about the person as one JSON object that "
        "carries its own schema; the history's audit log notes it.",
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="where to (default: standard output)"
    )
    export.add_argument(
        "--recipient",
        type=Path,
        metavar="KEY",
        help="seal it for the holder of this public key, see keypair; needs --output, a new file",
    )
    export.set_defaults(run=_export)
    restore = add_command(
        actions,
        "restore",
        help="record an export again, here or on another device",
        description="Record the events of an export in a history that is there already.",
    )
    restore.add_argument("export", type=Path, metavar="EXPORT", help="what export wrote")
    restore.add_argument(
        "--private-key", type=Path, metavar="KEY", help="opens a sealed export, see keypair"
    )
    add_consent(restore)
    restore.set_defaults(run=_restore)
    keypair = add_command(
        actions,
        "keypair",
        help="make the two keys of someone who is to receive sealed exports",
        description="Write a new X25519 key pair. The public key goes to whoever exports.",
    )
    for half in ("private", "public"):
        keypair.add_argument(
            f"--{half}", type=Path, required=True, metavar="FILE", help=f"the {half} key, new"
        )
    keypair.set_defaults(run=_keypair)
    forget = add_command(
        actions,
        "forget",
        help="erase everything",
        description="Erase all events, consents and keys of the person, and replace the key in "
        "the key file: old copies of the history do not open with it. Against a copy that was "
        "stolen together with its key, see audit rekey.",
    )
    forget.add_argument("--yes", action="store_true", help="required: this cannot be undone")
    forget.set_defaults(run=_forget)
    for action in (show, stats, export, restore, forget):
        add_history(action)
        add_user(action)
    for action in (show, stats, restore, forget):
        add_json(action)


def _show(arguments: argparse.Namespace, console: Console) -> int:
    with open_history(arguments) as history, open_engine(arguments.pack) as engine:
        profile = read_profile(history, arguments.user, unread=engine.unread)
    if arguments.json:
        console.say(profile.to_json(indent=2))
        return EXIT_DONE
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
        ("texts the pack cannot read", f"{profile.unread:.0%}" if profile.unread else ""),
        *((f"attribute: {name}", str(value)) for name, value in profile.attributes.items()),
        *(
            (f"consent: {purpose}", "given" if granted else "withdrawn")
            for purpose, granted in profile.consents.items()
        ),
    ]
    columns = (Column("what", flexible=True), Column("stored", flexible=True))
    console.table(columns, [row for row in rows if row[1]])
    if not (profile.events or profile.consents):
        console.say(f"nothing stored: {_NOBODY}")
    return EXIT_DONE


def _stats(arguments: argparse.Namespace, console: Console) -> int:
    with open_history(arguments) as history:
        stats = read_stats(history, arguments.user)
    words = StatsWords.of(arguments.language)
    if arguments.html is not None:
        write_text(arguments.html, stats_as_html(stats, words=words))
    if arguments.json:
        console.say(stats.to_json(indent=2))
    else:
        _say_stats(stats, words, console)
    return EXIT_DONE


def _say_stats(stats: Stats, words: StatsWords, console: Console) -> None:
    parts = [(words.say("all"), stats.whole), *((one.name, one) for one in stats.by_month)]
    for kind, figures in (("by_surface", stats.by_surface), ("by_order", stats.by_order)):
        parts += [(name_of(one, kind, words), one) for one in figures]
    headings = headings_of((one for _, one in parts), words)
    cells = [[words.joined(*cell) for cell in cells_of(one, words)] for _, one in parts]
    # With their intervals all figures side by side are wider than a terminal.
    for some in (slice(None, _OFTEN), slice(_OFTEN, len(headings))):
        columns = [Column("", flexible=True), *(Column(one, right=True) for one in headings[some])]
        rows = [(name, *row[some]) for (name, _), row in zip(parts, cells, strict=True)]
        console.table(columns, rows)
    for name, told in varieties(stats, words):
        console.say(f"{name}: {words.joined(*told)}")
    if covered := coverages(stats, words):
        columns = [Column(""), *(Column(one, right=True) for one in coverage_headings(words))]
        console.table(columns, [(name, *cells) for name, cells in covered])
    for name, one in comparisons(stats, words):
        console.say(
            words.say(
                "against.line",
                order=name,
                place=words.number(one.place),
                other=words.number(one.other),
                higher=words.number(one.higher),
                lists=one.lists,
            )
        )
    for estimate in stats.estimates:
        console.say(
            words.say(
                "estimate.line",
                estimator=words.say(f"estimate.{estimate.estimator}"),
                value=words.number(estimate.value, 3),
                lists=f"{estimate.effective_size:.0f}",
            )
        )
    for note in stats.notes:
        console.say(words.say("note", note=words.note(note)))


def _export(arguments: argparse.Namespace, console: Console) -> int:
    sealed = arguments.recipient is not None
    if sealed and arguments.output is None:
        console.complain("edge-rerank: nothing exported: --recipient needs --output, a new file")
        return EXIT_FAILED
    with open_history(arguments) as history:
        if sealed:
            recipient = _read_key(arguments.recipient)
            data = history.export(arguments.user, recipient, arguments.output)
        else:
            data = history.access(arguments.user)
    if data.pseudonym is None:
        console.complain(f"edge-rerank: {_NOBODY}: an export without events")
    if arguments.output is None:
        console.say(data.to_json())
        return EXIT_DONE
    if not sealed:
        write_text(arguments.output, data.to_json() + "\n")
    how = ", sealed" if sealed else ""
    console.say(f"{len(data.events)} events written to {arguments.output}{how}")
    return EXIT_DONE


def _restore(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.private_key is None:
        content = _read_bytes(arguments.export)
    else:
        content = transfer.import_sealed(arguments.export, _read_key(arguments.private_key))
    text = content.decode("utf-8", errors="replace")
    read_export(text)  # what is none leaves no consent behind
    with open_history(arguments) as history:
        if arguments.consent:
            history.consent(arguments.user, True)
        elif not history.consents(arguments.user).get(PERSONALISATION):
            raise ConsentRequired(NO_CONSENT)
        new = history.restore(text, user=arguments.user)
    if arguments.json:
        console.say(json.dumps({"recorded": new}))
    else:
        console.say(f"{new} new events recorded")
    return EXIT_DONE


def _keypair(arguments: argparse.Namespace, console: Console) -> int:
    transfer.generate_recipient_key(arguments.private, arguments.public)
    console.say(f"keep {arguments.private} to yourself, give {arguments.public} away")
    return EXIT_DONE


def _forget(arguments: argparse.Namespace, console: Console) -> int:
    if not arguments.yes:
        console.complain("edge-rerank: nothing erased: give --yes, this cannot be undone")
        return EXIT_FAILED
    with open_history(arguments) as history:
        receipt = history.forget(arguments.user)
    if arguments.json:
        console.say(receipt.to_json())
        return EXIT_DONE
    if receipt.subject is None:
        console.say(f"nothing erased: {_NOBODY}")
        return EXIT_DONE
    console.say(f"{receipt.events} events erased, with their key, consents and pseudonym")
    if receipt.key_rotated:
        console.say(f"the key in {arguments.key_file} was replaced: it opens no old copy")
    return EXIT_DONE


def _read_key(path: Path) -> bytes:
    content = _read_bytes(path)
    if len(content) != transfer.KEY_BYTES:
        raise DataError(path, f"expected a key of {transfer.KEY_BYTES} bytes, got {len(content)}")
    return content


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error


def _day(timestamp: float | None) -> str:
    if timestamp is None:
        return ""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"
