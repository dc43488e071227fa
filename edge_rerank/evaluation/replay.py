"""Replay: each choice of a person is asked for in turn, then learnt from.

A choice of what others had chosen by then stands among other such items (see
:mod:`edge_rerank.evaluation.choice_lists`), with the popularity they had by then, and is ranked
twice: by the pack alone, and by the pack with the head that was learnt of the person's choices
before. Then the head learns, as if the whole list had been looked at: logs of choices do not say
what was. What a person's head learns is asked for before it is learnt (prequential evaluation,
Dawid, "Statistical theory: the prequential approach", 1984).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edge_rerank._progress import Progress
from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import ChoiceList, draw_lists
from edge_rerank.evaluation.metrics import ndcg
from edge_rerank.formats.dataset import DataSet, Withheld
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Lesson, Shown
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.result import Ranking
from edge_rerank.tables.people import Choice
from edge_rerank.types import Event, Item

NEGATIVES = 19
LEAST_CHOICES = 12
"""Of a person who is replayed."""

CHOICES = 60
"""Of a person, at most, where nobody says another number."""

PLACES = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """One choice that was asked for.

    Attributes:
        number: how many choices of the person came before.
        frozen: NDCG@10 of the pack's list, 0 to 1.
        learnt: of the list with what was learnt so far.
    """

    number: int
    frozen: float
    learnt: float


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """What is replayed of one person.

    Attributes:
        choices: oldest first, each with the list it stands in; ``None`` where others had not
            chosen the same, or nothing else, by then: it would be told by that alone.
    """

    choices: tuple[tuple[Choice, ChoiceList | None], ...]

    @property
    def items(self) -> Iterator[str]:
        """Ids of all that is ranked or learnt from, repeats included."""
        for choice, listed in self.choices:
            yield choice.item
            if listed is not None:
                yield from listed.items


def draw_people(data: DataSet, *, people: int, choices: int, seed: int) -> list[Person]:
    """People of a folder's training part, drawn by chance.

    Args:
        data: must say when items were chosen.
        people: how many, as far as there are so many with ``LEAST_CHOICES``.
        choices: the first so many of each.
        seed: of people and lists.

    Raises:
        DataError: when nobody has so many dated choices, or a line is malformed.
    """
    every: list[Choice] = []
    own: dict[int, list[Choice]] = {}
    for number, one in enumerate(data.people()):
        dated = zip(one.items, one.timestamps, strict=False)
        firsts: dict[str, float] = {}
        for item, at in dated:
            if item in data.items:
                firsts.setdefault(item, at)
        mine = sorted(Choice(at, number, item) for item, at in firsts.items())
        every += mine
        if len(mine) >= LEAST_CHOICES:
            own[number] = mine
    if not own:
        raise DataError(
            data.folder, f"expected people with {LEAST_CHOICES} dated choices, found none"
        )
    order = np.random.default_rng([seed, 5]).permutation(sorted(own))[:people].tolist()
    every.sort()
    born: dict[str, float] = {}
    for choice in every:
        born.setdefault(choice.item, choice.at)
    asked = sorted(
        choice
        for number in order
        for choice in own[number][1:choices]
        if born[choice.item] < choice.at
    )
    touched = {number: frozenset(choice.item for choice in own[number]) for number in order}
    lists = draw_lists(every, asked, touched, negatives=NEGATIVES, seed=seed)
    drawn: Mapping[Choice, ChoiceList] = {one.choice: one for one in lists}
    return [
        Person(tuple((choice, drawn.get(choice)) for choice in own[number][:choices]))
        for number in order
    ]


def replay(
    engine: RankingEngine, data: DataSet, people: Sequence[Person], *, progress: Progress
) -> list[list[Asked]]:
    """Ask and learn, person by person.

    Args:
        engine: ranks.
        data: gives the items, and says whether anybody is to know how popular they are.
        people: see :func:`draw_people`.
        progress: is told how many people are done.

    Returns:
        For each person what was asked, oldest first.
    """
    done = []
    for number, person in enumerate(people):
        done.append(list(_replayed(engine, data, person)))
        progress(number + 1, len(people))
    return done


def _replayed(engine: RankingEngine, data: DataSet, person: Person) -> Iterator[Asked]:
    items, told = data.items, Withheld.POPULARITY not in data.withheld
    history: list[Event] = []
    head: Head | None = None
    for number, (choice, listed) in enumerate(person.choices):
        if listed is not None:
            candidates = [
                _as_popular(items[name], count) if told else items[name]
                for name, count in zip(listed.items, listed.popularity, strict=True)
            ]
            plain = engine.answer(candidates, history=history, head_of=Head.blank, now=choice.at)
            assert plain.shown is not None  # noqa: S101 - there are candidates and a head
            own = Head.blank(plain.shown.layout) if head is None else head
            lifted = engine.answer(
                candidates, history=history, head_of=partial(_same, own), now=choice.at
            )
            yield Asked(
                number, _found(plain.ranking, choice.item), _found(lifted.ranking, choice.item)
            )
            head = own.learn(_lesson(plain.shown, choice.item))
        history.append(Event("click", items[choice.item], timestamp=choice.at))


def _as_popular(item: Item, count: int) -> Item:
    """The item as popular as it was at the time."""
    return replace(item, popularity=float(count))


def _same(head: Head, _layout: Layout) -> Head:
    return head


def _found(ranking: Ranking, wanted: str) -> float:
    return ndcg([one.item.id == wanted for one in ranking], PLACES)


def _lesson(shown: Shown, chosen: str) -> Lesson:
    return Lesson(
        base=shown.base.astype(np.float64),
        features=shown.features,
        chosen=np.array([one == chosen for one in shown.ids], dtype=np.float64),
        preferred=(),
        at=shown.at,
    )
