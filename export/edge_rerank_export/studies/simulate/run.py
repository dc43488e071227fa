"""A simulation from a data set folder to its figures, person by person, to go on after a break."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import edge_rerank
from edge_rerank.packs.pack import Pack
from edge_rerank_export.files import made_folder
from edge_rerank_export.progress import Steps
from edge_rerank_export.studies.results.ledger import data_mark, mark_of
from edge_rerank_export.studies.simulate.figures import ArmFigures, figures_of
from edge_rerank_export.studies.simulate.plan import Plan
from edge_rerank_export.studies.simulate.play import Course, make_person, play
from edge_rerank_export.studies.simulate.ranker import open_rankers
from edge_rerank_export.studies.simulate.shelf import Shelf
from edge_rerank_export.studies.simulate.world import World


@dataclass(frozen=True, slots=True)
class Simulated:
    """The figures of one plan.

    Attributes:
        folder: name of the data set folder.
        pack: name and release of the pack.
        plan: what was simulated.
        arms: figures, the first is what the others are held against.
    """

    folder: str
    pack: str
    plan: Plan
    arms: tuple[ArmFigures, ...]

    def to_dict(self) -> dict[str, Any]:
        """All attributes as JSON-ready values."""
        return asdict(self)


def simulate(
    folder: Path,
    pack: Path,
    plans: Sequence[Plan],
    *,
    out: Path,
    work: Path,
    threads: int | None,
    steps: Steps,
) -> list[Simulated]:
    """Simulate each plan; people who are finished are kept in ``out``.

    Args:
        folder: a data set folder.
        pack: a pack's folder.
        plans: at most one for each scenario, alike in ``room``.
        out: gets ``SCENARIO.jsonl``, a line for each person.
        work: where vectors are kept, see :func:`~edge_rerank_export.train.item_vectors`.
        threads: that compute at once; ``None`` for the default.
        steps: told of each plan.

    Raises:
        DataError: when the folder cannot be used.
        PackError: when the pack cannot be used.
        RecipeError: when a plan asks for more people or items than there are.
    """
    opened_pack = Pack.open(pack)
    world = World.read(folder, opened_pack, work=made_folder(work), threads=threads, steps=steps)
    made_folder(out)
    manifest = opened_pack.manifest
    made_of = (edge_rerank.__version__, opened_pack.digest, data_mark(folder))
    simulated = []
    with ExitStack() as opened:
        orders = [arm.order for plan in plans for arm in plan.arms]
        (room,) = {plan.room for plan in plans}
        rankers = open_rankers(orders, pack, world, room=room, threads=threads, opened=opened)
        for plan in plans:
            shelf = _shelf(out / f"{plan.scenario}.jsonl", mark_of(*made_of, _of_a_person(plan)))
            with steps(f"simulate {plan.scenario}") as update:
                played = []
                for number in range(plan.people):
                    courses = shelf.get(number)
                    if courses is None:
                        person = make_person(world, plan, number)
                        courses = play(world, plan, person, rankers)
                        shelf.put(number, courses)
                    played.append(courses)
                    update(number + 1, plan.people)
            simulated.append(
                Simulated(
                    folder=folder.resolve().name,
                    pack=f"{manifest.name} {manifest.release}",
                    plan=plan,
                    arms=figures_of(plan, played),
                )
            )
    return simulated


def _of_a_person(plan: Plan) -> dict[str, Any]:
    """What one person's course depends on: not how many others there are."""
    return {name: value for name, value in plan.to_dict().items() if name != "people"}


def _shelf(path: Path, mark: str) -> Shelf[tuple[Course, ...]]:
    return Shelf(
        path,
        mark,
        read=lambda one: tuple(Course(**course) for course in one["courses"]),
        members=lambda courses: {"courses": [asdict(course) for course in courses]},
    )
