"""``edge-rerank rank``: order a file of items for a person, known by a log or by a history."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_html,
    add_items,
    add_json,
    add_log_layout,
    add_pack,
    add_policy,
    add_runtime,
    add_tables,
    add_user,
    expect_history,
    hint_at_types,
    items_of,
    log_layout,
    policy_of,
    positive,
    runtime_of,
    write_text,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.attributes import Value
from edge_rerank.formats.items import read_events
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.ranking.options import RankOptions, Repeats
from edge_rerank.render.cards import as_cards, title_of
from edge_rerank.render.html import Layout, as_html
from edge_rerank.render.presentation import Presentation
from edge_rerank.render.texttable import Column
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, Event, Item

_BAD_LINES_SHOWN = 5


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "rank",
        help="order a file of items for a person",
        description="Order items for the person whose events a log (--log) or an encrypted "
        "history (--history, with --key-file and --user) holds; for nobody without either. A log "
        "is read and not kept: everything stays in memory; --user picks one person's lines of it.",
    )
    add_items(parser)
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="a log of events, JSON lines or CSV, plain or .gz"
    )
    add_log_layout(parser)
    add_history(parser, required=False)
    add_user(parser, required=False)
    parser.add_argument("--query", metavar="TEXT", help="what the person asks for")
    parser.add_argument("--top-k", type=positive, metavar="N", help="only the first N items")
    parser.add_argument(
        "--diversity",
        type=float,
        default=0.0,
        metavar="X",
        help="strength of maximal marginal relevance, 0 to 1 (default: 0)",
    )
    parser.add_argument(
        "--host-order",
        action="store_true",
        help="the order of the items is the application's own ranking, to be blended in",
    )
    parser.add_argument(
        "--repeats",
        choices=[one.value for one in Repeats],
        default=Repeats.LEARN.value,
        help="items chosen before: last of all (never), without a gain from it (fresh), or by how "
        "the person comes back to things (learn, the default)",
    )
    parser.add_argument(
        "--context",
        type=_circumstance,
        default=[],
        action="append",
        metavar="NAME=VALUE",
        help="a circumstance of the call, as hour=20 or device=kiosk; may be given several times",
    )
    parser.add_argument(
        "--surface", metavar="NAME", help="which of the application's lists this is, as home"
    )
    add_policy(parser)
    add_html(parser)
    parser.add_argument(
        "--layout",
        choices=[layout.value for layout in Layout],
        default=Layout.CARDS.value,
        help="how the HTML page looks (default: cards)",
    )
    parser.add_argument(
        "--image",
        metavar="FIELD",
        help="the field of items that holds a picture's address, for the HTML page",
    )
    parser.add_argument(
        "--lang",
        default="en",
        metavar="TAG",
        help="language of the reasons and of the HTML page, such as zh-CN (default: en)",
    )
    add_pack(parser)
    add_tables(parser)
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Rank and print."""
    _check_combination(arguments)
    items = items_of(arguments)
    rank = _with_log if arguments.history is None else _with_history
    ranking, events = rank(arguments, items, console)
    titles = {event.item.id: title_of(event.item) for event in events if event.item is not None}
    if arguments.html is not None:
        presentation = Presentation(image=arguments.image)
        write_text(
            arguments.html,
            as_html(
                ranking,
                layout=arguments.layout,
                titles=titles,
                lang=arguments.lang,
                presentation=presentation,
            ),
        )
    if arguments.user is not None and not ranking.personalised:
        console.complain("of --user nothing is known that counts: the list is nobody's")
    _say_unread(ranking, console)
    if arguments.json:
        console.say(ranking.to_json(indent=2))
    else:
        _show(ranking, titles, console)
    return EXIT_DONE


def _check_combination(arguments: argparse.Namespace) -> None:
    if arguments.history is None:
        for flag, value in (("--key-file", arguments.key_file), ("--anchor", arguments.anchor)):
            if value is not None:
                raise InvalidRequest(f"{flag}: expected together with --history")
    elif arguments.log is not None:
        raise InvalidRequest("--log: expected a log or --history, got both")
    elif arguments.key_file is None or arguments.user is None:
        raise InvalidRequest("--history: expected together with --key-file and --user")


def _with_log(
    arguments: argparse.Namespace, items: Sequence[Item], console: Console
) -> tuple[Ranking, Iterable[Event]]:
    """The ranking for the events of a log, in a session in memory; and these events."""
    events: list[Event] = []
    if arguments.log is not None:
        layout = log_layout(arguments)
        log = read_log(arguments.log, layout)
        if not log.usual:
            console.complain(f"the log was read as {log.form}")
        events, bad = read_events(arguments.log, items, user=arguments.user, layout=layout)
        _complain(bad, console)
    with (
        Reranker.open(
            arguments.pack, runtime=runtime_of(arguments), tables=arguments.tables
        ) as reranker,
        reranker.guest_session() as session,
        console.progress("item texts") as progress,
    ):
        reranker.warmup(items, progress=progress)
        session.record(events)
        return session.rank(items, **_options(arguments)), events


def _with_history(
    arguments: argparse.Namespace, items: Sequence[Item], console: Console
) -> tuple[Ranking, Iterable[Event]]:
    """The ranking for a person of an encrypted history; and the events that it looked at."""
    expect_history(arguments.history, arguments.key_file)
    with (
        Reranker.open(
            arguments.pack,
            history=arguments.history,
            key=KeyFile(arguments.key_file),
            anchor=arguments.anchor,
            runtime=runtime_of(arguments),
            tables=arguments.tables,
        ) as reranker,
        console.progress("item texts") as progress,
    ):
        events = reranker.history.events(arguments.user)
        reranker.warmup(items, progress=progress)
        return reranker.rank(items, arguments.user, **_options(arguments)), events


def _options(arguments: argparse.Namespace) -> RankOptions:
    return RankOptions(
        query=arguments.query,
        top_k=arguments.top_k,
        diversity=arguments.diversity,
        host_order=arguments.host_order,
        repeats=arguments.repeats,
        context=dict(arguments.context),
        surface=arguments.surface,
        shown=False,  # it is printed, and this process hears nothing of what comes of it
        policy=policy_of(arguments.policy),
        locale=arguments.lang,
    )


def _circumstance(text: str) -> tuple[str, Value]:
    """``NAME=VALUE``, for ``type=``; what reads as a number is one."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("expected NAME=VALUE, got no =")
    for kind in (int, float):
        with suppress(ValueError):
            return name, kind(value)
    return name, value


def _complain(bad: list[BadLine], console: Console) -> None:
    for line in bad[:_BAD_LINES_SHOWN]:
        console.complain(f"line {line.line} of the log left out: {line.reason}")
    if len(bad) > _BAD_LINES_SHOWN:
        console.complain(f"{len(bad) - _BAD_LINES_SHOWN} more lines of the log left out")
    hint_at_types(bad, console)


def _say_unread(ranking: Ranking, console: Console) -> None:
    if Degradation.TEXT_NOT_READ in ranking.degraded:
        shares = ", ".join(
            f"{share:.0%} of the {name}" for name, share in asdict(ranking.unread).items() if share
        )
        console.complain(f"in a script that the pack does not read: {shares}")


def _show(ranking: Ranking, titles: dict[str, str], console: Console) -> None:
    columns = (
        Column("#", right=True),
        Column("score", right=True),
        Column("item", flexible=True),
        Column("why", flexible=True),
    )
    rows = [
        (str(card.rank), f"{card.score:.2f}", card.title, ", ".join(card.reasons))
        for card in as_cards(ranking, titles)
    ]
    console.table(columns, rows)
