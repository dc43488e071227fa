"""A fleet in one process: simulated people's heads, its rounds, and what the prior is worth."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import edge_rerank
from edge_rerank.history.transfer import open_sealed
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.share import vector_of
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import made_folder, write_whole
from edge_rerank_export.fleet.federate_attack import membership_auc
from edge_rerank_export.fleet.federate_gain import Judged, gains_of, opened_reranker
from edge_rerank_export.fleet.federate_grid import MemoryGrid
from edge_rerank_export.fleet.federate_hostile import most_reach, reach_of_each
from edge_rerank_export.fleet.federate_ledger import Ledger, Promise
from edge_rerank_export.fleet.federate_people import (
    HeadKeeper,
    Shelf,
    SimulatedDevice,
    canaries_in,
    head_of,
)
from edge_rerank_export.fleet.federate_prior import write_prior
from edge_rerank_export.fleet.federate_report import as_json, as_text, means_of, report_of
from edge_rerank_export.fleet.federate_rounds import run_rounds
from edge_rerank_export.fleet.federate_strategy import PriorStrategy
from edge_rerank_export.progress import Steps
from edge_rerank_export.studies.results.ledger import data_mark, mark_of
from edge_rerank_export.studies.simulate.plan import Plan
from edge_rerank_export.studies.simulate.world import World


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A simulated fleet.

    Attributes:
        devices: people who may be asked.
        others: people who are not, by whom the prior is judged.
        lists: that each head learnt from.
        first: lists from a new person's first on, over which the prior is judged.
        before: choices of a person that are known at their first list.
        candidates: items of a list.
        epsilons: of the fleets that are simulated.
        rounds, clients: of each.
        seed: of all chance.
    """

    devices: int = 200
    others: int = 200
    lists: int = 40
    first: int = 10
    before: int = 5
    candidates: int = 50
    epsilons: tuple[float, ...] = (8.0, 1.0)
    rounds: int = 20
    clients: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.devices < self.clients or self.others < 2:
            raise RecipeError(
                f"devices: expected {self.clients} or more and 2 others or more, "
                f"got {self.devices} and {self.others}"
            )

    @property
    def people(self) -> Plan:
        """How all of them are played."""
        return Plan(
            people=self.devices + self.others,
            lists=self.lists,
            candidates=self.candidates,
            before=self.before,
            seed=self.seed,
        )

    @property
    def judged(self) -> Judged:
        """By whom, and over which lists, priors are judged."""
        people = replace(self.people, lists=self.first)
        return Judged(people, range(self.devices, self.devices + self.others))


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
        out: gets ``heads.jsonl``, and for each ε a folder ``prior-EPSILON`` with the pack and
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
        shelf = Shelf(out / "heads.jsonl", mark, layout)
        heads = _heads(world, plan, HeadKeeper(reranker), shelf, steps)
    fleets = [_fleet(one, layout, heads, plan, out=out, steps=steps) for one in plan.epsilons]
    priors = [out / f"prior-{epsilon:g}" for epsilon in plan.epsilons]
    gains = gains_of(world, plan.judged, pack, priors, threads=threads, steps=steps)
    return {
        "data": folder.resolve().name,
        "pack": f"{opened.manifest.name} {opened.manifest.release}",
        "plan": asdict(plan),
        "fleets": [{**one, **gain} for one, gain in zip(fleets, gains, strict=True)],
    }


def _heads(
    world: World, plan: FleetPlan, keeper: HeadKeeper, shelf: Shelf, steps: Steps
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


def _fleet(
    epsilon: float, layout: Layout, heads: list[Head], plan: FleetPlan, *, out: Path, steps: Steps
) -> dict[str, Any]:
    """One fleet's rounds, its prior and its report."""
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
    with steps(f"rounds at ε {epsilon:g}") as update:
        finished = run_rounds(
            strategy, grid, ledger, on_round=lambda number, _: update(number, plan.rounds)
        )
    raw = [open_sealed(sealed, keys[0]) for sealed in grid.wire]
    vectors = [vector_of(head) for head in members[: plan.clients]]
    beside = {
        "simulated": True,
        "membership_auc": membership_auc(finished.prior, members, others),
        "canaries_on_the_wire": canaries_in(
            grid.wire, [one for one in raw if one is not None], list(range(plan.devices))
        ),
        "sealed_answers": len(grid.wire),
        "bytes_an_answer": max(map(len, grid.wire), default=0),
        "reach_of_a_hostile_device": reach_of_each(layout, keys, promise, vectors, seed=plan.seed),
        "reach_of_an_honest_device_at_most": most_reach(promise),
        "column_means": means_of(finished.prior, layout.columns),
        "mean_length": float(np.linalg.norm(finished.prior.mean)),
    }
    report = report_of(ledger, layout=layout.mark.hex(), taken=finished.taken, beside=beside)
    name = f"{epsilon:g}"
    write_whole(out / f"privacy-{name}.json", as_json(report))
    write_whole(out / f"privacy-{name}.txt", as_text(report))
    target = out / f"prior-{name}"
    if target.exists():
        shutil.rmtree(target)
    write_prior(
        target, finished.prior, layout, name="fleet", release=1, report=as_json(report).encode()
    )
    return report


def as_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures in short, a line for each fleet."""
    lines = []
    for one in figures["fleets"]:
        low, high = one["gain_interval"]
        attack = max(one["membership_auc"].values())
        lines.append(
            f"ε {one['spent_epsilon']:.3g}: NDCG@10 of the first lists {one['ndcg_without']:.4f} "
            f"-> {one['ndcg_with']:.4f}, {one['gain']:+.1%} ({low:+.1%} to {high:+.1%}); "
            f"membership AUC {attack:.3f}; canaries on the wire {one['canaries_on_the_wire']}; "
            f"a hostile device moves it by at most "
            f"{max(one['reach_of_a_hostile_device'].values()):.2g}, an honest one by "
            f"{one['reach_of_an_honest_device_at_most']:.2g}"
        )
    return lines
