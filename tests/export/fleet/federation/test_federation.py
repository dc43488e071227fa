"""A fleet's arithmetic: its ledger, its position, the pack that devices take, and its report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Item, Reranker
from edge_rerank.errors import PackUnsupported, PrivacyBudgetSpent
from edge_rerank.history.budget import epsilon_of, rho_of_noise
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import SPREAD, STRETCH, vector_of
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.sources.personal import read_axes
from edge_rerank_export.cli import build_parser
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.fleet.federation.evidence.draws import membership_of_drawn
from edge_rerank_export.fleet.federation.evidence.membership import Places, membership
from edge_rerank_export.fleet.federation.evidence.rehearsal import rehearsed
from edge_rerank_export.fleet.federation.server.crowd import WAYS, known_directions
from edge_rerank_export.fleet.federation.server.ledger import Ledger, Promise, noise_for
from edge_rerank_export.fleet.federation.server.prior import (
    CROWD,
    STEP,
    kinds,
    moved,
    noise_after,
    prior_of,
    start_of,
    write_prior,
)
from edge_rerank_export.fleet.federation.server.report import as_json, as_text, report_of
from edge_rerank_export.fleet.federation.simulation.gain import figures_of
from edge_rerank_export.fleet.federation.simulation.plan import FleetPlan

LAYOUT = Layout("pack", "a" * 64, ("content", "popularity"), 4)
WIDTH = LAYOUT.width


# -- the ledger -----------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [8.0, 1.0])
def test_the_least_noise_is_just_enough(epsilon: float) -> None:
    noise = noise_for(epsilon, 20)
    assert epsilon_of(20 * rho_of_noise(noise)) <= epsilon
    assert epsilon_of(20 * rho_of_noise(noise - 2e-3)) > epsilon


def test_a_ledger_stops_at_epsilon() -> None:
    ledger = Ledger(Promise())
    for _ in range(20):
        ledger.spend()
    assert 7.9 < ledger.epsilon <= 8.0
    with pytest.raises(PrivacyBudgetSpent, match="with another round"):
        ledger.spend()
    assert ledger.rounds == 20
    again = Ledger(Promise(), rounds=20)
    with pytest.raises(PrivacyBudgetSpent):
        again.check()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": 8.1}, "epsilon"),
        ({"clients": 99}, "clients"),
        ({"rounds": 0}, "rounds"),
        ({"noise": 1.0}, "noise"),
        ({"noise": float("nan")}, "noise"),
    ],
)
def test_promises_that_are_too_weak_are_refused(change: dict[str, float], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        Promise(**change)  # type: ignore[arg-type]


def test_noise_is_never_below_the_clip() -> None:
    assert Promise(epsilon=8.0, rounds=1).noise == 1.0


# -- the position ---------------------------------------------------------------------


def test_a_position_is_a_prior_and_back() -> None:
    usual = prior_of(start_of(LAYOUT), LAYOUT)
    assert not usual.mean.any()
    assert usual.precision == pytest.approx(LAYOUT.prior(), rel=1e-6)
    begun = replace(LAYOUT, start=Prior.of(np.full(WIDTH, 0.2), LAYOUT.prior() / 2))
    position = start_of(begun)
    assert position[WIDTH:] == pytest.approx(np.full(WIDTH, SPREAD * np.log(2)), rel=1e-5)
    again = prior_of(position, LAYOUT)
    assert again.mean == pytest.approx(np.full(WIDTH, 0.2))
    assert again.precision == pytest.approx(LAYOUT.prior() / 2, rel=1e-5)


def test_a_round_moves_means_alone_and_variances_by_kind() -> None:
    said = np.zeros(2 * WIDTH)
    said[0], said[WIDTH] = STRETCH, STRETCH * 0.01
    after = moved(start_of(LAYOUT), said, LAYOUT)
    assert after[0] == pytest.approx(STEP)
    assert not after[1:WIDTH].any()
    # Two columns share what was said of one.
    assert after[WIDTH : WIDTH + 2] == pytest.approx(np.full(2, STEP * 0.01 / 2))
    assert not after[WIDTH + 2 :].any()
    far = moved(start_of(LAYOUT), np.full(2 * WIDTH, 1e6), LAYOUT)
    prior_of(far, LAYOUT)  # within bounds, or it raised


def test_kinds_are_all_weights_once() -> None:
    assert [place for kind in kinds(LAYOUT) for place in range(WIDTH)[kind]] == list(range(WIDTH))


def test_means_that_are_no_longer_than_their_noise_become_zero() -> None:
    rng = np.random.default_rng(0)
    position = np.concatenate([rng.normal(0, 0.1, WIDTH), np.zeros(WIDTH)])
    position[6:22] = 1.0
    shrunk = prior_of(position, LAYOUT, noise=0.2).mean
    slots, crosses = slice(6, 22), slice(22, WIDTH)
    assert 0.9 < shrunk[slots].mean() < 1.0
    assert not shrunk[crosses].any()
    assert noise_after(4, 0.5) == pytest.approx(STEP / STRETCH)


def test_only_what_lies_along_known_directions_is_said_and_told_from_noise() -> None:
    known = np.array([[0.6, 0.8, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    position = np.zeros(2 * WIDTH)
    position[2:6] = 0.3 * known[0] + [0.02, -0.02, 0.02, -0.02]
    assert not prior_of(position, LAYOUT, noise=0.1).mean[2:6].any()
    found = prior_of(position, LAYOUT, noise=0.1, known=known).mean[2:6]
    assert found == pytest.approx(CROWD * 0.262 * known[0], abs=0.01)
    assert not prior_of(position, LAYOUT, noise=0.4, known=known).mean.any()
    exact = prior_of(position, LAYOUT, known=known).mean[2:6]
    assert exact == pytest.approx(CROWD * known.T @ (known @ position[2:6]))


def test_with_known_directions_all_else_begins_as_it_is() -> None:
    position = np.zeros(2 * WIDTH)
    position[:WIDTH] = 0.5
    assert prior_of(position, LAYOUT).mean == pytest.approx(np.full(WIDTH, 0.5))
    found = prior_of(position, LAYOUT, known=np.array([[1.0, 0, 0, 0]])).mean
    assert np.flatnonzero(found).tolist() == [2]


def test_a_crowd_goes_where_the_popular_items_lie() -> None:
    axes = read_axes(Pack.open(shipped_pack()))
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, axes.shape[0])).astype(np.float32)
    items = [Item(f"i{n}", popularity=100.0 if n < 3 else 1.0) for n in range(30)]
    known = known_directions(items, vectors, axes)
    assert known is not None
    assert known.shape == (1, axes.shape[1])
    assert np.linalg.norm(known) == pytest.approx(1.0)
    along = vectors @ axes @ known[0]
    assert along[:3].mean() > along[3:].mean()
    alike = [Item(f"i{n}", popularity=7.0) for n in range(30)]
    assert known_directions(alike, vectors, axes) is None
    assert known_directions([Item(f"i{n}") for n in range(30)], vectors, axes) is None


def test_categories_lie_apart_across_the_crowd() -> None:
    axes = read_axes(Pack.open(shipped_pack()))
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(3, axes.shape[0]))
    vectors = (middles[np.arange(60) % 3] + 0.3 * rng.normal(size=(60, axes.shape[0]))).astype("f4")
    items = [Item(f"i{n}", "", [f"c{n % 3}"], popularity=float(n)) for n in range(60)]
    known = known_directions(items, vectors, axes)
    assert known is not None
    # Middles of three lie in a plane; the crowd's way is the third.
    assert known.shape == (3, axes.shape[1])
    assert known @ known.T == pytest.approx(np.eye(3), abs=1e-9)
    away = (middles - middles.mean(axis=0)) @ axes
    left = away - away @ known.T @ known
    assert np.linalg.norm(left) < 0.1 * np.linalg.norm(away)
    many = [Item(f"i{n}", "", [f"c{n % 20}"]) for n in range(60)]
    found = known_directions(many, vectors, axes)
    assert found is not None
    assert len(found) == WAYS
    assert known_directions((), np.zeros((0, axes.shape[0]), dtype=np.float32), axes) is None


def test_rounds_without_noise_find_what_people_have_in_common() -> None:
    """Rounds of heads that know their weights well end near the mean of the weights."""
    rng = np.random.default_rng(0)
    common = np.zeros(WIDTH)
    common[:2] = 0.3, -0.2
    precision = np.diag(LAYOUT.prior() + 200).astype(np.float32)
    people = []
    for _ in range(60):
        weights = common + rng.normal(0, 0.05, WIDTH)
        mean = (200 * weights / (LAYOUT.prior() + 200)).astype(np.float32)
        people.append(Head(LAYOUT, mean, precision, lists=40))
    position = start_of(LAYOUT)
    for _ in range(60):
        begun = replace(LAYOUT, start=prior_of(position, LAYOUT))
        said = np.mean([vector_of(one.begun_at(begun)) for one in people], axis=0)
        position = moved(position, position + said, LAYOUT)
    found = prior_of(position, LAYOUT)
    assert found.mean == pytest.approx(common, abs=0.03)
    # People differ less than the runtime supposes.
    assert (found.precision[2:] > LAYOUT.prior()[2:]).all()


# -- attacks and gains ----------------------------------------------------------------


def test_the_area_under_a_curve_by_hand() -> None:
    assert Places.of(np.array([1.0, 2.0]), np.array([0.0, 1.0])).area()[0] == 3.5 / 4
    assert Places.of(np.zeros(3), np.zeros(2)).area()[0] == 0.5


def test_the_interval_of_an_area_holds_the_truth() -> None:
    """One standard deviation apart: the area is 0.760 (a normal distribution at 1/√2)."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        area, (low, high) = Places.of(rng.normal(1, 1, 60), rng.normal(0, 1, 90)).area()
        assert low < area < high
        held.append(low < 0.7602 < high)
    assert 0.92 < np.mean(held) < 0.98


