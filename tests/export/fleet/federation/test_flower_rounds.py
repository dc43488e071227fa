"""A fleet's rounds by Flower's own classes; needs Flower, which has an environment of its own."""

from __future__ import annotations

import importlib
import json
import os
import random
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

import edge_rerank_export.fleet.federation  # noqa: F401 - silences Flower, which looks when it is imported
from edge_rerank import RankingEngine, Trust
from edge_rerank.errors import PrivacyBudgetSpent
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.share import CLIP, STRETCH, FleetRound, vector_of

pytest.importorskip("flwr")

from flwr.app import ConfigRecord, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.sources.personal import begun
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.fleet.federation.evidence.hostile import most_reach, reach_of_each, sender
from edge_rerank_export.fleet.federation.evidence.membership import membership
from edge_rerank_export.fleet.federation.evidence.rehearsal import rehearsed
from edge_rerank_export.fleet.federation.grid import MemoryGrid
from edge_rerank_export.fleet.federation.server.app import run_tool, write_app
from edge_rerank_export.fleet.federation.server.ledger import Ledger, Promise
from edge_rerank_export.fleet.federation.server.prior import STEP, prior_of, start_of
from edge_rerank_export.fleet.federation.server.rounds import run_rounds
from edge_rerank_export.fleet.federation.server.serve import Settings, serve
from edge_rerank_export.fleet.federation.server.strategy import (
    PriorStrategy,
    arrays_of,
    position_in,
)
from edge_rerank_export.fleet.federation.simulation.people import SimulatedDevice, canaries_in
from edge_rerank_export.fleet.federation.wire import ROUND
from edge_rerank_export.packing.sign import generate_key

LAYOUT = Layout("pack", "a" * 64, ("content", "popularity"), 4)
WIDTH = LAYOUT.width
KEY = X25519PrivateKey.generate()
KEYS = KEY.private_bytes_raw(), KEY.public_key().public_bytes_raw()


def people(count: int, common: float = 0.3) -> list[Head]:
    rng = np.random.default_rng(0)
    precision = np.diag(LAYOUT.prior() + 200).astype(np.float32)
    means = rng.normal(0, 0.05, (count, WIDTH))
    means[:, 0] += common
    return [Head(LAYOUT, mean.astype(np.float32), precision, lists=40) for mean in means]


def test_flower_tells_nobody() -> None:
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    from flwr.supercore import constant, telemetry

    assert telemetry.FLWR_TELEMETRY_ENABLED == "0"
    assert os.environ[constant.FLWR_DISABLE_UPDATE_CHECK] == "1"


def test_a_round_is_the_clipped_mean_with_flowers_noise() -> None:
    promise = Promise()
    vectors = [vector_of(one) for one in people(100)]
    grid = MemoryGrid({n + 1: sender(v, LAYOUT, KEYS[1]) for n, v in enumerate(vectors)})
    moves = []
    for seed in range(40):
        np.random.seed(seed)
        strategy = PriorStrategy(LAYOUT, *KEYS, Ledger(promise))
        asked = strategy.configure_train(1, arrays_of(start_of(LAYOUT)), ConfigRecord(), grid)
        arrays, _ = strategy.aggregate_train(1, grid.send_and_receive(asked))
        assert arrays is not None
        assert strategy.taken == 100
        moves.append(position_in(arrays)[:WIDTH] * STRETCH / STEP)
    noise = np.array(moves) - np.mean(vectors, axis=0)[:WIDTH]
    assert noise.std() == pytest.approx(promise.deviation, rel=0.05)
    assert abs(noise.mean()) < 4 * promise.deviation / np.sqrt(noise.size)


def test_no_device_moves_a_round_further_than_an_honest_one_could() -> None:
    promise = Promise()
    vectors = [vector_of(one) for one in people(100)]
    reach = reach_of_each(LAYOUT, KEYS, promise, vectors)
    assert len(reach) == 9
    assert max(reach.values()) <= most_reach(promise) * (1 + 1e-6)
    for name in ("not a number", "infinite", "of another round", "of another length", "not sealed"):
        assert reach[name] < 1e-9, name
    assert reach["a thousand times"] == pytest.approx(reach["honest, as long as may be"], rel=0.5)


