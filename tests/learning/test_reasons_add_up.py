"""With a head that has learnt, what the reasons say is still what the scores are made of."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, EventType, Item, ListOrder, ListPolicy, ReasonCode
from edge_rerank.learning.head import Head
from edge_rerank.learning.host_guard import Trial
from edge_rerank.learning.interleaving import Side
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Lesson
from edge_rerank.ranking import answer as answers
from edge_rerank.ranking import explain as explain_module
from edge_rerank.ranking.answer import Answer
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.evidence import CODES, Evidence
from edge_rerank.ranking.host_order import Listed
from edge_rerank.ranking.options import RankOptions
from edge_rerank.ranking.policies.exploring import Exploring
from edge_rerank.ranking.request import Request
from edge_rerank.types import LIST_RULES

COLOURS = ("red", "blue", "green", "plain", "striped", "gold", "old", "new", "small", "large")
THINGS = ("lamp", "teapot", "scarf", "notebook", "tent", "kettle")
DAY_S = 86_400.0
CLOSE = 1e-6
KINDS = (EventType.CLICK, EventType.LIKE, EventType.PURCHASE, EventType.DISLIKE)
PEOPLE, LISTS = 3, 24
CALLS: dict[str, RankOptions] = {
    "plain": {},
    "at a moment": {"context": {"hour": 20, "device": "kiosk"}},
    "a query": {"query": "a green scarf", "context": {"hour": 8}},
    "host": {"host_order": True},
    "explored": {"policy": ListPolicy(explore=0.5), "context": {"hour": 8}},
    "fresh": {"repeats": "fresh"},
}


class Person:
    """Somebody with a taste of their own at each of two hours, and what was learnt of it."""

    def __init__(self, engine: RankingEngine, number: int) -> None:
        self.rng = np.random.default_rng([7, number])
        self.items = [
            Item(
                f"{place}",
                f"{colour} {thing}",
                [thing, colour],
                popularity=float(self.rng.integers(50)),
                score=float(self.rng.normal()) if number == 1 else None,
            )
            for place, (colour, thing) in enumerate(product(COLOURS, THINGS))
        ]
        wanted = dict(zip((8, 20), self.rng.permutation(THINGS).tolist(), strict=False))
        self.history: list[Event] = []
        self.head: Head | None = None
        for turn in range(LISTS):
            hour = (8, 20)[turn % 2]
            at = turn * DAY_S / 2
            answer = self.answer(engine, now=at, context={"hour": hour})
            listed = [ranked.item for ranked in answer.ranking]
            own = [one for one in listed if one.categories[0] == wanted[hour]] or listed
            item = own[int(self.rng.integers(len(own)))]
            shown = answer.shown
            assert shown is not None
            head = Head.blank(shown.layout) if self.head is None else self.head
            chosen = np.array([one == item.id for one in shown.ids], dtype=np.float64)
            base = shown.base.astype(np.float64)
            self.head = head.learn(Lesson(base, shown.features, chosen, (), at))
            kind = KINDS[int(self.rng.integers(len(KINDS)))]
            self.history.append(Event(kind, item, timestamp=at))

    def answer(
        self, engine: RankingEngine, *, trial: Trial | None = None, **options: object
    ) -> Answer:
        """A list of 20 items, with what was learnt so far."""
        rows = self.rng.permutation(len(self.items))[:20].tolist()
        given: RankOptions = {"now": LISTS * DAY_S, **options}  # type: ignore[typeddict-item]
        return engine.answer(
            [self.items[row] for row in rows],
            history=self.history,
            head_of=partial(_own, self.head),
            trial_of=None if trial is None else lambda _layout, _surface: trial,
            **given,
        )


def _own(head: Head | None, layout: Layout) -> Head:
    return Head.blank(layout) if head is None else head


@pytest.fixture(scope="module")
def people(engine: RankingEngine) -> list[Person]:
    made = [Person(engine, number) for number in range(PEOPLE)]
    for one in made:
        assert one.head is not None
        assert np.abs(one.head.weights).max() > 0.05
    return made


class Explained:
    """The list that was explained last: its scores before policies, by item id."""

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Explained:
    """All reasons are said, however small, and true or not."""
    seen = Explained()
    of = Listed.of

    def spy(request: Request, evidence: Evidence, *rest: object) -> Listed:
        evidence.truths.lifts[:] = True
        evidence.truths.lowers[:] = True
        listed = of(request, evidence, *rest)  # type: ignore[arg-type]
        names = (item.id for item in request.candidates)
        seen.scores = dict(zip(names, listed.scores.tolist(), strict=True))
        return listed

    monkeypatch.setattr(Listed, "of", staticmethod(spy))
    monkeypatch.setattr(explain_module, "MAX_REASONS", len(CODES))
    monkeypatch.setattr(explain_module, "_NOTHING", -1.0)
    return seen


def said(answer: Answer, codes: frozenset[ReasonCode]) -> NDArray[np.float64]:
    """What reasons with these codes come to, float64 of shape (places,)."""
    every = [one.reasons for one in answer.ranking]
    return np.array([sum(one.weight for one in own if one.code in codes) for own in every])


def told(engine: RankingEngine, answer: Answer) -> NDArray[np.float64]:
    """Log-odds of the scores that the ranking tells, float64 of shape (places,)."""
    model = engine._history
    assert model is not None
    scores = np.array([one.score for one in answer.ranking])
    return np.asarray(np.log(scores / (1 - scores)) / model.spec.slope)


def differ_alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether any two places differ by as much in both."""
    pairs = (values[:, None] - values[None, :] for values in (one, other))
    return bool(np.abs(next(pairs) - next(pairs)).max() < CLOSE)


