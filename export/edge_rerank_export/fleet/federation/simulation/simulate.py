"""A fleet in one process: simulated people's heads, its rounds, and what the prior is worth."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

import edge_rerank
from edge_rerank.history.budget import epsilon_of, rho_of_noise
from edge_rerank.history.transfer import open_sealed
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import vector_of
from edge_rerank.packs.pack import Pack
from edge_rerank_export.files import made_folder, write_whole
from edge_rerank_export.fleet.federation.evidence.draws import membership_of_drawn
from edge_rerank_export.fleet.federation.evidence.hostile import most_reach, reach_of_each
from edge_rerank_export.fleet.federation.evidence.membership import membership
from edge_rerank_export.fleet.federation.evidence.rehearsal import rehearsed
from edge_rerank_export.fleet.federation.grid import MemoryGrid
from edge_rerank_export.fleet.federation.server.crowd import known_directions
from edge_rerank_export.fleet.federation.server.ledger import Ledger, Promise
from edge_rerank_export.fleet.federation.server.prior import (
    noise_after,
    prior_of,
    write_prior,
)
from edge_rerank_export.fleet.federation.server.report import as_json, as_text, means_of, report_of
from edge_rerank_export.fleet.federation.server.rounds import run_rounds
from edge_rerank_export.fleet.federation.server.strategy import PriorStrategy
from edge_rerank_export.fleet.federation.simulation.gain import gains_of, opened_reranker
from edge_rerank_export.fleet.federation.simulation.people import (
    HeadKeeper,
    SimulatedDevice,
    canaries_in,
    head_of,
    shelf_of,
)
from edge_rerank_export.fleet.federation.simulation.plan import FleetPlan
from edge_rerank_export.progress import Steps
from edge_rerank_export.studies.results.ledger import data_mark, mark_of
from edge_rerank_export.studies.simulate.shelf import Shelf
from edge_rerank_export.studies.simulate.world import World


def simulate_fleet(
    folder: Path,
    pack: Path,
    plan: FleetPlan,
    *,
    out: Path,
    work: Path,
    threads: int | None,
    steps: Steps,
) -> dict[str, Any]:
    """Simulate a fleet for each ε; heads of people are kept in ``out``.

    Args:
        folder: a data set folder.
        pack: a pack's folder.
        plan: what is simulated.
        out: gets ``heads.jsonl``, and for each ε a folder ``prior-EPSILON`` with the pack, one
            ``prior-EPSILON-after-ROUND`` for each earlier one that is judged, and
            ``privacy-EPSILON.json`` and ``.txt``.
        work: where vectors are kept from one run to the next.
        threads: that compute at once; ``None`` for the default.
        steps: told of each step.

    Returns:
        Figures as JSON-ready values.

    Raises:
        DataError: when the data set cannot be used.
        PackError: when the pack cannot be used.
        RecipeError: when the plan asks for more people than there are.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)
    opened = Pack.open(pack)
    world = World.read(folder, opened, work=made_folder(work), threads=threads, steps=steps)
    made_folder(out)
    # How many people there are says nothing of one of them.
    played = asdict(replace(plan.people, people=2))
    mark = mark_of(edge_rerank.__version__, opened.digest, data_mark(folder), played)
    with opened_reranker(pack, None, world, threads) as reranker:
        layout = reranker.engine.layout
        known = known_directions(world.items, world.vectors, reranker.engine.axes)
        shelf = shelf_of(out / "heads.jsonl", mark, layout)
        heads = _heads(world, plan, HeadKeeper(reranker), shelf, steps)
    fleets = [
        _fleet(one, layout, heads, plan, known=known, out=out, steps=steps) for one in plan.epsilons
    ]
    priors = [folder for one in fleets for folder in one.priors]
    gains = gains_of(world, plan.judged, pack, priors, threads=threads, steps=steps)
    return {
        "data": folder.resolve().name,
        "pack": f"{opened.manifest.name} {opened.manifest.release}",
        "plan": asdict(plan),
        "fleets": [
            _with_gains(one, plan, gains[place * len(plan.stops) :])
            for place, one in enumerate(fleets)
        ],
    }


def _heads(
    world: World, plan: FleetPlan, keeper: HeadKeeper, shelf: Shelf[Head], steps: Steps
) -> list[Head]:
    heads = []
    with steps("heads of people") as update:
        for number in range(plan.people.people):
            head = shelf.get(number)
            if head is None:
                head = head_of(world, plan.people, number, keeper)
                shelf.put(number, head)
            heads.append(head)
            update(number + 1, plan.people.people)
    return heads


@dataclass(frozen=True, slots=True)
class _Fleet:
    """What came of one fleet.

    Attributes:
        report: privacy report, as JSON-ready values.
        priors: folders of its priors, one for each of the plan's stops.
    """

    report: dict[str, Any]
    priors: tuple[Path, ...]


