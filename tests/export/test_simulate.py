"""Simulated people: who they are, what becomes of them, and the figures of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Event, EventType, HostGuard, Item
from edge_rerank.errors import DataError
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import silent
from edge_rerank_export.studies.simulate import run as module
from edge_rerank_export.studies.simulate.clicks import Judging, Lots, PositionBased, Visit
from edge_rerank_export.studies.simulate.figures import Measure, figures_of
from edge_rerank_export.studies.simulate.plan import (
    Adversary,
    Clicks,
    HostOrder,
    Impressions,
    Order,
    Plan,
    Scenario,
    Surface,
)
from edge_rerank_export.studies.simulate.play import (
    Course,
    events_of,
    make_person,
    play,
)
from edge_rerank_export.studies.simulate.ranker import (
    HostRanker,
    PackRanker,
    Ranker,
    Shown,
    open_rankers,
)
from edge_rerank_export.studies.simulate.run import simulate
from edge_rerank_export.studies.simulate.world import WANTED, World, taste
from tests.export.records import write_records

KINDS = ("bread", "planet", "violin", "garden")
WORDS = ("old", "quick", "small", "bright", "simple", "heavy", "blue", "warm", "round", "plain")
PEOPLE = 12
TINY = Plan(people=3, lists=4, candidates=8, before=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who choose of one kind of thing."""
    rng = random.Random(0)
    folder = tmp_path_factory.mktemp("data") / "tiny"
    folder.mkdir()
    write_records(
        folder / "items.jsonl",
        [
            {
                "id": f"{word}-{kind}",
                "text": f"{word} {kind}",
                "categories": [kind],
                "popularity": rng.randrange(1, 30),
            }
            for word in WORDS
            for kind in KINDS
        ],
    )
    write_records(
        folder / "train.jsonl",
        [
            {
                "user": str(number),
                "items": [f"{word}-{KINDS[number % 4]}" for word in rng.sample(WORDS, k=8)],
            }
            for number in range(PEOPLE)
        ],
    )
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="module")
def world(folder: Path, work: Path) -> World:
    return read(folder, work)


def read(folder: Path, work: Path) -> World:
    return World.read(folder, Pack.open(shipped_pack()), work=work, threads=1, steps=silent)


