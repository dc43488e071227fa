"""Folders in which everybody's last choice is asked for: the split of most published figures.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018: of what each person chose,
the last is for the test, the one before it for validation, everything earlier to learn from. What
is learnt from one person may be later than what is asked of another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import UNIFORM_SHARE
from edge_rerank.formats.dataset import TRAIN, VALID, DataSet
from edge_rerank.types import Item
from edge_rerank_export.datasets.catalogue import write_catalogue
from edge_rerank_export.datasets.convert import INFO, TEST
from edge_rerank_export.datasets.packed import ENDING, write_packed
from edge_rerank_export.files import new_folder
from edge_rerank_export.progress import Steps, silent

LEAST = 3
"""Choices of a person who is asked: one to learn from, one to stop by, one to judge by."""

NEGATIVES = 19
"""Items beside a choice, as in the lists of ``convert``."""


@dataclass(frozen=True, slots=True)
class LastOut:
    """What became of a folder.

    Attributes:
        people: who are asked, in both splits.
        others: people with too few choices, who are only learnt from.
        items: of the catalogue.
        choices: of all people.
    """

    people: int
    others: int
    items: int
    choices: int

    def to_dict(self) -> dict[str, Any]:
        """All attributes as JSON-ready values."""
        return asdict(self)


def leave_last_out(
    folder: Path, out: Path, *, negatives: int = NEGATIVES, seed: int = 0, steps: Steps = silent
) -> LastOut:
    """Make a folder in which everybody is asked for what they chose last.

    A person's choices are those of the training part, then what the lists of the other splits asked
    for, in the order of time; of an item that was chosen again the first one counts.

    Args:
        folder: a data set folder.
        out: the folder, new.
        negatives: of a list at most, of items that the person never chose, ten of 19 with equal
            chances and the rest by popularity to the power of 3/4, whether or not they existed by
            then.
        seed: of all chance.
        steps: announces what is being done.

    Raises:
        DataError: when the folder cannot be read, or nobody has three choices.
        RecipeError: when there is something at ``out``.
    """
    with steps("read the folder"):
        data = DataSet.open(folder)
        paths = _paths(data)
    asked = [path for path in paths if len(path.items) >= LEAST]
    if not asked:
        raise DataError(folder, f"expected people with {LEAST} choices or more, found none")
    counts = Counter(name for path in paths for name in path.learnt)
    catalogue = [replace(item, popularity=float(counts[name])) for name, item in data.items.items()]
    draw = _Draw(catalogue, negatives, np.random.default_rng(seed))
    made = LastOut(
        people=len(asked),
        others=len(paths) - len(asked),
        items=len(catalogue),
        choices=sum(len(path.items) for path in paths),
    )
    with new_folder(out) as stage:
        write_catalogue(stage, catalogue, folder)
        write_packed(stage / f"{TRAIN}{ENDING}", (path.sequence() for path in paths))
        for split, place in ((VALID, -2), (TEST, -1)):
            with steps(f"draw the lists of {split}"):
                lists = (path.request(place, draw) for path in asked)
                write_packed(stage / f"{split}{ENDING}", lists)
        info = json.dumps(made.to_dict(), indent=2)
        (stage / INFO).write_text(f"{info}\n", encoding="utf-8")
    return made


class _Draw:
    """Items to stand beside a choice."""

    def __init__(self, catalogue: list[Item], count: int, rng: np.random.Generator) -> None:
        self._names = np.array([item.id for item in catalogue])
        weights = np.array([item.popularity or 0.0 for item in catalogue]) ** 0.75
        self._sums = np.cumsum(weights)
        self._count = count
        self._rng = rng

    def beside(self, name: str, never: frozenset[str]) -> list[str]:
        """``name`` among others, none of ``never``, in a random order."""
        uniform = round(self._count * UNIFORM_SHARE)
        popular = self._rng.random(self._count - uniform) * self._sums[-1]
        places: NDArray[np.int64] = np.concatenate(
            [
                self._rng.integers(len(self._names), size=uniform),
                np.searchsorted(self._sums, popular, side="right"),
            ]
        )
        drawn = [one for one in self._names[places].tolist() if one not in never]
        items = list(dict.fromkeys([name, *drawn]))
        self._rng.shuffle(items)
        return items


@dataclass(slots=True)
class _Path:
    """What one person chose, oldest first, each item once."""

    user: str
    items: dict[str, float | None]

    @property
    def learnt(self) -> list[str]:
        names = list(self.items)
        return names[:-2] if len(names) >= LEAST else names

    def sequence(self) -> Mapping[str, Any]:
        """The line of the training part."""
        times = [self.items[name] for name in self.learnt]
        record: dict[str, Any] = {"user": self.user, "items": self.learnt}
        return record if None in times else {**record, "timestamps": times}

    def request(self, place: int, draw: _Draw) -> Mapping[str, Any]:
        """The list that asks for the choice in a place, counted from the end."""
        names = list(self.items)
        before, name = names[:place], names[place]
        times = [self.items[one] for one in before]
        history = [
            {"item": one} if at is None else {"item": one, "timestamp": at}
            for one, at in zip(before, times, strict=True)
        ]
        record: dict[str, Any] = {
            "user": self.user,
            "history": history,
            "candidates": draw.beside(name, frozenset(names)),
            "clicked": [name],
        }
        at = self.items[name]
        return record if at is None else {**record, "timestamp": at}


def _paths(data: DataSet) -> list[_Path]:
    """Everybody, in the order of the training part."""
    known: dict[str, _Path] = {}
    for number, one in enumerate(data.people()):
        times = one.timestamps or (None,) * len(one.items)
        user = f"\0{number}" if one.user is None else one.user
        path = known.setdefault(user, _Path(user, {}))
        for name, at in zip(one.items, times, strict=True):
            path.items.setdefault(name, at)
    for user, name, at in _asked(data):
        if user in known:
            known[user].items.setdefault(name, at)
    for number, path in enumerate(known.values()):
        path.user = str(number)
    return list(known.values())


def _asked(data: DataSet) -> Iterator[tuple[str, str, float | None]]:
    """What lists ask for, in the order of time, and of validation before the test without one."""
    found = [
        (request.timestamp, number, request.user, name)
        for number, split in enumerate((VALID, TEST))
        if data.has(split)
        for request in data.requests(split)
        for name in sorted(request.clicked)
        if request.user is not None
    ]
    found.sort(key=lambda one: (one[0] or 0.0, one[1]))
    for at, _, user, name in found:
        yield user, name, at
