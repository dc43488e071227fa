"""What people of an application chose, as arrays: from a log, a data set folder, or histories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.formats.dataset import TRAIN_REQUESTS, DataSet, Request
from edge_rerank.tables.people import Deed, choices_of
from edge_rerank.types import Event, Item


@dataclass(frozen=True, slots=True, repr=False)
class Choices:
    """What people chose.

    Attributes:
        names: ids of the items.
        texts: of the items, empty where none is known.
        paths: rows of the items that each person chose, oldest first, each once, int64.
        times: UTC seconds of each of these, float64; NaN where unknown.
        shown: lists that were shown, with what was clicked.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    paths: tuple[NDArray[np.int64], ...]
    times: tuple[NDArray[np.float64], ...]
    shown: tuple[Request, ...] = ()

    @classmethod
    def of_deeds(cls, people: Sequence[Sequence[Deed]], items: Mapping[str, Item]) -> Self:
        """What each person chose first, see :func:`~edge_rerank.tables.people.choices_of`.

        Args:
            people: what each did, oldest first.
            items: the catalogue by id, as far as it is known; what was chosen beside it is an
                item without text.
        """
        firsts, _ = choices_of(people)
        names = list(dict.fromkeys([*items, *(one.item for one in firsts)]))
        rows = {name: row for row, name in enumerate(names)}
        paths: list[list[int]] = [[] for _ in people]
        times: list[list[float]] = [[] for _ in people]
        for one in firsts:
            paths[one.person].append(rows[one.item])
            times[one.person].append(one.at)
        return cls(
            tuple(names),
            tuple(items[name].text if name in items else "" for name in names),
            tuple(np.array(path, dtype=np.int64) for path in paths),
            tuple(np.array(path, dtype=np.float64) for path in times),
        )

    @classmethod
    def of_folder(cls, data: DataSet) -> Self:
        """The training part of a data set folder; nothing else of it is opened.

        Raises:
            DataError: at the first malformed line.
        """
        rows = {name: row for row, name in enumerate(data.items)}
        paths, times = [], []
        for one in data.people():
            dated = one.timestamps or (np.nan,) * len(one.items)
            firsts: dict[int, float] = {}
            # Of train_requests there are no times; then what was clicked is in the lists.
            for name, moment in zip(one.items, dated, strict=False):
                if name in rows:
                    firsts.setdefault(rows[name], moment)
            paths.append(np.array(list(firsts), dtype=np.int64))
            times.append(np.array(list(firsts.values()), dtype=np.float64))
        shown = data.requests(TRAIN_REQUESTS) if data.has(TRAIN_REQUESTS) else ()
        texts = tuple(item.text for item in data.items.values())
        return cls(tuple(data.items), texts, tuple(paths), tuple(times), tuple(shown))

    @classmethod
    def of_histories(cls, people: Iterable[Sequence[Event]], items: Iterable[Item]) -> Self:
        """What the events of a history say.

        Args:
            people: the events of each person.
            items: the host's catalogue; what it lacks has the text that the events give it.
        """
        known = {item.id: item for item in items}
        deeds = []
        for events in people:
            dated = [one for one in events if one.timestamp is not None]
            deeds.append(sorted(map(Deed.of, dated), key=lambda deed: deed.at))
            for event in events:
                if event.item is not None:
                    known.setdefault(event.item.id, event.item)
        return cls.of_deeds(deeds, known)

    @property
    def count(self) -> int:
        """How many choices there are."""
        return sum(map(len, self.paths))

    @property
    def people(self) -> int:
        """How many people chose anything."""
        return sum(len(path) > 0 for path in self.paths)

    def of_many(self, least: int) -> Self:
        """Without the items that fewer than ``least`` people chose."""
        if least <= 1:
            return self
        chosen = np.bincount(self.joined(self.paths), minlength=len(self.names))
        kept = chosen >= least
        rows = np.cumsum(kept) - 1
        often = [kept[path] for path in self.paths]
        return replace(
            self,
            names=tuple(name for name, stays in zip(self.names, kept, strict=True) if stays),
            texts=tuple(text for text, stays in zip(self.texts, kept, strict=True) if stays),
            paths=tuple(rows[path[one]] for path, one in zip(self.paths, often, strict=True)),
            times=tuple(path[one] for path, one in zip(self.times, often, strict=True)),
        )

    @staticmethod
    def joined(paths: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """The paths one after the other."""
        return np.concatenate([*paths, np.zeros(0, dtype=np.int64)])
