"""Conversion of a log or of another folder to a data set folder: splits in time, lists, counts.

Nothing of the future is in the past: the training part ends before the first validation list, a
list's history before the list, and the items beside the chosen one had been chosen by somebody
before. People become numbers, and personal data is taken out of search words.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import ChoiceList, draw_lists
from edge_rerank.formats.dataset import TRAIN, USERS, VALID, DataSet
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.tables.people import Choice, Deed, People, choices_of, read_people
from edge_rerank.types import Item
from edge_rerank_export.datasets.catalogue import write_catalogue
from edge_rerank_export.datasets.folder_people import described, people_of
from edge_rerank_export.datasets.packed import ENDING, write_packed
from edge_rerank_export.datasets.summary import Summary, scripts_of
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import new_folder
from edge_rerank_export.progress import Steps, silent

TEST = "test"
INFO = "info.json"


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a log is made a data set.

    Attributes:
        negatives: items beside the chosen one in a list.
        history: newest events before a list that it keeps.
        min_events: choices that a person needs to take part, from 2 on.
        valid, test: shares of the choices, the last ones in time.
        split_at: UTC seconds at which the split test begins; by its share if ``None``. The last of
            what is before it, as many as ``valid`` says, is the split valid.
        lists: of a split at most; drawn where there are more.
        seed: of all chance.
    """

    negatives: int = 19
    history: int = 100
    min_events: int = 3
    valid: float = 0.1
    test: float = 0.1
    split_at: float | None = None
    lists: int = 5_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.min_events < 2:
            raise RecipeError("--min-events: expected 2 or more: one to ask for, one before it")
        if not (self.valid > 0 and self.test > 0 and self.valid + self.test < 1):
            raise RecipeError("--valid, --test: expected shares above 0, below 1 together")


@dataclass(frozen=True, slots=True)
class Converted:
    """What was made.

    Attributes:
        summary: of it.
        bad: lines of the log that were left out, with number and reason.
    """

    summary: Summary
    bad: tuple[BadLine, ...]


def convert(
    log: Path,
    items: Sequence[Item],
    out: Path,
    conversion: Conversion,
    *,
    layout: FileLayout | None = None,
    steps: Steps = silent,
) -> Converted:
    """Make a data set folder of a log.

    Args:
        log: with a user, an item and a time in every line; or a data set folder with times, whose
            training part and lists together are split anew.
        items: the catalogue; what the log itself says of its items where it is empty.
        out: the folder, new.
        conversion: how.
        layout: what the log's columns are called and how it is written; nothing for a folder.
        steps: announces what is being done.

    Raises:
        DataError: when the log cannot be read, or gives nothing to learn from or to judge by.
        RecipeError: when there is something at ``out``, or a layout for a folder.
    """
    data: DataSet | None = None
    numbers: dict[str, int] = {}
    if log.is_dir():
        if layout is not None and layout != FileLayout():
            raise RecipeError(f"{log.name}: a data set folder: expected no words on how to read it")
        data = DataSet.open(log)
        form, items = "a data set folder", [*items, *data.items.values()]
        with steps("read the folder") as update:
            people = people_of(data, numbers, update=update)
    else:
        opened = read_log(log, layout, items)
        form = opened.form
        with steps("read the log") as update:
            people = read_people(opened, update=update)
    firsts, repeats = choices_of(people.deeds)
    try:
        plan = _Plan.of(log, firsts, conversion)
    except DataError as error:
        raise _with_bad_lines(error, people.bad) from None
    users = [] if data is None else described(data, numbers, plan.people)
    catalogue = _catalogue(items, people, plan)
    with new_folder(out) as stage:
        write_catalogue(stage, catalogue, None if data is None else log)
        write_packed(stage / f"{TRAIN}{ENDING}", plan.sequences())
        if users:
            write_packed(stage / f"{USERS}{ENDING}", users)
        lists = {}
        for split, asked in ((VALID, plan.valid), (TEST, plan.test)):
            with steps(f"draw the lists of {split}") as update:
                made = _requests(people, plan, asked, conversion)
                lists[split] = write_packed(stage / f"{split}{ENDING}", made)
                update(len(asked), len(asked))
        kept = plan.people
        chosen = {choice.item for choice in plan.choices}
        summary = Summary(
            form=form,
            people=len(kept),
            people_left_out=len(people.deeds) - len(kept),
            people_described=len(users),
            items=len(catalogue),
            items_chosen=len(chosen),
            items_without_text=sum(not item.text for item in catalogue),
            items_unknown=len(people.items.keys() - {item.id for item in items}) if items else 0,
            events=sum(len(people.deeds[person]) for person in kept),
            choices=len(plan.choices),
            repeats=repeats,
            first=people.first,
            last=people.last,
            lists=lists,
            train=len(plan.train),
            valid_from=plan.valid_from,
            test_from=plan.test_from,
            without_history=plan.without_history,
            without_others=plan.without_others,
            scripts=scripts_of(item.text for item in catalogue),
            of_nobody=people.of_nobody,
            repeated=people.repeated,
            bad=len(people.bad),
            items_repeated=len(items) - len({item.id for item in items}),
        )
        info = json.dumps(summary.to_dict(), ensure_ascii=False, indent=2)
        (stage / INFO).write_text(f"{info}\n", encoding="utf-8")
    return Converted(summary, people.bad)