class Alphabetical(HostRanker):
    """Orders by id, and writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.lists: list[tuple[str, tuple[str, ...], bool]] = []

    def rank(
        self, items: Sequence[Item], user: str, *, surface: str, now: float, host_order: bool
    ) -> Shown:
        ids = [item.id for item in items]
        self.lists.append((surface, tuple(ids), host_order))
        return Shown(np.array(sorted(range(len(ids)), key=ids.__getitem__)), f"list-{now}")

    def record(self, events: Sequence[Event], user: str) -> None:
        self.told.extend(events)


def rankers() -> dict[Order, Ranker]:
    return {order: HostRanker() if order is Order.HOST else Alphabetical() for order in Order}


# -- people and lists --------------------------------------------------------------------


def test_people_want_what_the_real_one_chose(world: World) -> None:
    for number in range(4):
        wanted = taste(world, world.choices[number], np.random.default_rng(number))
        assert 0 < wanted.min() < wanted.max() < 1
        assert world.usual @ wanted == pytest.approx(WANTED)
        own = np.array([item.categories == (KINDS[number],) for item in world.items])
        assert wanted[own].mean() > 2 * wanted[~own].mean()


def test_lists_hold_what_is_popular_more_often(world: World) -> None:
    assert world.usual.sum() == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = np.zeros(len(world.items))
    among = np.ones(len(world.items), dtype=np.bool_)
    among[:4] = False
    for _ in range(300):
        rows = world.draw(6, rng, among=among)
        assert len({*rows.tolist()}) == 6
        drawn[rows] += 1
    assert not drawn[:4].any()
    famous = world.fame > np.median(world.fame[4:])
    assert drawn[famous].sum() > 1.3 * drawn[~famous].sum()


def test_a_catalogue_that_tells_nothing_but_texts(world: World) -> None:
    plain = replace(
        world, kinds=np.full_like(world.kinds, -1), fame=np.zeros_like(world.fame),
        usual=np.full_like(world.usual, 1 / len(world.usual)),
    )  # fmt: skip
    wanted = taste(plain, plain.choices[0], np.random.default_rng(0))
    assert wanted.mean() == pytest.approx(WANTED)
    own = np.array([item.categories == (KINDS[0],) for item in plain.items])
    assert wanted[own].mean() > wanted[~own].mean()


def test_too_few_to_read_a_taste_off(folder: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text((folder / "items.jsonl").read_text())
    write_records(tmp_path / "train.jsonl", [{"user": "a", "items": ["old-bread", "old-planet"]}])
    with pytest.raises(DataError, match="two people or more with 8 choices to learn from, got 0"):
        read(tmp_path, work)


def test_somebody_is_the_same_among_more_people(world: World) -> None:
    few, many = (make_person(world, replace(TINY, people=people), 1) for people in (2, 9))
    assert few.wanted.tolist() == many.wanted.tolist()
    assert few.before.tolist() == many.before.tolist()
    other = make_person(world, TINY, 2)
    assert other.wanted.tolist() != few.wanted.tolist()
    assert make_person(world, replace(TINY, seed=1), 1).wanted.tolist() != few.wanted.tolist()
    with pytest.raises(RecipeError, match=f"at most the {PEOPLE} of the folder, got 40"):
        make_person(world, replace(TINY, people=40), PEOPLE)


def test_a_switch_gives_somebody_elses_taste(world: World) -> None:
    steady = make_person(world, TINY, 0)
    assert steady.later is steady.wanted
    plan = TINY.asking(Scenario.SWITCH)
    assert plan.switch_at == 3
    assert make_person(world, plan, 0).later.tolist() != steady.wanted.tolist()
    fickle = make_person(world, plan, 0)
    every = replace(plan, host=HostOrder.PERFECT)
    host = {one: HostRanker() for one in Order}
    # By the taste of the time the host is right before the switch and after it.
    assert play(world, every, fickle, host)[0].ndcg == pytest.approx([1.0] * 4)


# -- lists and clicks --------------------------------------------------------------------


def test_the_same_seed_gives_the_same_courses(world: World) -> None:
    person = make_person(world, TINY, 0)
    first, again = (play(world, TINY, person, rankers()) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert (one.ndcg, one.clicks, one.pleased, one.regret) == (
            two.ndcg, two.clicks, two.pleased, two.regret,
        )  # fmt: skip
    frozen, learning = first
    assert (frozen.ndcg, frozen.clicks) == (learning.ndcg, learning.clicks)
    seeded = replace(TINY, seed=5)
    other = play(world, seeded, make_person(world, seeded, 0), rankers())
    assert other[0].ndcg != frozen.ndcg


def test_every_arm_sees_the_same_items_and_none_of_them_twice(world: World) -> None:
    plan = replace(TINY, clicks=Clicks.POSITION)
    person = make_person(world, plan, 0)
    told = rankers()
    play(world, plan, person, told)
    frozen, learning = told[Order.FROZEN], told[Order.LEARNING]
    assert isinstance(frozen, Alphabetical)
    assert isinstance(learning, Alphabetical)
    assert [ids for _, ids, _ in frozen.lists] == [ids for _, ids, _ in learning.lists]
    shown = [one for _, ids, _ in frozen.lists for one in ids]
    # Four lists of 8 of the 38 that were not had before.
    assert len(shown) == len({*shown}) == 32
    assert not {*shown} & {world.items[row].id for row in person.before}
    assert [event.item.id for event in frozen.told[:2] if event.item is not None] == [
        world.items[row].id for row in person.before
    ]


def test_a_small_catalogue_comes_round_again_without_what_was_had(world: World) -> None:
    plan = replace(TINY, lists=8, clicks=Clicks.POSITION)
    told = rankers()
    (_, course) = play(world, plan, make_person(world, plan, 0), told)
    ranker = told[Order.LEARNING]
    assert isinstance(ranker, Alphabetical)
    assert len(course.ndcg) == 8
    clicked: set[str] = set()
    clicks = iter([e for e in ranker.told if e.type is EventType.CLICK and e.ranking])
    for (_, ids, _), count in zip(ranker.lists, course.clicks, strict=True):
        assert not clicked & {*ids}
        clicked |= {event.item.id for event in islice(clicks, count) if event.item}
    assert clicked


def test_a_perfect_host_loses_nothing(world: World) -> None:
    plan = TINY.asking(Scenario.HOST)
    assert (plan.host, plan.adversary) == (HostOrder.PERFECT, Adversary.TURNING)
    told = rankers()
    host, _, learning, *_ = play(world, plan, make_person(world, plan, 1), told)
    assert host.ndcg == pytest.approx([1.0] * 4)
    assert host.regret == pytest.approx([0.0] * 4)
    assert min(learning.regret) >= -1e-9
    ranker = told[Order.LEARNING]
    assert isinstance(ranker, Alphabetical)
    assert all(host_order for _, _, host_order in ranker.lists)


def test_lying_clicks_go_to_what_is_wanted_least(world: World) -> None:
    plan = replace(
        TINY, clicks=Clicks.POSITION, judging=Judging(noise=0.0), surfaces=(Surface("wall", 0.0),)
    )
    ranks = []
    for adversary in (Adversary.NONE, Adversary.LYING):
        told = rankers()
        one = replace(plan, adversary=adversary)
        person = make_person(world, one, 0)
        play(world, one, person, told)
        ranker = told[Order.FROZEN]
        assert isinstance(ranker, Alphabetical)
        rows = {item.id: row for row, item in enumerate(world.items)}
        clicks = [
            e.item.id for e in ranker.told if e.type is EventType.CLICK and e.ranking and e.item
        ]
        ranks.append(np.mean([person.wanted[rows[one]] for one in clicks]))
        assert {surface for surface, _, _ in ranker.lists} == {"wall"}
    assert ranks[1] < 0.3 * ranks[0]


def test_poisoned_clicks_lie_in_a_share_of_the_lists(world: World) -> None:
    plan = replace(
        TINY, clicks=Clicks.POSITION, judging=Judging(noise=0.0), surfaces=(Surface("wall", 0.0),)
    )
    clicks = {}
    for name, adversary, lies in (
        ("honest", Adversary.NONE, 0.3),
        ("no", Adversary.POISONING, 0.0),
        ("some", Adversary.POISONING, 0.5),
        ("all", Adversary.POISONING, 1.0),
        ("lying", Adversary.LYING, 0.3),
    ):
        told = rankers()
        one = replace(plan, adversary=adversary, lies=lies)
        play(world, one, make_person(world, one, 0), told)
        ranker = told[Order.FROZEN]
        assert isinstance(ranker, Alphabetical)
        clicks[name] = [e.item.id for e in ranker.told if e.type is EventType.CLICK and e.item]
    assert clicks["no"] == clicks["honest"]
    assert clicks["all"] == clicks["lying"]
    assert clicks["some"] not in (clicks["no"], clicks["all"])
    for wrong in ({"lies": 1.5}, {"room": -1.0}):
        with pytest.raises(RecipeError, match=f"{next(iter(wrong))}: expected 0"):
            replace(plan, **wrong)  # type: ignore[arg-type]


def test_the_arms_beside_a_host_are_guarded_as_they_say(world: World) -> None:
    plan = Plan(
        scenario=Scenario.HOST, people=2, lists=6, candidates=6, before=2,
        host=HostOrder.PERFECT, room=0.0,
    )  # fmt: skip
    with ExitStack() as opened:
        orders = [arm.order for arm in plan.arms]
        packs = open_rankers(orders, shipped_pack(), world, room=0.0, threads=1, opened=opened)
        host, _, _, _, bounded = play(world, plan, make_person(world, plan, 0), packs)
        guards = {
            order: one._reranker._guard
            for order, one in packs.items()
            if isinstance(one, PackRanker)
        }
    assert bounded.ndcg == host.ndcg  # no room beside it at all
    assert guards == {
        Order.FROZEN: None,
        Order.LEARNING: None,
        Order.GUARDED: HostGuard(room=0.0),
        Order.BOUNDED: HostGuard(room=0.0, most=0.0),
    }


def test_a_taste_that_turns_over_is_right_for_the_host_alone(world: World) -> None:
    plan = replace(TINY, adversary=Adversary.TURNING, host=HostOrder.PERFECT, before=0)
    told = rankers()
    person = make_person(world, plan, 0)
    play(world, plan, person, told)
    ranker = told[Order.FROZEN]
    assert isinstance(ranker, Alphabetical)
    rows = {item.id: row for row, item in enumerate(world.items)}
    falls = [np.diff([person.wanted[rows[one]] for one in ids]) for _, ids, _ in ranker.lists]
    assert [bool((one <= 0).all()) for one in falls] == [True, False, True, False]
    assert [bool((one >= 0).all()) for one in falls] == [False, True, False, True]


def test_the_host_reports_what_happened_in_its_order() -> None:
    items = [Item(name, name) for name in "abcd"]
    visit = Visit(
        examined=np.array([True, True, False, True]),
        clicked=np.array([False, True, False, True]),
        pleased=np.array([False, False, False, True]),
        dwell_s=np.array([0.0, 10.0, 0.0, 60.0]),
    )
    shown = Shown(np.arange(4), "r")
    events = events_of(visit, items, shown, now=100.0, impressions=Impressions.SEEN)
    assert [(one.type.value, one.item.id, one.timestamp) for one in events if one.item] == [
        ("impression", "a", 101.0),
        ("impression", "b", 102.0),
        ("click", "b", 102.0),
        ("impression", "d", 113.0),
        ("click", "d", 113.0),
    ]
    assert {one.ranking for one in events} == {"r"}
    assert [one.dwell_s for one in events if one.type is EventType.CLICK] == [10.0, 60.0]
    silent_host = events_of(visit, items, shown, now=100.0, impressions=Impressions.NONE)
    assert {one.type for one in silent_host} == {EventType.CLICK}


def test_a_list_longer_than_the_catalogue(world: World) -> None:
    plan = replace(TINY, candidates=39)
    with pytest.raises(RecipeError, match="at most 38, all items that the person had not had"):
        play(world, plan, make_person(world, plan, 0), rankers())


# -- packs -------------------------------------------------------------------------------


def test_a_pack_that_learns_beside_one_that_does_not(world: World) -> None:
    """Position-based clicks that miss nothing: what is learnt moves the lists that follow."""
    plan = Plan(
        people=2, lists=15, candidates=8, before=2, clicks=Clicks.POSITION,
        surfaces=(Surface("home", 0.0),),
    )  # fmt: skip
    with ExitStack() as opened:
        orders = [arm.order for arm in plan.arms]
        packs = open_rankers(orders, shipped_pack(), world, room=1.0, threads=1, opened=opened)
        first, again = (play(world, plan, make_person(world, plan, 0), packs) for _ in range(2))
    frozen, learning = first
    assert frozen.ndcg[0] == learning.ndcg[0]
    assert frozen.ndcg != learning.ndcg
    assert [one.ndcg for one in first] == [one.ndcg for one in again]
    assert learning.rank_ms > 0
    assert learning.record_ms > 0


# -- figures -----------------------------------------------------------------------------


def course(ndcg: Sequence[float], clicks: int = 1) -> Course:
    count = len(ndcg)
    return Course([*ndcg], [*ndcg], [0.0] * count, [clicks] * count, [1] * count, 2.0, 3.0)


def test_gains_and_who_loses() -> None:
    plan = Plan(people=4, lists=20)
    played = [
        (course([0.5] * 20), course([0.5] * 10 + [0.6] * 10)),
        (course([0.5] * 20), course([0.5] * 10 + [0.6] * 10)),
        (course([0.5] * 20), course([0.5] * 20)),
        (course([0.5] * 20), course([0.46] * 20)),
    ]
    frozen, learning = figures_of(plan, played)
    assert [(part.first, part.last) for part in frozen.stretches][:2] == [(1, 2), (3, 4)]
    assert len(frozen.curve) == 20
    assert (frozen.gains, frozen.worse, frozen.curve[0].difference) == ((), None, None)
    last = learning.stretches[-1]
    assert last.difference == pytest.approx(0.04)
    assert last.difference_interval is not None
    assert last.difference_interval.low < 0.04 < last.difference_interval.high
    found = {(gain.measure, gain.lists): gain.relative for gain in learning.gains}
    assert found[Measure.NDCG, 2] == pytest.approx(0.08)
    assert found[Measure.NDCG, 20] == pytest.approx(0.03)
    assert (learning.worse, learning.worst) == (0.25, pytest.approx(0.04))
    assert (learning.rank_ms, learning.record_ms) == (2.0, 3.0)
    assert figures_of(plan, played) == (frozen, learning)


def test_time_to_recover() -> None:
    plan = Plan(people=2, lists=20, switch_at=11, scenario=Scenario.SWITCH)
    # Two clicks a list: the sixth list after the switch, after ten clicks, is good again.
    back = course([0.5] * 10 + [0.1] * 5 + [0.5] * 5, clicks=2)
    gone = course([0.5] * 10 + [0.1] * 10)
    lost, found = (arm.recovery for arm in figures_of(plan, [(gone, back)] * 2))
    assert lost is not None
    assert found is not None
    assert (lost.before, lost.after, lost.events) == (0.5, 0.1, None)
    # Five clicks from there on hold the lists at ten, twelve and fourteen alone.
    assert found.events == 9
    assert figures_of(replace(plan, switch_at=None), [(gone, back)] * 2)[1].recovery is None


# -- the whole run -----------------------------------------------------------------------


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rankers without a model; who was played."""
    played: list[int] = []

    def counted(world: World, plan: Plan, person: object, these: object) -> object:
        played.append(person.number)  # type: ignore[attr-defined]
        return play(world, plan, person, these)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_rankers", lambda *_, **__: rankers())
    monkeypatch.setattr(module, "play", counted)
    return played


