"""``edge-rerank rank``: order a file of items for a person with a log of events."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers, add_pack, positive, write_text
from edge_rerank.formats.items import read_events, read_items
from edge_rerank.formats.logs import BadLine
from edge_rerank.inference.runtime import Runtime
from edge_rerank.render.cards import as_cards, title_of
from edge_rerank.render.html import Layout, as_html
from edge_rerank.render.texttable import Column
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking

_BAD_LINES_SHOWN = 5


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "rank",
        help="order a file of items for a person",
        description="Order items for the person whose events a log holds. The log is read and "
        "not kept: everything stays in memory.",
    )
    parser.add_argument(
        "--items",
        type=Path,
        required=True,
        metavar="FILE",
        help='JSON lines of {"id", "text", "categories", "popularity", "score"}, plain or .gz',
    )
    parser.add_argument(
        "--history",
        type=Path,
        metavar="FILE",
        help="a log of events, JSON lines or CSV, plain or .gz (not an encrypted history file)",
    )
    parser.add_argument("--user", metavar="USER", help="whose events of the log (default: all)")
    parser.add_argument("--query", metavar="TEXT", help="what the person asks for")
    parser.add_argument("--top-k", type=positive, metavar="N", help="only the first N items")
    parser.add_argument(
        "--diversity",
        type=float,
        default=0.0,
        metavar="X",
        help="0 to 1, how much near-copies are pushed down (default: 0)",
    )
    parser.add_argument(
        "--host-order",
        action="store_true",
        help="the order of the items is a ranking to be blended in",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, no table")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write an HTML page")
    parser.add_argument(
        "--layout",
        choices=[layout.value for layout in Layout],
        default=Layout.CARDS.value,
        help="how the HTML page looks (default: cards)",
    )
    add_pack(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Rank and print."""
    items = read_items(arguments.items)
    events, bad = (
        read_events(arguments.history, items, user=arguments.user)
        if arguments.history
        else ([], [])
    )
    _complain(bad, console)
    with (
        Reranker.open(
            arguments.pack, runtime=Runtime(arguments.providers, arguments.threads)
        ) as reranker,
        reranker.guest_session() as session,
        console.progress("item texts") as progress,
    ):
        reranker.warmup(items, progress=progress)
        session.record(events)
        ranking = session.rank(
            items,
            query=arguments.query,
            top_k=arguments.top_k,
            diversity=arguments.diversity,
            host_order=arguments.host_order,
        )
    titles = {event.item.id: title_of(event.item) for event in events if event.item is not None}
    if arguments.html is not None:
        write_text(arguments.html, as_html(ranking, layout=arguments.layout, titles=titles))
    if arguments.json:
        console.say(ranking.to_json(indent=2))
    else:
        _show(ranking, titles, console)
    return 0


def _complain(bad: list[BadLine], console: Console) -> None:
    for line in bad[:_BAD_LINES_SHOWN]:
        console.complain(f"line {line.line} of the log left out: {line.reason}")
    if len(bad) > _BAD_LINES_SHOWN:
        console.complain(f"{len(bad) - _BAD_LINES_SHOWN} more lines of the log left out")


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