def _with_bad_lines(error: DataError, bad: Sequence[BadLine]) -> DataError:
    """The error, with why lines could not be used: mostly that is why there is too little."""
    if not bad:
        return error
    first = bad[0]
    reason = f"{len(bad)} lines could not be used, as line {first.line}: {first.reason}"
    return DataError(error.path, f"{error.reason}: {reason}")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which choices are learnt from, and which are asked for."""

    choices: Sequence[Choice]
    train: Sequence[Choice]
    valid: Sequence[Choice]
    test: Sequence[Choice]
    valid_from: float
    test_from: float
    without_history: int
    without_others: int

    @classmethod
    def of(cls, log: Path, firsts: Sequence[Choice], conversion: Conversion) -> _Plan:
        """Split the choices of people who have enough of them.

        Raises:
            DataError: when a split would be empty.
        """
        counts = Counter(choice.person for choice in firsts)
        choices = [one for one in firsts if counts[one.person] >= conversion.min_events]
        if not choices:
            least = conversion.min_events
            raise DataError(log, f"expected people with {least} choices or more, found none")
        times = np.array([one.at for one in choices])
        valid_from, test_from = _borders(times, conversion)
        train = [one for one in choices if one.at < valid_from]
        begun: dict[int, float] = {}
        born: dict[str, float] = {}
        for one in choices:
            begun.setdefault(one.person, one.at)
            born.setdefault(one.item, one.at)
        late = [one for one in choices if one.at >= valid_from]
        followed = [one for one in late if begun[one.person] < one.at]
        asked = [one for one in followed if born[one.item] < one.at]
        rng = np.random.default_rng(conversion.seed)
        valid = _some([one for one in asked if one.at < test_from], conversion.lists, rng)
        test = _some([one for one in asked if one.at >= test_from], conversion.lists, rng)
        if not (train and valid and test):
            parts = f"{len(train)} choices to learn from, {len(valid)} and {len(test)} to judge by"
            left = f"{len(late) - len(followed)} of {len(late)} late ones with nothing before them"
            raise DataError(log, f"expected some of each: {parts} ({left})")
        return cls(
            *(choices, train, valid, test, valid_from, test_from),
            without_history=len(late) - len(followed),
            without_others=len(followed) - len(asked),
        )

    @property
    def people(self) -> set[int]:
        return {choice.person for choice in self.choices}

    def sequences(self) -> Iterable[dict[str, Any]]:
        """The lines of the training part, one a person."""
        chosen: dict[int, list[Choice]] = {}
        for choice in self.train:
            chosen.setdefault(choice.person, []).append(choice)
        for person, ones in sorted(chosen.items()):
            times = [_whole(one.at) for one in ones]
            yield {
                "user": str(person),
                "items": [one.item for one in ones],
                "timestamps": times,
            }


def _borders(times: NDArray[np.float64], conversion: Conversion) -> tuple[float, float]:
    """When the splits valid and test begin."""

    def last(share: float, of: NDArray[np.float64]) -> float:
        return float(np.quantile(of, 1 - share, method="higher")) if len(of) else np.inf

    if conversion.split_at is not None:
        return last(conversion.valid, times[times < conversion.split_at]), conversion.split_at
    both = conversion.valid + conversion.test
    return last(both, times), last(conversion.test, times)


def _catalogue(items: Sequence[Item], people: People, plan: _Plan) -> list[Item]:
    """The host's items, then those that the log alone names, with their counts in training."""
    counts = Counter(choice.item for choice in plan.train)
    known: dict[str, Item] = {}
    for item in items:
        known.setdefault(item.id, item)
    for name, item in people.items.items():
        known.setdefault(name, item)
    return [replace(item, popularity=float(counts[name])) for name, item in known.items()]


def _some(asked: Sequence[Choice], most: int, rng: np.random.Generator) -> Sequence[Choice]:
    if len(asked) <= most:
        return asked
    return [asked[place] for place in sorted(rng.permutation(len(asked))[:most])]


def _requests(
    people: People, plan: _Plan, asked: Sequence[Choice], conversion: Conversion
) -> Iterable[dict[str, Any]]:
    touched = {
        person: frozenset(deed.item for deed in people.deeds[person] if deed.item)
        for person in {choice.person for choice in asked}
    }
    lists = draw_lists(
        plan.choices, asked, touched, negatives=conversion.negatives, seed=conversion.seed
    )
    entries = {person: [_entry(deed) for deed in people.deeds[person]] for person in touched}
    for one in lists:
        person = one.choice.person
        end = bisect_left(people.deeds[person], one.choice.at, key=lambda deed: deed.at)
        history = entries[person][max(0, end - conversion.history) : end]
        yield _request(one, history)


def _request(one: ChoiceList, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "user": str(one.choice.person),
        "history": history,
        "candidates": list(one.items),
        "clicked": [one.choice.item],
        "popularity": list(one.popularity),
        "timestamp": _whole(one.choice.at),
    }


def _entry(deed: Deed) -> Mapping[str, Any]:
    members = {
        "item": deed.item or None,
        "type": deed.type.value,
        "timestamp": _whole(deed.at),
        "value": deed.value,
        "dwell_s": deed.dwell_s,
        "scroll": deed.scroll,
        "query": deed.query,
    }
    return {name: value for name, value in members.items() if value is not None}


def _whole(seconds: float) -> float | int:
    return int(seconds) if seconds.is_integer() else seconds