def test_it_goes_on_after_a_break(
    fast: list[int], folder: Path, work: Path, tmp_path: Path
) -> None:
    def run(plan: Plan) -> object:
        (one,) = simulate(
            folder, shipped_pack(), [plan], out=tmp_path, work=work, threads=1,
            steps=lambda _: nullcontext(lambda *_: None),
        )  # fmt: skip
        return [arm.curve for arm in one.arms]

    whole = run(TINY)
    assert fast == [0, 1, 2]
    assert run(TINY) == whole
    assert fast == [0, 1, 2]
    run(replace(TINY, people=4))
    assert fast == [0, 1, 2, 3]
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    (tmp_path / "curve.jsonl").write_text("\n".join(lines[:2]) + "\n")
    assert run(TINY) == whole
    assert fast == [0, 1, 2, 3, 1, 2]
    # Killed while it wrote the last person's line.
    (tmp_path / "curve.jsonl").write_text("\n".join(lines[:4])[:-9])
    assert run(TINY) == whole
    assert fast == [0, 1, 2, 3, 1, 2, 2]
    assert run(TINY) == whole
    assert fast == [0, 1, 2, 3, 1, 2, 2]
    run(replace(TINY, seed=9))
    assert fast[-3:] == [0, 1, 2]
    for other in ("{}\n", "[1]\n", "dear diary"):
        (tmp_path / "curve.jsonl").write_text(other)
        with pytest.raises(RecipeError, match=r"curve.jsonl: expected what came of simulated"):
            run(TINY)
        assert (tmp_path / "curve.jsonl").read_text() == other