OF_EVIDENCE = frozenset(ReasonCode) - LIST_RULES
LEARNT = frozenset({ReasonCode.LEARNT})


@pytest.mark.parametrize("call", CALLS)
def test_reasons_come_to_the_differences_of_the_scores(
    engine: RankingEngine, people: list[Person], explained: Explained, call: str
) -> None:
    learnt = 0.0
    for person, _ in product(people, range(3)):
        answer = person.answer(engine, **CALLS[call])
        own = np.array([explained.scores[one.item.id] for one in answer.ranking])
        assert np.ptp(own) > 0.1
        assert differ_alike(said(answer, OF_EVIDENCE), own)
        learnt = max(learnt, float(np.abs(said(answer, LEARNT)).max()))
    assert learnt > 0.05


@pytest.mark.parametrize("side", Side)
def test_reasons_come_to_what_a_drafted_list_tells(
    engine: RankingEngine, people: list[Person], explained: Explained, side: Side
) -> None:
    orders = set()
    for person, share in product(people, (0.0, 1.0)):
        answer = person.answer(engine, trial=Trial(side, share, 1.5), host_order=True)
        orders.add(answer.ranking.order)
        assert explained.scores
        assert np.abs(said(answer, LEARNT)).max() > 0
        assert differ_alike(said(answer, OF_EVIDENCE), told(engine, answer))
    assert ListOrder.INTERLEAVED in orders


def test_reasons_and_moves_come_to_what_an_explored_list_tells(
    engine: RankingEngine,
    people: list[Person],
    explained: Explained,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "POLICIES", (Exploring(_seed=lambda: 3),))
    down = up = 0
    for person, hour in product(people, (8, 20)):
        answer = person.answer(engine, policy=ListPolicy(explore=0.5), context={"hour": hour})
        assert explained.scores
        moves = said(answer, frozenset({ReasonCode.EXPLORED}))
        # What moved up keeps its own score, what made way has that of its new place.
        whole = said(answer, OF_EVIDENCE) + np.minimum(moves, 0)
        assert differ_alike(whole, told(engine, answer))
        down, up = down + int((moves < 0).sum()), up + int((moves > 0).sum())
    assert down == up > 5


def test_what_is_said_to_be_learnt_is_what_the_head_changes(
    engine: RankingEngine, people: list[Person], explained: Explained
) -> None:
    for person in people:
        state = person.rng.bit_generator.state
        answer = person.answer(engine, context={"hour": 20})
        with_head = dict(explained.scores)
        person.rng.bit_generator.state = state
        head, person.head = person.head, None
        person.answer(engine, context={"hour": 20})
        person.head = head
        names = [one.item.id for one in answer.ranking]
        changed = np.array([with_head[name] - explained.scores[name] for name in names])
        assert np.ptp(changed) > 0.01
        assert differ_alike(said(answer, LEARNT), changed)
