"""A simulated fleet in words: what its prior gains, what it costs, and what it gives away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_rerank.render.texttable import Column, text_table

ATTACKS = {"along": "along its mean", "likelihood": "by likelihood", "distance": "by distance"}
"""Attacks of :mod:`~.federate_attack`, in words."""

GAIN = ("round", "ε", "NDCG@10", "gain", "95 %")
"""Headings of :func:`gain_rows`."""

REACH = ("a device that sends", "moves a round by")
"""Headings of :func:`reach_rows`."""


def as_text(figures: Mapping[str, Any], *, width: int) -> str:
    """Figures of :func:`~.federate_simulate.simulate_fleet` for a terminal.

    Args:
        figures: see there.
        width: cells of it.
    """
    lines = [setting(figures)]
    for one in figures["fleets"]:
        lines += ["", f"ε {one['epsilon']:g} at δ {one['delta']:g}: {promised(one)}"]
        lines += [_table(GAIN, gain_rows(one), width), ""]
        lines += [f"- {line}" for line in given_away(one)]
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
    cost, told = one["device_epsilon"], one["membership_auc"]
    attacks = ", ".join(f"{ATTACKS[name]} {value:.3f}" for name, value in told.items())
    taken = one["devices_a_round_taken"]
    return [
        f"devices a round whose vectors were taken: {min(taken)} to {max(taken)} of "
        f"{one['clients']}",
        f"spent by the devices' own files: ε {cost['least']:.2f} to {cost['most']:.2f}, half of "
        f"them at most {cost['median']:.2f}; {one['spent_epsilon']:.2f} by whoever was in every "
        f"round",
        f"membership inference by the last prior, AUC, 0.5 is a guess: {attacks}",
        f"canaries: {one['canaries_in_histories']} devices have one in their history; in "
        f"{one['sealed_answers']:,} answers of {one['bytes_an_answer']} bytes, sealed and opened, "
        f"there are {one['canaries_on_the_wire']}",
    ]


def reach_rows(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """How far a device that does not keep to the rules moves a round, by :data:`REACH`."""
    rows: list[tuple[str, ...]] = [
        (name, f"{reach:.6f}") for name, reach in one["reach_of_a_hostile_device"].items()
    ]
    most = one["reach_of_an_honest_device_at_most"]
    return [*rows, ("whatever is honest, at most", f"{most:.6f}")]


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> str:
    columns = [
        Column(name, right=place > 0 and name != GAIN[-1], flexible=name == REACH[0])
        for place, name in enumerate(headings)
    ]
    return text_table(columns, rows, width=width)
