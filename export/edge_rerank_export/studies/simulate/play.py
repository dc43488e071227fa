"""One simulated person: shown list after list, the same ones in every arm.

All arms go side by side: candidates and luck are drawn once for all of them, and what was clicked
in one of them is shown in none again. So arms differ in nothing but their orders, and in what
follows from these. Each list is of another part of the catalogue, until all of it was there: were
the parts drawn anew each time, what is wanted most would be had first and lists grow poorer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Event, Item
from edge_rerank.evaluation.metrics import graded_ndcg
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.studies.simulate.clicks import ClickModel, Lots, Visit, against
from edge_rerank_export.studies.simulate.plan import (
    Adversary,
    Arm,
    HostOrder,
    Impressions,
    Order,
    Plan,
    Surface,
)
from edge_rerank_export.studies.simulate.ranker import Ranker, Shown
from edge_rerank_export.studies.simulate.world import World, taste

NDCG_AT = 10

START_S = 1_600_000_000.0
"""UTC seconds of the first list, a fixed moment: the same seed is to give the same figures."""

BETWEEN_S = 12 * 3600.0
"""From one list to the next."""

_DAY_S = 86_400.0

_PEOPLE, _OWN, _OTHER, _STOCK, _LISTS, _LOTS, _LIES = range(7)
"""Streams of chance below the seed, so that none moves another."""


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one person in one arm, a number for each list.

    Attributes:
        ndcg: NDCG@10 of the list, by how likely the person wants each item.
        pleasing: clicks that please, in the mean over the person's luck.
        regret: that number for the best order of the same items, minus it.
        clicks: that were made.
        pleased: clicks that pleased.
        rank_ms: processor time of a call that ranks, in the mean.
        record_ms: of what a list's events take to record, in the mean.
    """

    ndcg: list[float] = field(default_factory=list)
    pleasing: list[float] = field(default_factory=list)
    regret: list[float] = field(default_factory=list)
    clicks: list[int] = field(default_factory=list)
    pleased: list[int] = field(default_factory=list)
    rank_ms: float = 0.0
    record_ms: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """Somebody simulated.

    Attributes:
        number: from 0.
        wanted: how likely they want each item, float64 of shape (items,).
        later: the same from the switch on.
        before: what they chose before the first list, item rows.
    """

    number: int
    wanted: NDArray[np.float64]
    later: NDArray[np.float64]
    before: NDArray[np.int64]

    @property
    def user(self) -> str:
        """By which rankers know them."""
        return f"simulated-{self.number}"