def test_a_prior_along_a_known_direction_tells_no_more_of_anybody_than_the_direction() -> None:
    """One number of it is people's: whoever lies along it lies along it, member or not."""
    rng = np.random.default_rng(0)
    known = np.full((1, LAYOUT.axes), 0.5)
    precision = np.diag(LAYOUT.prior() + 200).astype(np.float32)
    means = rng.normal(0, 0.1, (120, WIDTH))
    means[:, 2 : 2 + LAYOUT.axes] += rng.normal(0.2, 0.2, (120, 1)) * known
    means[:60, 2 : 2 + LAYOUT.axes] += 0.2 * known
    heads = [Head(LAYOUT, mean.astype(np.float32), precision, lists=40) for mean in means]
    members, others = heads[:60], heads[60:]
    position = start_of(LAYOUT)
    position[:WIDTH] = np.mean([vector_of(one)[:WIDTH] for one in members], axis=0)
    prior = prior_of(position, LAYOUT, noise=0.03, known=known)
    told = membership(
        prior, members, others, lambda some: rehearsed(some, LAYOUT, Promise(), known)
    )
    assert told["along"].auc > 0.6
    assert abs(told["along"].more) < 0.01


@pytest.mark.parametrize("known", [None, np.eye(2, LAYOUT.axes)])
def test_a_rehearsal_comes_to_what_flowers_rounds_come_to(
    known: NDArray[np.float64] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise, and with all that a round asks, to the last digits."""
    from flwr.serverapp.strategy import dp_fixed_clipping

    quiet = []
    monkeypatch.setattr(
        dp_fixed_clipping,
        "add_gaussian_noise_inplace",
        lambda arrays, deviation: quiet.append(deviation),
    )
    some = [replace(one, mean=one.mean + np.float32(0.1)) for one in people(100)]
    promise, heads = Promise(rounds=4), [*some[1:], replace(some[0], lists=9)]
    strategy = PriorStrategy(LAYOUT, *KEYS, ledger := Ledger(promise))
    devices = {
        number + 1: SimulatedDevice(number, head, lambda: strategy.layout)
        for number, head in enumerate(heads)
    }
    finished = run_rounds(strategy, MemoryGrid(devices), ledger, known=known)
    assert len(quiet) == 4
    assert finished.taken == (99,) * 4
    expected = rehearsed(heads, LAYOUT, promise, known)
    assert finished.prior.mean.any()
    assert finished.prior.mean == pytest.approx(expected.mean, abs=1e-6)
    assert finished.prior.precision == pytest.approx(expected.precision, rel=1e-5)


def test_who_was_not_asked_is_not_heard() -> None:
    promise = Promise()
    vectors = [vector_of(one) for one in people(100)]
    devices = {n + 1: sender(v, LAYOUT, KEYS[1]) for n, v in enumerate(vectors)}
    strategy = PriorStrategy(LAYOUT, *KEYS, Ledger(promise))
    grid = MemoryGrid(devices)
    asked = list(strategy.configure_train(1, arrays_of(start_of(LAYOUT)), ConfigRecord(), grid))
    foreign = Message(content=asked[0].content, dst_node_id=777, message_type="train")
    extra = sender(np.ones(2 * WIDTH), LAYOUT, KEYS[1])(foreign)
    strategy.aggregate_train(1, [*grid.send_and_receive(asked), *extra])  # type: ignore[misc]
    assert strategy.taken == 100


def test_rounds_stop_at_epsilon_and_find_what_people_share() -> None:
    random.seed(0)
    np.random.seed(0)
    ledger = Ledger(Promise())
    strategy = PriorStrategy(LAYOUT, *KEYS, ledger)
    heads = people(120)
    devices = {
        n + 1: SimulatedDevice(n, one, lambda: strategy.layout) for n, one in enumerate(heads)
    }
    grid = MemoryGrid(devices)
    finished = run_rounds(strategy, grid, ledger)
    assert finished.rounds == 20
    assert finished.taken == (100,) * 20
    assert 7.9 < ledger.epsilon <= 8.0
    assert 0.15 < finished.prior.mean[0] < 0.5
    with pytest.raises(PrivacyBudgetSpent):
        strategy.configure_train(21, arrays_of(finished.position), ConfigRecord(), grid)
    assert run_rounds(strategy, grid, ledger).rounds == 0


def test_no_canary_is_on_the_wire_and_the_search_for_it_works() -> None:
    ledger = Ledger(Promise(rounds=1))
    strategy = PriorStrategy(LAYOUT, *KEYS, ledger)
    devices = {
        n + 1: SimulatedDevice(n, one, lambda: strategy.layout) for n, one in enumerate(people(100))
    }
    grid = MemoryGrid(devices)
    run_rounds(strategy, grid, ledger)
    assert len(grid.wire) == 100
    assert len({len(one) for one in grid.wire}) == 1
    assert canaries_in(grid.wire, [], list(range(100))) == 0
    assert canaries_in(grid.wire, [b"x canary-7-7f3a9c"], list(range(100))) == 1


def test_a_device_reads_the_terms_it_is_held_to() -> None:
    strategy = PriorStrategy(LAYOUT, *KEYS, Ledger(Promise(epsilon=1.0)))
    grid = MemoryGrid({n + 1: lambda message: [] for n in range(100)})
    (first, *_) = strategy.configure_train(1, arrays_of(start_of(LAYOUT)), ConfigRecord(), grid)
    (config,) = first.content.config_records.values()
    terms = FleetRound.from_json(str(config[ROUND]))
    assert (terms.number, terms.clients, terms.recipient) == (1, 100, KEYS[1])
    assert terms.noise == Promise(epsilon=1.0).noise
    assert strategy.clipping_norm == CLIP


def test_our_ledger_never_says_less_than_flowers_accountant() -> None:
    pytest.importorskip("dp_accounting")
    from flwr.supercore.privacy_accounting import (
        GaussianPrivacyEvent,
        NeighboringRelation,
        PrivacyConfig,
        SamplingMethod,
    )
    from flwr.supercore.privacy_accounting.rdp_accountant import RdpAccountant

    from edge_rerank.history.budget import DELTA

    for epsilon in (8.0, 1.0):
        ledger = Ledger(Promise(epsilon=epsilon))
        theirs = RdpAccountant(
            PrivacyConfig(
                DELTA, 200, NeighboringRelation.ADD_OR_REMOVE_ONE, SamplingMethod.NO_AMPLIFICATION
            )
        )
        for _ in range(20):
            ledger.spend()
            theirs.compose(GaussianPrivacyEvent(ledger.promise.noise, 100, 200))
        assert 0.7 * ledger.epsilon < theirs.get_epsilon(DELTA) <= ledger.epsilon


def test_heads_of_another_beginning_are_not_added_up() -> None:
    """A vector against last round's prior says something else: it counts as nothing."""
    other = replace(LAYOUT, digest="b" * 64)
    strategy = PriorStrategy(LAYOUT, *KEYS, Ledger(Promise()))
    grid = MemoryGrid({n + 1: sender(np.ones(2 * WIDTH), other, KEYS[1]) for n in range(100)})
    asked = strategy.configure_train(1, arrays_of(start_of(LAYOUT)), ConfigRecord(), grid)
    strategy.aggregate_train(1, grid.send_and_receive(asked))
    assert strategy.taken == 0


# -- the server and the courier -------------------------------------------------------


def settings(folder: Path, **change: object) -> Settings:
    key, signing = folder / "seal.key", folder / "sign.key"
    if not key.exists():
        key.write_bytes(KEYS[0])
        generate_key(signing)
    return Settings(
        **{
            "packs": ("shipped",), "key": str(key), "signing": str(signing),
            "out": str(folder / "out"), "name": "fleet", "timeout": 9.0, "epsilon": 8.0,
            "rounds": 2, "clients": 100, **change,
        }
    )  # type: ignore[arg-type] # fmt: skip


def test_a_server_signs_each_prior_and_never_asks_a_round_twice(tmp_path: Path) -> None:
    with RankingEngine.open("shipped") as engine:
        layout = engine.layout
    numbers = np.full(2 * layout.width, 0.05)
    asked: list[int] = []

    def device(message: Message) -> Message:
        (config,) = message.content.config_records.values()
        terms = FleetRound.from_json(str(config[ROUND]))
        asked.append(terms.number)
        beginning = layout
        if terms.number > 1:
            assert {"prior/manifest.json", "prior/manifest.sig", "prior/prior.npy"} <= set(config)
            pack = Pack.open(tmp_path / "out" / f"round-{terms.number}")
            assert pack.manifest.release == terms.number
            beginning = begun(layout, pack)
        (sealed,) = sender(numbers, beginning, KEYS[1], number=terms.number)(message)
        return sealed

    grid = MemoryGrid({n + 1: device for n in range(100)})
    report = serve(grid, settings(tmp_path))
    assert asked == [1] * 100 + [2] * 100
    assert report["devices_a_round_taken"] == [100, 100]
    public = Ed25519PrivateKey.from_private_bytes((tmp_path / "sign.key").read_bytes()).public_key()
    last = Pack.open(tmp_path / "out" / "prior-3", trust=Trust([public.public_bytes_raw()]))
    assert last.manifest.release == 3
    again = serve(grid, settings(tmp_path))
    assert len(asked) == 200
    assert again["spent_epsilon"] == report["spent_epsilon"]
    with pytest.raises(RecipeError, match="other heads or promises"):
        serve(grid, settings(tmp_path, rounds=9))


def test_between_rounds_too_devices_get_what_lies_along_known_directions_alone(
    tmp_path: Path,
) -> None:
    with RankingEngine.open("shipped") as engine:
        layout = engine.layout
    items = [
        {"id": f"i{n}", "text": f"{kind} {n}", "categories": [kind], "popularity": n}
        for n in range(12)
        for kind in ["tea" if n % 2 else "lamp"]
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(one) + "\n" for one in items))
    numbers = np.full(2 * layout.width, 0.05)

    def device(message: Message) -> list[Message]:
        return sender(numbers, layout, KEYS[1])(message)

    grid = MemoryGrid({n + 1: device for n in range(100)})
    serve(grid, settings(tmp_path, items=str(tmp_path / "items.jsonl")))
    between, last = (
        begun(layout, Pack.open(tmp_path / "out" / name)).start for name in ("round-2", "prior-3")
    )
    assert between is not None
    assert last is not None
    columns = len(layout.columns)
    assert between.mean[columns : columns + layout.axes].any()
    for mean in (between.mean, last.mean):
        assert not mean[:columns].any()
        assert not mean[columns + layout.axes :].any()