def test_the_command(
    fast: list[int],
    folder: Path,
    work: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    command = ["simulate", str(folder), "--out", str(out), "--work", str(work), "--people", "3"]
    command += ["--lists", "4", "--candidates", "8", "--before", "2", "--noise", "0.05"]
    command += ["--surface", "home=0.7", "--surface", "search=1", "--clicks", "position"]
    asked = [word for one in Scenario for word in ("--scenario", one.value)]
    assert main([*command, *asked, "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert json.loads((out / "simulate.json").read_text()) == told
    assert [one["plan"]["scenario"] for one in told["simulations"]] == [*Scenario]
    assert told["simulations"][0]["plan"]["surfaces"][1] == {"name": "search", "decline": 1.0}
    assert "another taste from list 3" in said.err
    assert "host by perfect" in said.err
    page = (out / "simulate.html").read_text()
    assert page.count("<section>") == len(Scenario)
    assert page.count('aria-label="NDCG@10 by list"') == len(Scenario)
    assert "bread" not in page
    assert len(fast) == 3 * len(Scenario)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--people", "1"], "people: expected at least 2, got 1"),
        (["--candidates", "1"], "candidates: expected 2 to 10,000, got 1"),
        (["--before", "-1"], "before: expected at least 0, got -1"),
        (["--switch-at", "101"], "switch: expected list 2 to 100, got 101"),
        (["--surface", "a=1", "--surface", "a=2"], "surfaces: expected at least one, each name"),
        (["--noise", "2"], "noise: expected 0 to 1, got 2"),
        (["--perseverance", "-1"], "perseverance: expected 0 to 1, got -1"),
    ],
)
def test_wrong_numbers(
    words: list[str],
    reason: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", str(folder), "--out", str(tmp_path / "out"), *words]) == EXIT_USAGE
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["home", "=1", "home=-1", "home=much"])
def test_a_surface_that_is_none(text: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", str(folder), "--out", str(tmp_path), "--surface", text])


def test_examination_by_surface() -> None:
    plan = replace(TINY, clicks=Clicks.POSITION)
    model = plan.model(Surface("search", 1.0), even=False)
    assert isinstance(model, PositionBased)
    assert model.examination(np.zeros(4)) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    lots = Lots.draw(np.random.default_rng(0), 4)
    assert not model.visit(np.zeros(4), lots).pleased.any()