def test_two_scores_of_the_same_people_are_held_against_each_other_in_pairs() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.normal(0, 1, 120), rng.normal(0, 1, 80)
    plain = Places.of(members, others)
    assert plain.minus(plain).area() == (0.0, (0.0, 0.0))
    shifted = Places.of(members + 0.3, others)
    more, (low, high) = shifted.minus(plain).area()
    _, (least, most) = shifted.area()
    assert 0 < low < more < high
    assert high - low < (most - least) / 2


def heads(means: np.ndarray) -> list[Head]:
    precision = np.diag(LAYOUT.prior()).astype(np.float32)
    return [Head(LAYOUT, mean.astype(np.float32), precision, lists=40) for mean in means]


def common(some: Sequence[Head]) -> Prior:
    return Prior.of(np.mean([one.mean for one in some], axis=0), LAYOUT.prior())


def test_a_prior_of_few_people_tells_them() -> None:
    """The attacks work: of a prior without noise, of few people, membership shows."""
    means = np.random.default_rng(0).normal(0, 0.2, (66, WIDTH))
    people = heads(means)
    told = membership(common(people[:6]), people[:6], people[6:], common)
    assert min(one.auc for one in told.values()) > 0.8
    assert min(one.more_interval.low for one in told.values()) > 0


def test_groups_that_differ_are_not_taken_for_members() -> None:
    """Whoever has shorter weights is nearer to any prior: to one that they had no part in, too."""
    rng = np.random.default_rng(0)
    members, others = (
        heads(rng.normal(0, size, (count, WIDTH))) for size, count in ((0.15, 80), (0.2, 120))
    )
    nothing = Prior.of(np.zeros(WIDTH), LAYOUT.prior())
    told = membership(nothing, members, others, common)["distance"]
    assert told.interval.low > 0.9
    assert told.control > 0.9
    assert told.more_interval.low < 0 < told.more_interval.high
    same = membership(nothing, members, others, lambda some: nothing)
    assert {one.more for one in same.values()} == {0.0}
    assert same["distance"].control == same["distance"].auc