def test_a_round_that_was_broken_off_is_paid_for(tmp_path: Path) -> None:
    def gone(message: Message) -> Message:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(MemoryGrid({n + 1: gone for n in range(100)}), settings(tmp_path))
    silent = MemoryGrid({n + 1: lambda message: [] for n in range(100)})
    assert serve(silent, settings(tmp_path))["devices_a_round_taken"] == [0]


def test_flower_finds_the_app_that_is_written_for_it(tmp_path: Path) -> None:
    folder = write_app(settings(tmp_path))
    named = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    for kind, place in named["tool"]["flwr"]["app"]["components"].items():
        module, _, name = place.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, {"serverapp": ServerApp, "clientapp": ClientApp}[kind])


def test_flowers_programs_find_each_other_where_nothing_is_activated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\nexec other\n")
    (tmp_path / "other").write_text("#!/bin/sh\nexit 0\n")
    for name in ("tool", "other"):
        (tmp_path / name).chmod(0o700)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    run_tool("tool", [])


def test_a_device_that_learnt_too_little_is_silent() -> None:
    strategy = PriorStrategy(LAYOUT, *KEYS, Ledger(Promise(rounds=1)))
    heads = people(100)
    heads[3] = replace(heads[3], lists=9)
    devices = {
        n + 1: SimulatedDevice(n, one, lambda: strategy.layout) for n, one in enumerate(heads)
    }
    grid = MemoryGrid(devices)
    run_rounds(strategy, grid, strategy._ledger)
    assert strategy.taken == 99
    assert devices[4].history.spent_epsilon() == 0.0
    assert devices[5].history.spent_epsilon() > 0.0
    assert all(device.knows_its_canary for device in devices.values())
