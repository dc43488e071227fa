"""``edge-rerank demo``: one person, one catalogue, before and after."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_json,
    add_pack,
    add_runtime,
    runtime_of,
)
from edge_rerank.formats.items import example_catalogue, read_events, read_items
from edge_rerank.render.cards import phrases, title_of
from edge_rerank.render.texttable import Column
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import Event, EventType, Item, RankedItem

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
    parser = add_command(
        subparsers,
        "demo",
        help="see an example catalogue follow a person",
        description="Rank an example catalogue for an example person, before and after one "
        "more click. Everything stays in memory.",
    )
    add_pack(parser)
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Day:
    """What the example person did, and what is shown because of it.

    Attributes:
        titles: of the whole catalogue, by id.
        events: what the person did.
        everybody: the order without a history.
        personal: the order after these events.
        liked: the item that the person likes then.
        later: the order of the rest after that.
        provider: what the model ran on.
    """

    titles: dict[str, str]
    events: Sequence[Event]
    everybody: Ranking
    personal: Ranking
    liked: Item
    later: Ranking
    provider: str

    def to_json(self) -> str:
        return json.dumps(
            {
                "events": [
                    {
                        "type": event.type.value,
                        "timestamp": event.timestamp,
                        "item": None if event.item is None else event.item.id,
                        "query": event.query,
                    }
                    for event in self.events
                ],
                "everybody": self.everybody.to_list(),
                "personal": self.personal.to_list(),
                "liked": self.liked.id,
                "later": self.later.to_list(),
            },
            ensure_ascii=False,
            indent=2,
        )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Show the example."""
    day = _live(arguments)
    if arguments.json:
        console.say(day.to_json())
    else:
        _show(day, console)
    return EXIT_DONE


def _live(arguments: argparse.Namespace) -> _Day:
    folder = example_catalogue()
    catalogue = read_items(folder / "items.jsonl")
    events, _ = read_events(folder / "events.jsonl", catalogue)
    touched = {event.item.id for event in events if event.item is not None}
    candidates = [item for item in catalogue if item.id not in touched]
    now = max(event.timestamp or 0.0 for event in events) + 60
    with Reranker.open(arguments.pack, runtime=runtime_of(arguments)) as reranker:
        reranker.consent(_USER, True)
        reranker.warmup(catalogue)
        everybody = reranker.rank(candidates, now=now)
        reranker.record(events, user=_USER)
        personal = reranker.rank(candidates, user=_USER, now=now)
        liked = next(item for item in candidates if item.id == _CLICKED)
        click = Event(EventType.CLICK, liked, timestamp=now, ranking=personal.id)
        reranker.record([click, Event(EventType.LIKE, liked, timestamp=now)], user=_USER)
        rest = [item for item in candidates if item is not liked]
        later = reranker.rank(rest, user=_USER, now=now)
        titles = {item.id: title_of(item) for item in catalogue}
        provider = reranker.engine.providers[0]
    return _Day(titles, events, everybody, personal, liked, later, provider)


def _show(day: _Day, console: Console) -> None:
    console.heading("What Robin did")
    _show_events(day.events, console)
    console.heading(f"{len(day.everybody)} items: for everybody, and for Robin")
    _show_both(day.everybody, day.personal, day.titles, console)
    console.heading(f"Robin likes “{title_of(day.liked)}”, and a moment later")
    _show_moves(day.personal, day.later, day.titles, console)
    console.say(
        f"The last call took {day.later.took_ms:.1f} ms on {day.provider}.\n"
        "Nothing was written to disk and nothing was sent anywhere."
    )


def _show_events(events: Sequence[Event], console: Console) -> None:
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