def _fleet(
    epsilon: float,
    layout: Layout,
    heads: list[Head],
    plan: FleetPlan,
    *,
    known: NDArray[np.float64] | None,
    out: Path,
    steps: Steps,
) -> _Fleet:
    """One fleet's rounds, its priors and its report."""
    random.seed(plan.seed)
    np.random.seed(plan.seed)  # Flower draws devices and noise from these
    promise = Promise(epsilon, plan.rounds, plan.clients)
    key = X25519PrivateKey.generate()
    keys = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    ledger = Ledger(promise)
    strategy = PriorStrategy(layout, *keys, ledger)
    members, others = heads[: plan.devices], heads[plan.devices :]
    devices = {
        number + 1: SimulatedDevice(number, head, lambda: strategy.layout)
        for number, head in enumerate(members)
    }
    grid = MemoryGrid(devices)
    positions: dict[int, NDArray[np.float64]] = {}
    with steps(f"rounds at ε {epsilon:g}") as update:

        def note(number: int, position: NDArray[np.float64]) -> None:
            positions[number - 1] = position
            update(number, plan.rounds)

        finished = run_rounds(strategy, grid, ledger, known=known, on_round=note)
    beside = {
        **_of_the_wire(grid, keys[0], devices),
        **_of_the_prior(finished.prior, layout, promise, (members, others), known=known),
        **_of_drawn_fleets(heads, layout, promise, plan, known=known, steps=steps),
        "reach_of_a_hostile_device": reach_of_each(
            layout, keys, promise, [vector_of(head) for head in members[: plan.clients]],
            seed=plan.seed,
        ),
        "reach_of_an_honest_device_at_most": most_reach(promise),
    }  # fmt: skip
    report = report_of(ledger, layout=layout.mark.hex(), taken=finished.taken, beside=beside)
    write_whole(out / f"privacy-{epsilon:g}.json", as_json(report))
    write_whole(out / f"privacy-{epsilon:g}.txt", as_text(report))
    positions[finished.rounds] = finished.position
    priors = {
        stop: prior_of(
            positions[stop], layout, noise=noise_after(stop, promise.deviation), known=known
        )
        for stop in plan.stops
    }
    return _Fleet(report, tuple(_written(priors, layout, report, out)))


def _written(
    priors: Mapping[int, Prior], layout: Layout, report: Mapping[str, Any], out: Path
) -> Iterator[Path]:
    """Write priors as if rounds had ended there, by the round, and give their folders."""
    for stop, prior in priors.items():
        last = stop == max(priors)
        target = out / (f"prior-{report['epsilon']:g}" + ("" if last else f"-after-{stop}"))
        if target.exists():
            shutil.rmtree(target)
        about = as_json(report).encode() if last else b""
        yield write_prior(target, prior, layout, name="fleet", release=stop + 1, report=about)


def _of_the_wire(
    grid: MemoryGrid, private: bytes, devices: Mapping[int, SimulatedDevice]
) -> dict[str, Any]:
    """What was sent, whether a canary is in it, and what the devices' own files say it cost."""
    opened = [open_sealed(sealed, private) for sealed in grid.wire]
    people = [number - 1 for number in devices]
    costs = np.array([device.history.spent_epsilon() for device in devices.values()])
    return {
        "simulated": True,
        "canaries_in_histories": sum(device.knows_its_canary for device in devices.values()),
        "canaries_on_the_wire": canaries_in(
            grid.wire, [one for one in opened if one is not None], people
        ),
        "sealed_answers": len(grid.wire),
        "bytes_an_answer": max(map(len, grid.wire), default=0),
        "device_epsilon": {
            "least": float(costs.min()),
            "median": float(np.median(costs)),
            "most": float(costs.max()),
        },
    }


def _of_the_prior(
    prior: Prior,
    layout: Layout,
    promise: Promise,
    people: tuple[Sequence[Head], Sequence[Head]],
    *,
    known: NDArray[np.float64] | None,
) -> dict[str, Any]:
    """What the last prior says of all, and what of who took part; ``people`` who did, who not."""
    told = membership(prior, *people, lambda some: rehearsed(some, layout, promise, known))
    return {
        "membership": {name: asdict(one) for name, one in told.items()},
        "column_means": means_of(prior, layout.columns),
        "mean_length": float(np.linalg.norm(prior.mean)),
    }


def _of_drawn_fleets(
    heads: Sequence[Head],
    layout: Layout,
    promise: Promise,
    plan: FleetPlan,
    *,
    known: NDArray[np.float64] | None,
    steps: Steps,
) -> dict[str, Any]:
    """What attacks tell of who took part in fleets as large that are drawn from all."""
    with steps(f"fleets drawn at random at ε {promise.epsilon:g}") as update:
        told = membership_of_drawn(
            heads, layout, promise, known,
            members=plan.devices, fleets=plan.fleets, seed=plan.seed,
            on_fleet=lambda done: update(done, plan.fleets),
        )  # fmt: skip
    return {"membership_drawn": {name: asdict(one) for name, one in told.items()}}


def _with_gains(
    fleet: _Fleet, plan: FleetPlan, gains: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The report with what the priors gained, the last one's also by itself.

    Args:
        fleet: one of the plan's.
        plan: what is simulated.
        gains: from that of the fleet's first stop on.
    """
    rho = rho_of_noise(fleet.report["noise"])
    by_round = [
        {"round": stop, "spent_epsilon": epsilon_of(stop * rho), **gain}
        for stop, gain in zip(plan.stops, gains, strict=False)
    ]
    last = {name: value for name, value in by_round[-1].items() if name != "round"}
    return {**fleet.report, **last, "by_round": by_round}
