"""Lists without leakage from the future: what was chosen, among items that existed by then.

Beside items that nobody had chosen yet, what was chosen is easily told: a ranking that knows how
often things were chosen looks better on such lists than it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import ChoiceList, draw_lists
from edge_rerank.formats.dataset import DataSet, Request, chosen, locate, parse_request
from edge_rerank.formats.jsonl import Record, read_records
from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank.tables.people import Choice
from edge_rerank_export.datasets.folder_people import number_of
from edge_rerank_export.datasets.late import late_share
from edge_rerank_export.datasets.packed import write_packed
from edge_rerank_export.files import new_file
from edge_rerank_export.progress import Steps, silent


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What became of the requests of a split.

    Attributes:
        lists: that were written, one for each item chosen.
        candidates: of a list, in the mean.
        undated: requests without a time, left out.
        unborn: choices of what nobody else had chosen before, left out.
        alone: choices beside which nothing else had been chosen by others, left out.
        late: see :func:`~edge_rerank_export.datasets.late.late_share`.
    """

    lists: int
    candidates: float
    undated: int
    unborn: int
    alone: int
    late: float

    def to_dict(self) -> dict[str, Any]:
        """All attributes as JSON-ready values."""
        return asdict(self)


class _Line(NamedTuple):
    """A request and the line that it was read of."""

    record: Record
    request: Request


def redraw(
    folder: Path,
    split: str,
    out: Path,
    *,
    negatives: int | None,
    seed: int,
    steps: Steps = silent,
) -> Redrawn:
    """Write the lists of a split anew.

    Histories, queries and what was chosen stay as they are; each candidate has the popularity that
    it had at the time, as a count of people.

    Args:
        folder: a data set folder with times.
        split: whose requests.
        out: the file, new; gzipped.
        negatives: of a list, as far as there are so many items; ``None`` for all there are.
        seed: of all chance.
        steps: announces what is being done.

    Raises:
        DataError: when the folder cannot be read, has no times, or a list would have more than
            10,000 candidates.
        RecipeError: when there is something at ``out``.
    """
    with steps("read the folder"):
        data = DataSet.open(folder)
        people = _People(data, split)
    choices = people.choices()
    asked = people.asked()
    if not asked:
        wanted = "expected requests with a time and a click, in a folder with times; found none"
        raise DataError(folder, f"{split}: {wanted}")
    firsts: dict[str, list[Choice]] = defaultdict(list)
    for one in choices:
        firsts[one.item].append(one)
    # Of the first two to choose an item one at most is the person themself.
    known = [
        one
        for one in asked
        if any(other.person != one.person and other.at < one.at for other in firsts[one.item][:2])
    ]
    sizes: list[int] = []
    times: list[float] = []

    def records(update_total: int) -> Iterator[Mapping[str, Any]]:
        made = draw_lists(choices, known, people.touched(), negatives=negatives, seed=seed)
        for number, one in enumerate(made, start=1):
            if len(one.items) > MAX_CANDIDATES:
                came = f"{len(one.items)}: name a number of negatives"
                raise DataError(folder, f"expected at most {MAX_CANDIDATES} candidates, got {came}")
            sizes.append(len(one.items))
            times.append(one.choice.at)
            update(number, update_total)
            yield _redrawn(people.line_of(one.choice), one)

    with new_file(out) as draft, steps("draw") as update:
        count = write_packed(draft, records(len(known)))
        if not count:
            raise DataError(folder, f"{split}: expected items that others had chosen before")
    return Redrawn(
        lists=count,
        candidates=float(np.mean(sizes)),
        undated=people.undated,
        unborn=len(asked) - len(known),
        alone=len(known) - count,
        late=late_share(people.learnt, times),
    )


class _People:
    """Who chose what first and when, as far as the training part and a split tell."""

    def __init__(self, data: DataSet, split: str) -> None:
        self.undated = 0
        self.learnt: list[float] = []
        self._numbers: dict[str, int] = {}
        self._firsts: dict[tuple[int, str], float] = {}
        self._touched: dict[int, set[str]] = defaultdict(set)
        self._lines: dict[Choice, list[_Line]] = defaultdict(list)
        for one in data.people():
            person = number_of(one.user, self._numbers)
            self._touched[person].update(one.items)
            self.learnt += one.timestamps
            for item, at in zip(one.items, one.timestamps, strict=False):
                self._note(person, item, at)
        path = locate(data.folder, split)
        for _, (record, request) in read_records(path, partial(_read, data)):
            self._add(record, request)

    def choices(self) -> list[Choice]:
        """The first choice of each item by each person, in the order of time."""
        return sorted(Choice(at, person, item) for (person, item), at in self._firsts.items())

    def asked(self) -> list[Choice]:
        """What the requests of the split ask for, in the order of time."""
        return sorted(choice for choice, lines in self._lines.items() for _ in lines)

    def touched(self) -> Mapping[int, frozenset[str]]:
        """What each person had to do with at any time."""
        return {person: frozenset(items) for person, items in self._touched.items()}

    def line_of(self, choice: Choice) -> _Line:
        """The next line that asks for a choice."""
        return self._lines[choice].pop(0)

    def _note(self, person: int, item: str, at: float) -> None:
        former = self._firsts.get((person, item), at)
        self._firsts[person, item] = min(at, former)

    def _add(self, record: Record, request: Request) -> None:
        person = number_of(request.user, self._numbers)
        seen = [(event.item, event.timestamp) for event in request.history if event.item]
        self._touched[person].update(item.id for item, _ in seen if item is not None)
        self._touched[person].update(request.clicked)
        names = {item.id for item in chosen(request.history)}
        for item, at in seen:
            if item is not None and at and item.id in names:
                self._note(person, item.id, at)
        if request.timestamp is None:
            self.undated += 1
            return
        for name in sorted(request.clicked):
            self._note(person, name, request.timestamp)
            line = _Line(record, request)
            self._lines[Choice(request.timestamp, person, name)].append(line)


def _read(data: DataSet, record: Record) -> tuple[Record, Request]:
    return record, parse_request(data.items, record)


def _redrawn(line: _Line, drawn: ChoiceList) -> Mapping[str, Any]:
    name = drawn.choice.item
    own = {
        "candidates": list(drawn.items),
        "clicked": [name],
        "popularity": list(drawn.popularity),
    }
    if name in line.request.dwell_s:
        own["dwell_s"] = [line.request.dwell_s[name]]
    return {**{key: value for key, value in line.record.items() if key != "dwell_s"}, **own}
