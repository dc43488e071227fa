"""``edge-rerank demo``: one person, one catalogue, before and after."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_json,
    add_language,
    add_pack,
    add_runtime,
    runtime_of,
)
from edge_rerank.formats.items import example_catalogue, read_events, read_items
from edge_rerank.ranked import RankedItem
from edge_rerank.render.cards import phrases, title_of
from edge_rerank.render.texttable import Column
from edge_rerank.render.words import CHINESE, ENGLISH, Words
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import Event, EventType, Item

SHOWN = 8
_USER = "robin"
_CLICKED = "moon-map"


@dataclass(frozen=True, slots=True)
class _Tongue:
    """What the demo says in one language.

    Attributes:
        deeds: what somebody did, by type.
        days: of the week, Monday first.
        seconds: with a place for a number.
        did, both, likes: headings, with places for a number of items or a title.
        happened, shown: columns of the tables.
        end: with places for milliseconds, the provider and, if wanted, the pack.
        reasons: why an item stands where it does.
    """

    deeds: Mapping[EventType, str]
    days: tuple[str, ...]
    seconds: str
    did: str
    both: str
    likes: str
    happened: tuple[str, str, str, str]
    shown: tuple[str, str, str, str]
    end: str
    reasons: Words


_TONGUES = {
    "en": _Tongue(
        deeds={
            EventType.CLICK: "clicked",
            EventType.VIEW: "read",
            EventType.LIKE: "liked",
            EventType.DISMISS: "turned down",
            EventType.SEARCH: "searched for",
        },
        days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        seconds="{:.0f} s",
        did="What Robin did",
        both="{} items: for everybody, and for Robin",
        likes="Robin likes “{}”, and a moment later",
        happened=("when", "what", "item", "for"),
        shown=("for everybody", "moved", "for Robin", "why"),
        end="The last call took {:.1f} ms on {}.\n"
        "Nothing was written to disk and nothing was sent anywhere.",
        reasons=ENGLISH,
    ),
    "zh": _Tongue(
        deeds={
            EventType.CLICK: "点开",
            EventType.VIEW: "阅读",
            EventType.LIKE: "喜欢",
            EventType.DISMISS: "不感兴趣",
            EventType.SEARCH: "搜索",
        },
        days=("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
        seconds="{:.0f} 秒",
        did="小林做了什么",
        both="{} 个条目：给所有人的，和给小林的",
        likes="小林喜欢“{}”，片刻之后",
        happened=("时间", "做了什么", "条目", "多久"),
        shown=("给所有人", "变动", "给小林", "理由"),
        end="最后一次排序用时 {:.1f} 毫秒，运行于 {}，模型包 {}。\n"
        "没有写入磁盘，也没有发送任何数据。",
        reasons=CHINESE,
    ),
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
    add_language(parser)
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
                "pack": self.later.pack,
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
        _show(day, _TONGUES[arguments.language], console)
    return EXIT_DONE


def _live(arguments: argparse.Namespace) -> _Day:
    folder = example_catalogue(arguments.language)
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


def _show(day: _Day, tongue: _Tongue, console: Console) -> None:
    console.heading(tongue.did)
    _show_events(day.events, tongue, console)
    console.heading(tongue.both.format(len(day.everybody)))
    _show_both(day, tongue, console)
    console.heading(tongue.likes.format(title_of(day.liked)))
    _show_moves(day, tongue, console)
    console.say(tongue.end.format(day.later.took_ms, day.provider, day.later.pack))


def _show_events(events: Sequence[Event], tongue: _Tongue, console: Console) -> None:
    rows = []
    for event in events:
        when = datetime.fromtimestamp(event.timestamp or 0.0, UTC)
        day = tongue.days[when.weekday()]
        what = title_of(event.item) if event.item is not None else event.query or ""
        dwell = tongue.seconds.format(event.dwell_s) if event.dwell_s is not None else ""
        rows.append((f"{day} {when:%H:%M}", tongue.deeds[event.type], what, dwell))
    time, deed, item, span = tongue.happened
    columns = (Column(time), Column(deed), Column(item, flexible=True), Column(span, right=True))
    console.table(columns, rows)


def _show_both(day: _Day, tongue: _Tongue, console: Console) -> None:
    everybody, _, personal, why = tongue.shown
    columns = (
        Column("#", right=True),
        *(Column(name, flexible=True) for name in (everybody, personal, why)),
    )
    rows = [
        (
            str(one.rank),
            title_of(other.item),
            title_of(one.item),
            _why(one, day.titles, tongue.reasons),
        )
        for other, one in zip(day.everybody[:SHOWN], day.personal[:SHOWN], strict=True)
    ]
    console.table(columns, rows)


def _show_moves(day: _Day, tongue: _Tongue, console: Console) -> None:
    places = {ranked.item.id: ranked.rank for ranked in day.personal}
    _, moved, personal, why = tongue.shown
    columns = (
        Column("#", right=True),
        Column(moved),
        Column(personal, flexible=True),
        Column(why, flexible=True),
    )
    rows = [
        (
            str(one.rank),
            _move(places[one.item.id] - one.rank),
            title_of(one.item),
            _why(one, day.titles, tongue.reasons),
        )
        for one in day.later[:SHOWN]
    ]
    console.table(columns, rows)


def _why(ranked: RankedItem, titles: dict[str, str], words: Words) -> str:
    return next(iter(phrases(ranked.reasons, titles, words=words)), "")


def _move(places: int) -> str:
    return f"▲ {places}" if places > 0 else f"▼ {-places}" if places < 0 else ""
