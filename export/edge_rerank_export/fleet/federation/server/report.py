"""The privacy report of a fleet: what was promised, what was spent, and who could see what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import STRETCH
from edge_rerank_export.fleet.federation.server.ledger import Ledger
from edge_rerank_export.fleet.federation.server.prior import STEP

WHO_SEES = {
    "the device": "everything of its own people; it chooses the person whose vector it sends, and "
    "sends none without their consent to personalisation and to the purpose fleet",
    "the transport": "sealed bytes of one length, from which device, and when; not the vector",
    "the server": "each clipped vector of a round in its memory, for it adds them up and adds the "
    "noise itself: Flower 1.42 has no secure aggregation for its message API, so the server has to "
    "be trusted to add up, to add the noise and to let go of the vectors; it keeps none",
    "a device of the fleet": "the prior of each round, noise and all",
    "whoever gets the prior": "mean and precision of each weight over all devices, noise and all; "
    "epsilon and delta bound what that says of any one device",
}
"""Kept beside the figures: noise says nothing about who holds what."""


def report_of(
    ledger: Ledger, *, layout: str, taken: tuple[int, ...], beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The report as JSON-ready values.

    Args:
        ledger: of all rounds.
        layout: mark of the heads.
        taken: devices whose vectors were taken, by round.
        beside: other figures, as those of a simulation.
    """
    return {
        **ledger.to_dict(),
        "step": STEP,
        "stretch": STRETCH,
        "layout": layout,
        "devices_a_round_taken": list(taken),
        "what_leaves": "of one person a round: the clipped mean of the head against the prior, and "
        "how much wider it is than the prior; nothing else",
        "noise_source": "numpy's Mersenne Twister, seeded by the operating system, as Flower draws "
        "it; in double precision, without a defence against attacks on its rounding",
        "secure_aggregation": False,
        "who_sees_what": WHO_SEES,
        **(beside or {}),
    }


def as_json(report: Mapping[str, Any]) -> str:
    """The report as a file's text."""
    return json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def as_text(report: Mapping[str, Any]) -> str:
    """The report in short."""
    taken = report["devices_a_round_taken"]
    lines = [
        f"ε {report['spent_epsilon']:.3g} of {report['epsilon']:g} at δ {report['delta']:g}, "
        f"for a device that took part in all of {report['rounds']} rounds",
        f"each vector clipped to length {report['clip']:g}; noise {report['noise']:g} times that "
        f"on the sum of {report['clients']} devices",
        f"devices whose vectors were taken: {min(taken, default=0)} to {max(taken, default=0)} "
        "a round",
        *(f"{who}: {what}" for who, what in report["who_sees_what"].items()),
    ]
    return "\n".join(lines) + "\n"


def means_of(prior: Prior, columns: tuple[str, ...]) -> dict[str, float]:
    """The means of the columns of evidence, by name: what people have in common is mostly there."""
    return {name: float(prior.mean[place]) for place, name in enumerate(columns)}