def test_nobody_who_is_judged_took_part_in_the_prior_that_they_are_judged_beside() -> None:
    """Were it so, others would seem near to it, and members less than they are."""
    rng = np.random.default_rng(0)
    members, others = (heads(rng.normal(0, 0.2, (count, WIDTH))) for count in (100, 10))
    told = membership(common(members), members, others, common)
    assert told["along"].control == pytest.approx(0.5, abs=0.15)
    against = common(others).mean
    scores = [np.array([one.mean @ against for one in some]) for some in (members, others)]
    assert Places.of(*scores).area()[0] < 0.3


def test_fleets_drawn_at_random_find_a_leak_and_only_a_leak() -> None:
    """Plain means of 100 people give them away; one number of theirs and noise does not."""
    rng = np.random.default_rng(0)
    # Groups that differ, which is no membership: the first half of all has shorter weights.
    sizes = np.where(np.arange(260) < 130, 0.1, 0.2)[:, None]
    people = heads(rng.normal(0, 1, (260, WIDTH)) * sizes + 0.1)
    known = np.eye(1, LAYOUT.axes)
    done: list[int] = []
    told = membership_of_drawn(
        people, LAYOUT, Promise(rounds=3), known,
        members=100, fleets=8, seed=1, on_fleet=done.append,
    )  # fmt: skip
    assert done == list(range(1, 9))
    assert set(told) == {"along", "likelihood", "distance", "beside"}
    leaked = told["beside"]
    assert leaked.plain_interval.low > 0.55
    assert leaked.plain > leaked.auc + 0.05
    for one in told.values():
        assert one.interval.low < one.auc < one.interval.high
        assert one.interval.low < 0.53
        assert one.interval.high - one.interval.low < 0.1


