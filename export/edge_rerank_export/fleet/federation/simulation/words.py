"""A simulated fleet in words: what its prior gains, what it costs, and what it gives away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_rerank.render.texttable import Column, text_table

ATTACKS = {
    "along": "along its mean",
    "likelihood": "by likelihood",
    "distance": "by distance",
    "beside": "along its mean, beside the other",
}
"""Attacks of :mod:`edge_rerank_export.fleet.federation.evidence.membership`, in words."""

MEMBERSHIP = ("attack", "AUC", "95 %", "more by", "95 % of it", "of plain means")
"""Headings of :func:`membership_rows`."""

GAIN = ("round", "ε", "NDCG@10", "gain", "95 %")
"""Headings of :func:`gain_rows`."""

REACH = ("a device that sends", "moves a round by")
"""Headings of :func:`reach_rows`."""


def as_text(figures: Mapping[str, Any], *, width: int) -> str:
    """Figures of :func:`~.simulate.simulate_fleet` for a terminal.

    Args:
        figures: see there.
        width: cells of it.
    """
    lines = [setting(figures)]
    for one in figures["fleets"]:
        lines += ["", f"ε {one['epsilon']:g} at δ {one['delta']:g}: {promised(one)}"]
        lines += [_table(GAIN, gain_rows(one), width), ""]
        lines += [f"- {line}" for line in given_away(one)]
        lines += ["", about_membership(figures["plan"])]
        lines += [_table(MEMBERSHIP, membership_rows(one), width), one_fleet(one)]
        lines += ["", _table(REACH, reach_rows(one), width)]
    lines += ["", "Who could see what"]
    lines += [f"- {who}: {what}" for who, what in figures["fleets"][0]["who_sees_what"].items()]
    return "\n".join(lines) + "\n"


def setting(figures: Mapping[str, Any]) -> str:
    """What was simulated."""
    plan = figures["plan"]
    return (
        f"{figures['pack']} on {figures['data']}: {plan['devices']} devices, {plan['clients']} a "
        f"round, {plan['lists']} lists each; judged by the first {plan['first']} lists of "
        f"{plan['others']} other people; seed {plan['seed']}"
    )


def promised(one: Mapping[str, Any]) -> str:
    """What a fleet's server promised."""
    return (
        f"{one['rounds']} rounds, vectors clipped to length {one['clip']:g}, noise "
        f"{one['noise']:g} times that on the sum of {one['clients']}"
    )


def gain_rows(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What other people's first lists gain by the prior after some rounds, by :data:`GAIN`."""
    rows: list[tuple[str, ...]] = [("none", "0", f"{one['ndcg_without']:.4f}", "", "")]
    for stop in one["by_round"]:
        low, high = stop["gain_interval"]
        rows.append(
            (
                f"{stop['round']}",
                f"{stop['spent_epsilon']:.2f}",
                f"{stop['ndcg_with']:.4f}",
                f"{stop['gain']:+.1%}",
                f"{low:+.1%} to {high:+.1%}",
            )
        )
    return rows


def given_away(one: Mapping[str, Any]) -> list[str]:
    """What was spent, and what could be told of anybody, a sentence each."""
    cost = one["device_epsilon"]
    taken = one["devices_a_round_taken"]
    return [
        f"devices a round whose vectors were taken: {min(taken)} to {max(taken)} of "
        f"{one['clients']}",
        f"spent by the devices' own files: ε {cost['least']:.2f} to {cost['most']:.2f}, half of "
        f"them at most {cost['median']:.2f}; {one['spent_epsilon']:.2f} by whoever was in every "
        f"round",
        f"canaries: {one['canaries_in_histories']} devices have one in their history; in "
        f"{one['sealed_answers']:,} answers of {one['bytes_an_answer']} bytes, sealed and opened, "
        f"there are {one['canaries_on_the_wire']}",
    ]


def membership_rows(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """How well attacks tell who took part in fleets drawn at random, by :data:`MEMBERSHIP`."""
    rows: list[tuple[str, ...]] = []
    for name, told in one["membership_drawn"].items():
        (low, high), (least, most) = told["interval"], told["more_interval"]
        rows.append(
            (
                ATTACKS[name],
                f"{told['auc']:.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{told['more']:+.3f}",
                f"{least:+.3f} to {most:+.3f}",
                f"{told['plain']:.3f}",
            )
        )
    return rows


def about_membership(plan: Mapping[str, Any]) -> str:
    """What the rows of :func:`membership_rows` are."""
    return (
        f"Who took part, told by the last prior and whole heads, over {plan['fleets']} fleets of "
        f"{plan['devices']} drawn at random from {plan['devices'] + plan['others']} people (AUC, "
        "0.5 is a guess): lots say who is a member, so that nothing else tells members from "
        "others. Beside it how much more that is than the same attack says of a prior in which "
        "nobody who is judged took part, what half of the others have in common, told of the "
        "other half; and what it says of plain means of the members' heads, without clip, noise "
        "or known directions: an attack that finds nobody there has shown nothing"
    )


def one_fleet(one: Mapping[str, Any]) -> str:
    """What the attacks say of the fleet that was simulated whole."""
    told = ", ".join(
        f"{ATTACKS[name]} {area['auc']:.3f} ({area['interval'][0]:.3f} to "
        f"{area['interval'][1]:.3f}) and {area['control']:.3f}"
        for name, area in one["membership"].items()
    )
    return f"This fleet by itself against these others, and a prior of nobody's: {told}"


def reach_rows(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """How far a device that does not keep to the rules moves a round, by :data:`REACH`."""
    rows: list[tuple[str, ...]] = [
        (name, f"{reach:.6f}") for name, reach in one["reach_of_a_hostile_device"].items()
    ]
    most = one["reach_of_an_honest_device_at_most"]
    return [*rows, ("whatever is honest, at most", f"{most:.6f}")]


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> str:
    columns = [
        Column(name, right=place > 0 and "95" not in name, flexible=not place)
        for place, name in enumerate(headings)
    ]
    return text_table(columns, rows, width=width)
