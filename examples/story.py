"""Stories in a terminal: what a person did, what moved because of it, and why.

The examples beside this module share it. Each gives scenes; an application of your own needs none
of this.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_rerank import Event, EventType, Item, Ranking

WIDTH = 96
_MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Words:
    """What the story is told with, in the language of the application."""

    columns: tuple[str, str, str] = ("moved", "the list now", "why")
    days: tuple[str, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    gone: str = "no longer among the first {} (and where):"
    new: str = "new"
    spans: tuple[str, str] = ("{:.0f} s", "{:.0f} min")
    deeds: dict[EventType, str] = field(
        default_factory=lambda: {
            EventType.CLICK: "opened",
            EventType.VIEW: "looked at",
            EventType.SEARCH: "searched for",
            EventType.LIKE: "liked",
            EventType.DISLIKE: "disliked",
            EventType.DISMISS: "turned down",
            EventType.ADD_TO_CART: "put into the cart",
            EventType.PURCHASE: "bought",
            EventType.COMPLETE: "finished",
            EventType.RATING: "{:g} of 5 stars for",
        }
    )


@dataclass(frozen=True)
class Scene:
    """One step of a story.

    Attributes:
        title: what happens.
        did: what the person did, as it was recorded.
        before: the list that the person would have got without that.
        after: the list that the person gets.
        notes: what there is to say of it.
        shown: how many places are shown.
    """

    title: str
    did: Sequence[Event]
    before: Ranking
    after: Ranking
    notes: Sequence[str] = ()
    shown: int = 8


Why = Callable[[Ranking], Sequence[str]]
"""Says for each item of a list why it stands there."""


def read_items(path: Path) -> dict[str, Item]:
    """The items of a JSON lines file by their ids."""
    lines = path.read_text("utf-8").splitlines()
    return {item.id: item for item in (Item(**json.loads(line)) for line in lines)}


def at(day: int, clock: str) -> float:
    """UTC seconds of a time such as "18:05"; day 0 is a Monday."""
    hours, minutes = map(int, clock.split(":"))
    return (_MONDAY + timedelta(days=day, hours=hours, minutes=minutes)).timestamp()


def title_of(item: Item) -> str:
    """The first line of its text."""
    return item.text.splitlines()[0]


def in_words(titles: Mapping[str, str]) -> Why:
    """The reasons of each item, as its card says them."""
    return lambda ranking: ["; ".join(card.reasons) for card in ranking.to_cards(titles)]


def tell(scenes: Iterable[Scene], why: Why, words: Words | None = None) -> None:
    """Print a story."""
    words = words or Words()
    for number, scene in enumerate(scenes, start=1):
        print(f"{number}. {scene.title}\n")
        for event in scene.did:
            print("  ", _cut(_deed(event, words), WIDTH - 3))
        if scene.did:
            print()
        print(_table(scene, why(scene.after), words))
        print("".join(f"\n{note}" for note in scene.notes) + "\n" * bool(scene.notes))


def _table(scene: Scene, reasons: Sequence[str], words: Words) -> str:
    before = {ranked.item.id: ranked.rank for ranked in scene.before}
    after = {ranked.item.id: ranked.rank for ranked in scene.after}
    rows = [("#", *words.columns)]
    for ranked, reason in zip(scene.after[: scene.shown], reasons, strict=False):
        old = before.get(ranked.item.id)
        moved = words.new if old is None else _moved(old - ranked.rank)
        rows.append((str(ranked.rank), moved, title_of(ranked.item), reason))
    moves, titles = (max(_width(row[column]) for row in rows) for column in (1, 2))
    titles = min(titles, 40)
    lines = [
        f"{place:>3}  {_pad(moved, moves)}  {_pad(title, titles)}  {reason}"
        for place, moved, title, reason in rows
    ]
    gone = [
        f"{_cut(title_of(ranked.item), 40)} ({after.get(ranked.item.id, '–')})"
        for ranked in scene.before[: scene.shown]
        if after.get(ranked.item.id, scene.shown + 1) > scene.shown
    ]
    told = _wrapped(words.gone.format(scene.shown), gone) if gone else []
    return "\n".join([*(_cut(line.rstrip(), WIDTH) for line in lines), *told])


def _deed(event: Event, words: Words) -> str:
    moment = datetime.fromtimestamp(event.timestamp or 0.0, UTC)
    what = f"“{event.query}”" if event.item is None else title_of(event.item)
    deed = words.deeds[event.type].format(event.value)
    line = f"{words.days[moment.weekday()]} {moment:%H:%M}  {deed}  {what}"
    if event.dwell_s is None:
        return line
    short, long = words.spans
    stayed = short.format(event.dwell_s) if event.dwell_s < 100 else long.format(event.dwell_s / 60)
    return f"{line}, {stayed}"


def _moved(places: int) -> str:
    return f"▲ {places}" if places > 0 else f"▼ {-places}" if places < 0 else ""


def _wrapped(line: str, parts: Sequence[str]) -> list[str]:
    """A line and its parts, broken between them."""
    lines = [f"     {line}"]
    for place, part in enumerate(parts, start=1):
        told = part if place == len(parts) else f"{part},"
        if _width(f"{lines[-1]} {told}") > WIDTH:
            lines.append("    ")
        lines[-1] += f" {told}"
    return lines


def _width(text: str) -> int:
    """Cells of a terminal: two for a Chinese character."""
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


def _pad(text: str, width: int) -> str:
    text = _cut(text, width)
    return text + " " * (width - _width(text))


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while _width(text) >= width:
        text = text[:-1]
    return f"{text.rstrip()}…"
