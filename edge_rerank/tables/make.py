"""Tables of a log made: pairs, counts over time, and successions, as far as asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer
from edge_rerank._progress import StepProgress
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.history.history import History
from edge_rerank.packs.tables import Tables
from edge_rerank.ranking.signals.counts import Counts
from edge_rerank.ranking.signals.pairs import Pairs
from edge_rerank.ranking.signals.sequence import Successions
from edge_rerank.ranking.signals.table import Table
from edge_rerank.tables.choices import Choices
from edge_rerank.tables.counts import count_items
from edge_rerank.tables.folder import check_out, write_tables
from edge_rerank.tables.pairs import count_pairs
from edge_rerank.tables.sequence import SuccessionTraining, common_steps, train_succession
from edge_rerank.types import Item

PURPOSE = "tables"
"""The purpose without whose consent a person's history is not counted."""

MIN_PEOPLE = 20
"""People behind everything that the tables of histories say, at least."""

_SEED = 0
_LEAST, _ENOUGH, _MOST = 50, 800, 1_600
_STEPS_BY_ROOT = 3.2

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Unit vectors of texts, float32 of shape (n, dim); zeros for blank ones."""


class Part(StrEnum):
    """What can be made."""

    PAIRS = "pairs"
    COUNTS = "counts"
    SUCCESSIONS = "successions"


@dataclass(frozen=True, slots=True)
class Making:
    """How tables are made.

    Attributes:
        skip: what is not made.
        min_people: what fewer people did is left out: items that fewer chose, pairs that fewer
            chose together, steps from one item to the next that fewer took; and a moment of an
            item's counts is that of so many choices. 1 for everything.
        steps: of learning the successions; by the number of choices if ``None``, see
            :func:`steps_for`.
    """

    skip: Collection[Part] = ()
    min_people: int = 1
    steps: int | None = None

    def __post_init__(self) -> None:
        check_integer(self.min_people, "min_people", InvalidRequest, minimum=1)
        if self.steps is not None:
            check_integer(self.steps, "steps", InvalidRequest, minimum=1)
        if set(self.skip) >= set(Part):
            raise InvalidRequest("skip: expected at least one kind of table to be left")


def steps_for(choices: int) -> int:
    """Steps of learning successions, of about 1,024 choices each.

    3.2·√choices, 50 at least, up to 800; from half a million choices on one for 625, up to 1,600.
    More steps learn a small log by heart: NDCG@10 of the table alone after 100, 200, 400 and 800
    steps is 0.361, 0.322, 0.319 and 0.317 of games with 994 choices, and of films 0.388, 0.458,
    0.454, 0.413 with 3,781, 0.387, 0.482, 0.483, 0.459 with 8,944, 0.381, 0.489, 0.523, 0.550 with
    29,410.
    800 steps do not see each of a million choices once: there 3,200 lifted the table from 0.731 to
    0.772. 1,600 leave all tables of a million choices within a minute of processor time.
    """
    small = min(_STEPS_BY_ROOT * choices**0.5, _ENOUGH)
    return int(max(small, min(choices / 625, _MOST), _LEAST))


def make(
    choices: Choices,
    making: Making,
    *,
    encode: Encode | None = None,
    progress: StepProgress | None = None,
) -> dict[str, Table]:
    """Make the tables.

    Args:
        choices: what people chose.
        making: how.
        encode: reads the items' texts; without it, or without texts, no successions are made.
        progress: is told how far each step has come.

    Returns:
        By the names of the signals that read them.
    """
    names, least, skip = choices.names, making.min_people, set(making.skip)
    if encode is None or not any(text.strip() for text in choices.texts):
        skip.add(Part.SUCCESSIONS)

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)

    made: dict[str, Table] = {}
    if Part.PAIRS not in skip:
        tell("pairs", 0, 1)
        made[Pairs.name] = count_pairs(names, choices.paths, min_people=least).table
        tell("pairs", 1, 1)
    if Part.COUNTS not in skip:
        tell("counts", 0, 1)
        made[Counts.name] = count_items(
            names,
            Choices.joined(choices.paths),
            np.concatenate([*choices.times, np.zeros(0)]),
            choices.shown,
            min_people=least,
        )
        tell("counts", 1, 1)
    if Part.SUCCESSIONS not in skip and encode is not None:
        texts = encode(choices.texts)
        made[Successions.name] = train_succession(
            names,
            texts,
            common_steps(choices.paths, least, len(names)),
            SuccessionTraining(steps=_steps(choices, making)),
            seed=[_SEED],
            progress=partial(tell, "successions"),
        )
    return made


def make_folder(
    choices: Choices,
    out: Path,
    making: Making,
    *,
    encode: Encode | None = None,
    progress: StepProgress | None = None,
    now: float | None = None,
) -> Tables:
    """Make tables and write them, in the place of earlier ones.

    Args:
        choices: what people chose.
        out: a folder, see :func:`~edge_rerank.tables.folder.write_tables`.
        making: how.
        encode: see :func:`make`.
        progress: likewise.
        now: UTC seconds; those of the clock if ``None``.

    Raises:
        DataError: when nobody chose anything, or the folder cannot be written.
    """
    out = out.resolve()
    check_out(out)
    choices = choices.of_many(making.min_people)
    if not choices.count:
        raise DataError(out, f"expected items that {making.min_people} people chose, found none")
    made = make(choices, making, encode=encode, progress=progress)
    if not made:
        raise DataError(out, "expected texts of items for successions, and nothing else was asked")
    settings = {"min_people": float(making.min_people)}
    if Successions.name in made:
        settings["steps"] = float(_steps(choices, making))
    return write_tables(
        out,
        made,
        name=out.name or PURPOSE,
        made=int(time.time() if now is None else now),
        counted={
            "people": choices.people,
            "choices": choices.count,
            "items": len(choices.names),
        },
        settings=settings,
    )


def make_history_tables(
    history: History,
    out: Path,
    *,
    items: Iterable[Item] = (),
    min_people: int = MIN_PEOPLE,
    encode: Encode | None = None,
    progress: StepProgress | None = None,
) -> Tables:
    """Make tables of what is kept about the people of one store who agreed to that.

    The audit log notes it before the first event is read.

    Args:
        history: where several people's events are.
        out: a folder, see :func:`~edge_rerank.tables.folder.write_tables`.
        items: the host's catalogue, for its texts.
        min_people: see :class:`Making`; at least ``MIN_PEOPLE``.
        encode: see :func:`make`.
        progress: likewise.

    Raises:
        InvalidRequest: when fewer people are asked for.
        DataError: when there is no item that so many people chose, or the folder cannot be
            written.
        HistoryError: when the history cannot be read, or the audit log not written.
    """
    wanted = f"an integer ≥ {MIN_PEOPLE}"
    making = Making(
        min_people=check_integer(
            min_people, "min_people", InvalidRequest, minimum=MIN_PEOPLE, wanted=wanted
        )
    )
    check_out(out)
    choices = Choices.of_histories(history.agreed(PURPOSE), items)
    return make_folder(choices, out, making, encode=encode, progress=progress)


def _steps(choices: Choices, making: Making) -> int:
    return steps_for(choices.count) if making.steps is None else making.steps
