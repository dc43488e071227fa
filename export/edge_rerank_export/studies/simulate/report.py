"""A simulation as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from edge_rerank.render.texttable import Column, text_table
from edge_rerank_export.studies.simulate.figures import (
    RECOVERED,
    WORSE,
    ArmFigures,
    Gain,
    Measure,
    Stretch,
)
from edge_rerank_export.studies.simulate.plan import Adversary, HostOrder, Plan
from edge_rerank_export.studies.simulate.run import Simulated


def as_json(simulated: Sequence[Simulated]) -> str:
    """All figures as one JSON object."""
    return json.dumps({"simulations": [one.to_dict() for one in simulated]})


def as_text(one: Simulated, *, width: int) -> str:
    """Tables for a terminal, and what follows from them in words."""
    lines = [headline(one), text_table(*curve_table(one), width=width), ""]
    lines += [text_table(*measures_table(one), width=width), ""]
    lines += [f"{arm.name}: {say}" for arm in one.arms for say in findings(one, arm)]
    return "\n".join(lines)


def headline(one: Simulated) -> str:
    """What was simulated, in a line."""
    return f"{one.plan.scenario}: {one.pack} on {one.folder}; {setting(one.plan)}"


def setting(plan: Plan) -> str:
    """The plan in words."""
    parts = [
        f"{plan.people} people, {plan.lists} lists of {plan.candidates}",
        f"{plan.clicks} clicks",
        f"impressions {plan.impressions}",
    ]
    if plan.adversary is not Adversary.NONE:
        parts.append(f"adversary {plan.adversary}")
    if plan.host is not HostOrder.NONE:
        parts.append(f"host by {plan.host}")
    if plan.switch_at is not None:
        parts.append(f"another taste from list {plan.switch_at}")
    return ", ".join([*parts, f"seed {plan.seed}"])


def curve_table(one: Simulated) -> tuple[list[Column], list[list[str]]]:
    """NDCG@10 by lists: of each arm, and what the others have more than the first."""
    reference, *others = one.arms
    columns = [Column("lists"), *(Column(arm.name, right=True) for arm in one.arms)]
    columns += [Column(f"{arm.name} - {reference.name}", right=True) for arm in others]
    rows = []
    for place, part in enumerate(reference.stretches):
        lists = f"{part.first}-{part.last}" if part.last > part.first else f"{part.first}"
        levels = [f"{arm.stretches[place].values[Measure.NDCG]:.3f}" for arm in one.arms]
        rows.append([lists, *levels, *(_apart(arm.stretches[place]) for arm in others)])
    return columns, rows


def measures_table(one: Simulated) -> tuple[list[Column], list[list[str]]]:
    """Means over all lists, an arm a line."""
    headings = ("pleasing", "regret", "clicks", "pleased", "rank, ms", "record, ms")
    columns = [Column("a list"), *(Column(name, right=True) for name in headings)]
    measures = (Measure.PLEASING, Measure.REGRET, Measure.CLICKS, Measure.PLEASED)
    rows = []
    for arm in one.arms:
        means = [sum(part.values[name] for part in arm.curve) / len(arm.curve) for name in measures]
        times = [arm.rank_ms, arm.record_ms]
        rows.append([arm.name, *(f"{value:.3f}" for value in means), *(f"{t:.1f}" for t in times)])
    return columns, rows


def findings(one: Simulated, arm: ArmFigures) -> list[str]:
    """What an arm gains, who loses, and how soon it recovers, in words."""
    told = [gain_in_words(gain, one) for gain in arm.gains]
    if arm.worse is not None and arm.worst is not None:
        told.append(
            f"worse by more than {WORSE:g} for {arm.worse:.0%} of people, "
            f"at most by {arm.worst:.3f}"
        )
    if arm.recovery is not None:
        found = arm.recovery
        when = "not" if found.events is None else f"{found.events} clicks after the switch"
        told.append(
            f"NDCG@10 {found.before:.3f} before the switch, {found.after:.3f} right after it, "
            f"{when} back at {RECOVERED:.0%}"
        )
    return told


def gain_in_words(gain: Gain, one: Simulated) -> str:
    """One gain: in what, over whom, where."""
    name = "NDCG@10" if gain.measure is Measure.NDCG else "clicks that please"
    where = "all lists" if gain.lists == one.plan.lists else f"the last {gain.lists} lists"
    return f"{name} {gain.relative:+.1%} ({gain.interval:+.1%}) on {one.arms[0].name} in {where}"


def _apart(part: Stretch) -> str:
    if part.difference is None or part.difference_interval is None:
        return ""
    return f"{part.difference:+.3f} ({part.difference_interval:+.3f})"
