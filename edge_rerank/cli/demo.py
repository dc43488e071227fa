"""``edge-rerank demo``: one person, one catalogue, before and after."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers, add_pack
from edge_rerank.formats.items import example_catalogue, read_events, read_items
from edge_rerank.inference.runtime import Runtime
from edge_rerank.render.cards import phrases, title_of
from edge_rerank.render.texttable import Column
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import Event, EventType, RankedItem

SHOWN = 8
_USER = "robin"
_CLICKED = "moon-map"
_WORDS = {
    EventType.CLICK: "clicked",
    EventType.VIEW: "read",
    EventType.LIKE: "liked",
    EventType.DISMISS: "turned down",
    EventType.SEARCH: "searched for",
}


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="see an example catalogue follow a person",
        description="Rank an example catalogue for an example person, before and after one "
        "more click. Everything stays in memory.",
    )
    add_pack(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Show the example."""
    folder = example_catalogue()
    catalogue = read_items(folder / "items.jsonl")
    events, _ = read_events(folder / "events.jsonl", catalogue)
    titles = {item.id: title_of(item) for item in catalogue}
    touched = {event.item.id for event in events if event.item is not None}
    candidates = [item for item in catalogue if item.id not in touched]
    now = max(event.timestamp or 0.0 for event in events) + 60
    with Reranker.open(
        arguments.pack, runtime=Runtime(arguments.providers, arguments.threads)
    ) as reranker:
        reranker.consent(_USER, True)
        reranker.warmup(catalogue)
        before = reranker.rank(candidates, now=now)
        reranker.record(events, user=_USER)
        after = reranker.rank(candidates, user=_USER, now=now)
        clicked = next(item for item in candidates if item.id == _CLICKED)
        click = Event(EventType.CLICK, clicked, timestamp=now, ranking=after.id)
        reranker.record([click, Event(EventType.LIKE, clicked, timestamp=now)], user=_USER)
        rest = [item for item in candidates if item is not clicked]
        later = reranker.rank(rest, user=_USER, now=now)

    console.heading("What Robin did")
    _show_events(events, console)
    console.heading(f"{len(candidates)} items: for everybody, and for Robin")
    _show_both(before, after, titles, console)
    console.heading(f"Robin likes “{title_of(clicked)}”, and a moment later")
    _show_moves(after, later, titles, console)
    console.say(
        f"The last call took {later.took_ms:.1f} ms on {reranker.engine.providers[0]}.\n"
        "Nothing was written to disk and nothing was sent anywhere."
    )
    return 0


def _show_events(events: list[Event], console: Console) -> None:
    rows = []
    for event in events:
        when = datetime.fromtimestamp(event.timestamp or 0.0, UTC)
        what = title_of(event.item) if event.item is not None else event.query or ""
        dwell = f"{event.dwell_s:.0f} s" if event.dwell_s is not None else ""
        rows.append((f"{when:%a %H:%M}", _WORDS[event.type], what, dwell))
    columns = (
        Column("when"),
        Column("what"),
        Column("item", flexible=True),
        Column("for", right=True),
    )
    console.table(columns, rows)


def _show_both(
    everybody: Ranking, personal: Ranking, titles: dict[str, str], console: Console
) -> None:
    columns = (
        Column("#", right=True),
        Column("for everybody", flexible=True),
        Column("for Robin", flexible=True),
        Column("why", flexible=True),
    )
    rows = [
        (str(one.rank), title_of(other.item), title_of(one.item), _why(one, titles))
        for other, one in zip(everybody[:SHOWN], personal[:SHOWN], strict=True)
    ]
    console.table(columns, rows)


def _show_moves(before: Ranking, after: Ranking, titles: dict[str, str], console: Console) -> None:
    places = {ranked.item.id: ranked.rank for ranked in before}
    columns = (
        Column("#", right=True),
        Column("moved"),
        Column("for Robin", flexible=True),
        Column("why", flexible=True),
    )
    rows = [
        (
            str(one.rank),
            _move(places[one.item.id] - one.rank),
            title_of(one.item),
            _why(one, titles),
        )
        for one in after[:SHOWN]
    ]
    console.table(columns, rows)


def _why(ranked: RankedItem, titles: dict[str, str]) -> str:
    return next(iter(phrases(ranked.reasons, titles)), "")


def _move(places: int) -> str:
    return f"▲ {places}" if places > 0 else f"▼ {-places}" if places < 0 else ""
