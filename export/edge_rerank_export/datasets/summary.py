"""Summary of a data set that was made: people, items, events, lists, scripts of its texts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a log.

    Attributes:
        form: what it was found to be.
        people: with enough choices.
        people_left_out: with fewer.
        people_described: with enough, of whom a folder that was split anew says attributes.
        items: in the catalogue.
        items_chosen: of them.
        items_without_text: of them.
        items_unknown: that the log names and the file of items does not.
        events: of these people.
        choices: an item's first event with a person, where that is a choice.
        repeats: share of what was chosen that the person had to do with before, 0 to 1.
        first, last: UTC seconds of the first and the last event.
        lists: requests by split.
        train: choices in the training part.
        valid_from, test_from: UTC seconds at which these splits begin.
        without_history: choices late enough to be asked for, with nothing before them.
        without_others: those of items that nobody had chosen before.
        scripts: shares of the letters of the items' texts, the largest first.
        of_nobody: events of nobody.
        repeated: events that were there more than once.
        bad: lines that could not be used.
        items_repeated: lines of the file of items with an id that was there before.
    """

    form: str
    people: int
    people_left_out: int
    people_described: int
    items: int
    items_chosen: int
    items_without_text: int
    items_unknown: int
    events: int
    choices: int
    repeats: float
    first: float
    last: float
    lists: Mapping[str, int]
    train: int
    valid_from: float
    test_from: float
    without_history: int
    without_others: int
    scripts: Mapping[str, float]
    of_nobody: int
    repeated: int
    bad: int
    items_repeated: int

    def to_dict(self) -> dict[str, Any]:
        """All attributes as JSON-ready values."""
        return {**asdict(self), "lists": dict(self.lists), "scripts": dict(self.scripts)}

    def rows(self) -> list[tuple[str, str]]:
        """The same for people: what, and how much."""
        scripts = ", ".join(f"{name} {share:.0%}" for name, share in self.scripts.items())
        lists = ", ".join(f"{name} {count}" for name, count in self.lists.items())
        return [
            ("people", f"{self.people} ({self.people_left_out} with too few choices left out)"),
            *([("described", f"{self.people_described} people")] if self.people_described else []),
            ("items", f"{self.items} ({self.items_chosen} chosen by somebody)"),
            ("items without a text", f"{self.items_without_text} ({self.items_unknown} unknown)"),
            ("events", f"{self.events}, {day(self.first)} to {day(self.last)}"),
            ("choices", f"{self.choices}, and {self.repeats:.0%} repeats that are not asked for"),
            ("training part", f"{self.train} choices before {day(self.valid_from)}"),
            ("lists", f"{lists}; test from {day(self.test_from)}"),
            ("no lists", f"{self.without_history} choices with nothing before them"),
            ("no lists", f"{self.without_others} of items nobody had chosen before"),
            ("scripts", scripts or "no texts"),
            ("left out", f"{self.bad} bad lines, {self.of_nobody} of nobody"),
            ("repeated", f"{self.repeated} events, {self.items_repeated} items"),
        ]


def day(timestamp: float) -> str:
    """The day of a moment, UTC."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"


def scripts_of(texts: Iterable[str]) -> dict[str, float]:
    """Shares of the five commonest scripts among the letters of texts, the largest first.

    A letter's script is the first word of its Unicode name: LATIN, CYRILLIC, CJK, HIRAGANA.
    """
    counts: Counter[str] = Counter()
    for letter, count in Counter(sign for text in texts for sign in text).items():
        if letter.isalpha():
            counts[unicodedata.name(letter, "OTHER").split()[0].capitalize()] += count
    total = counts.total()
    return {name: count / total for name, count in counts.most_common(5)}