def make_person(world: World, plan: Plan, number: int) -> Person:
    """The person of this number, the same however many there are.

    Raises:
        RecipeError: when the folder has fewer people.
    """
    count = len(world.choices)
    if number >= count:
        raise RecipeError(f"people: expected at most the {count} of the folder, got {plan.people}")
    order = np.random.default_rng([plan.seed, _PEOPLE]).permutation(count)
    own = world.choices[order[number]]
    # Half-way round: somebody else, and none of the first half's if there are people enough.
    other = world.choices[order[(number + count // 2) % count]]
    chance = np.random.default_rng([plan.seed, _OWN, number])
    later = np.random.default_rng([plan.seed, _OTHER, number])
    wanted = taste(world, own, chance)
    switches = plan.switch_at is not None
    return Person(
        number, wanted, taste(world, other, later) if switches else wanted, own[: plan.before]
    )


def play(
    world: World, plan: Plan, person: Person, rankers: Mapping[Order, Ranker]
) -> tuple[Course, ...]:
    """Show one person all lists in all arms.

    Args:
        world: gives the items.
        plan: what is simulated.
        person: see :func:`make_person`.
        rankers: of the orders that the arms have.

    Returns:
        One course an arm.

    Raises:
        RecipeError: when the catalogue has not items enough for one list.
    """
    return play_arms(world, plan, person, [(arm, rankers[arm.order]) for arm in plan.arms])


def play_arms(
    world: World, plan: Plan, person: Person, arms: Sequence[tuple[Arm, Ranker]]
) -> tuple[Course, ...]:
    """:func:`play` with arms of one's own, each with who orders its lists."""
    if len(world.items) - len(person.before) < plan.candidates:
        raise RecipeError(
            f"candidates: expected at most {len(world.items) - len(person.before)}, all items "
            f"that the person had not had, got {plan.candidates}"
        )
    players = [_Player(arm, ranker, f"{person.user}-{arm.name}", plan) for arm, ranker in arms]
    stock = _Stock(world, plan, person)
    for player in players:
        player.begin([world.items[row] for row in person.before])
    for number in range(plan.lists):
        switched = plan.switch_at is not None and number + 1 >= plan.switch_at
        wanted = person.later if switched else person.wanted
        request = _draw(world, plan, stock.part(number), wanted, (person.number, number))
        for player in players:
            stock.take(request.rows[player.show(request)])
    for player in players:
        player.end()
    return tuple(player.course for player in players)


class _Stock:
    """What is left of a catalogue for one person."""

    def __init__(self, world: World, plan: Plan, person: Person) -> None:
        self._plan = plan
        self._person = person.number
        self._left = np.ones(len(world.items), dtype=np.bool_)
        self._left[person.before] = False
        self._fresh = self._left.copy()

    def part(self, number: int) -> NDArray[np.bool_]:
        """The part of the catalogue that the list of this number is drawn from."""
        wanted = self._plan.candidates
        if self._left.sum() < wanted:
            self._left[:] = True
        if (self._fresh & self._left).sum() < wanted:
            self._fresh[:] = True
        rows = np.flatnonzero(self._fresh & self._left)
        size = max(wanted, len(rows) // (self._plan.lists - number))
        rng = np.random.default_rng([self._plan.seed, _STOCK, self._person, number])
        part = np.zeros_like(self._left)
        part[rng.choice(rows, size, replace=False)] = True
        self._fresh &= ~part
        return part

    def take(self, rows: NDArray[np.intp]) -> None:
        """What was clicked is not shown again, unless nothing else is left."""
        self._left[rows] = False


@dataclass(frozen=True, slots=True, repr=False)
class _Request:
    """A list to be shown: its items in the host's order, and what clicks go by."""

    rows: NDArray[np.intp]
    items: Sequence[Item]
    wanted: NDArray[np.float64]
    felt: NDArray[np.float64]
    surface: Surface
    lots: Lots
    now: float


def _draw(
    world: World,
    plan: Plan,
    among: NDArray[np.bool_],
    wanted: NDArray[np.float64],
    stream: tuple[int, int],
) -> _Request:
    rng = np.random.default_rng([plan.seed, _LISTS, *stream])
    surface = plan.surfaces[int(rng.integers(len(plan.surfaces)))]
    rows = world.draw(plan.candidates, rng, among=among)
    here = wanted[rows]
    if plan.adversary is Adversary.TURNING and stream[1] % 2:
        here = against(here)
    if plan.host is not HostOrder.NONE:
        by = here if plan.host is HostOrder.PERFECT else world.fame[rows]
        order = np.argsort(-by, kind="stable")
        rows, here = rows[order], here[order]
    return _Request(
        rows=rows,
        items=[world.items[row] for row in rows],
        wanted=here,
        felt=against(here) if _lies(plan, stream) else here,
        surface=surface,
        lots=Lots.draw(np.random.default_rng([plan.seed, _LOTS, *stream]), len(rows)),
        now=START_S + stream[1] * BETWEEN_S,
    )


def _lies(plan: Plan, stream: tuple[int, int]) -> bool:
    """Whether clicks on a list go to what is wanted least."""
    if plan.adversary is Adversary.POISONING:
        return np.random.default_rng([plan.seed, _LIES, *stream]).random() < plan.lies
    return plan.adversary is Adversary.LYING


class _Player:
    """One person in one arm."""

    def __init__(self, arm: Arm, ranker: Ranker, user: str, plan: Plan) -> None:
        self._arm = arm
        self._ranker = ranker
        self._user = user
        self._plan = plan
        self._rank_s = 0.0
        self._record_s = 0.0
        self.course = Course()

    def begin(self, before: Sequence[Item]) -> None:
        """Choices from before the first list, one a day."""
        self._ranker.meet(self._user)
        self._ranker.record(
            [
                Event("click", item, timestamp=START_S - (len(before) - place) * _DAY_S)
                for place, item in enumerate(before)
            ],
            self._user,
        )

    def show(self, request: _Request) -> NDArray[np.intp]:
        """Rank, look, click, record; which items were clicked."""
        started = time.process_time()
        shown = self._ranker.rank(
            request.items,
            self._user,
            surface=request.surface.name,
            now=request.now,
            host_order=self._plan.host is not HostOrder.NONE,
        )
        self._rank_s += time.process_time() - started
        model = self._plan.model(request.surface, even=self._arm.even)
        visit = model.visit(request.felt[shown.order], request.lots.shown(shown.order))
        events = events_of(
            visit,
            [request.items[row] for row in shown.order],
            shown,
            now=request.now,
            impressions=self._plan.impressions,
        )
        started = time.process_time()
        self._ranker.record(events, self._user)
        self._record_s += time.process_time() - started
        self._note(request, shown, visit, self._plan.model(request.surface, even=False))
        return shown.order[visit.clicked]

    def _note(self, request: _Request, shown: Shown, visit: Visit, usual: ClickModel) -> None:
        """Judge by what the person wants, looking as people look."""
        gains = request.wanted[shown.order]
        pleasing = usual.pleasing_clicks(gains)
        self.course.ndcg.append(graded_ndcg(gains, NDCG_AT))
        self.course.pleasing.append(pleasing)
        self.course.regret.append(usual.pleasing_clicks(np.sort(gains)[::-1]) - pleasing)
        self.course.clicks.append(int(visit.clicked.sum()))
        self.course.pleased.append(int(visit.pleased.sum()))

    def end(self) -> None:
        """Let the ranker forget the person."""
        lists = len(self.course.ndcg)
        self.course = Course(
            self.course.ndcg,
            self.course.pleasing,
            self.course.regret,
            self.course.clicks,
            self.course.pleased,
            self._rank_s / lists * 1e3,
            self._record_s / lists * 1e3,
        )
        self._ranker.part(self._user)


def events_of(
    visit: Visit, items: Sequence[Item], shown: Shown, *, now: float, impressions: Impressions
) -> list[Event]:
    """What a host records of a visit, in the order in which it happened.

    Args:
        visit: what became of the list.
        items: of each place.
        shown: the list.
        now: UTC seconds at which it was shown; a glance takes a second.
        impressions: what is reported beside clicks.
    """
    events = []
    moment = now
    for place in np.flatnonzero(visit.examined).tolist():
        moment += 1.0
        if impressions is Impressions.SEEN:
            events.append(Event("impression", items[place], timestamp=moment, ranking=shown.id))
        if visit.clicked[place]:
            dwell_s = float(visit.dwell_s[place])
            events.append(
                Event("click", items[place], timestamp=moment, dwell_s=dwell_s, ranking=shown.id)
            )
            moment += dwell_s
    return events