def test_a_rehearsal_asks_as_many_as_a_round_and_leaves_out_who_learnt_little() -> None:
    people = heads(np.full((150, WIDTH), 0.1))
    promise = Promise(rounds=2)
    drawn = [rehearsed(people, LAYOUT, promise, None, np.random.default_rng(3)) for _ in range(2)]
    assert drawn[0].mark == drawn[1].mark
    assert drawn[0].mark != rehearsed(people, LAYOUT, promise, None).mark
    few = [replace(one, lists=9) for one in people]
    assert not rehearsed(few, LAYOUT, promise, None).mean.any()


def test_gains_are_paired_and_against_the_first_arm() -> None:
    ndcg = np.array([[0.5, 0.55, 0.5], [0.3, 0.33, 0.3], [0.4, 0.44, 0.4]])
    better, same = figures_of(ndcg)
    assert better["gain"] == pytest.approx(0.1)
    assert better["gain_interval"] == pytest.approx([0.1, 0.1])
    assert same["gain"] == 0.0
    assert better["people_judged_by"] == 3


# -- what comes of it -----------------------------------------------------------------


def test_the_pack_of_a_prior_is_taken_by_a_device(tmp_path: Path) -> None:
    with Reranker.open("shipped") as plain:
        layout = plain.engine.layout
    prior = Prior.of(np.full(layout.width, 0.1), layout.prior())
    folder = write_prior(tmp_path / "p", prior, layout, name="fleet", release=4, report=b"{}")
    assert Pack.open(folder).manifest.release == 4
    with Reranker.open(["shipped", folder]) as device:
        assert device.engine.layout == replace(layout, start=prior)
    with pytest.raises(RecipeError, match="an empty folder"):
        write_prior(folder, prior, layout, name="fleet", release=5, report=b"{}")
    other = write_prior(tmp_path / "o", prior_of(start_of(LAYOUT), LAYOUT), LAYOUT,
                        name="fleet", release=5, report=b"{}")  # fmt: skip
    with pytest.raises(PackUnsupported):
        Reranker.open(["shipped", other])


def test_the_report_says_what_was_spent_and_who_sees_what() -> None:
    ledger = Ledger(Promise(epsilon=2.0, rounds=3))
    ledger.spend()
    report = report_of(ledger, layout=LAYOUT.mark.hex(), taken=(98,))
    assert report["spent_epsilon"] == pytest.approx(epsilon_of(rho_of_noise(ledger.promise.noise)))
    assert report["clip"] == 1.0
    assert report["secure_aggregation"] is False
    said = json.loads(as_json(report))
    assert {"epsilon", "delta", "noise", "clients", "rounds", "who_sees_what"} <= said.keys()
    assert "the server: each clipped vector" in as_text(report)
    assert "98 to 98 a round" in as_text(report)


def test_defaults_of_the_command_are_those_of_the_plan_and_the_promise() -> None:
    parsed = build_parser().parse_args(["federate", "simulate", "films", "--out", "out"])
    plan = FleetPlan()
    names = ("devices", "others", "clients", "rounds", "lists", "first", "before")
    for name in (*names, "candidates", "seed"):
        assert getattr(parsed, name) == getattr(plan, name), name
    required = [f"--{name}=x" for name in ("pack", "key", "sign", "out", "superlink")]
    parsed, promise = build_parser().parse_args(["federate", "server", *required]), Promise()
    assert (parsed.epsilon, parsed.rounds, parsed.clients) == (
        (promise.epsilon, promise.rounds, promise.clients)
    )


def test_a_courier_is_light() -> None:
    """It stands beside every device for as long as the device is up."""
    heavy = {"torch", "transformers", "flwr", "onnxruntime"}
    code = (
        "import sys\nimport edge_rerank_export.fleet.federation.device.courier\n"
        f"print(sorted({heavy} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
