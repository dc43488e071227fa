"""What concerns a person alone in a history model: worked out once a call, for all candidates.

The first half of what :mod:`~.history_graphs` computes, in numpy: a hundred numbers at most, for
which running a graph would cost more than the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.inputs import KNOWN_BITS, Events

Floats: TypeAlias = NDArray[np.float32]
Arrays: TypeAlias = Mapping[str, Floats]

KINDS = ("content", "category", "together")
"""Kinds of evidence in pairs of a candidate and a place of the history."""

_CROWD = 5
"""Columns of the context that come from popularity, at its end; the one before is a time."""

_HISTORY = KNOWN_BITS.index("history")
_OF_PERSON = [KNOWN_BITS.index(name) for name in ("category", "together", "time", "succession")]
"""What is known of a person, and not of the candidates alone."""


@dataclass(frozen=True, slots=True, repr=False)
class People:
    """What concerns all candidates of a request alike, of P requests.

    Attributes:
        shifts: what the situation adds within each layer, float32 of shape (P, rows, 1), by the
            rows of :class:`Steering`.
        rests: tanh of them, likewise.
        events: what each place of the history adds, float32 of shape (P, H, columns), likewise.
        fresh: how recent each place is, 0 to 1, float32 of shape (P, H).
        liked: how much each place is liked, at least 0, likewise.
        disliked: likewise.
        effect: what each may do, from 0 to below 2, likewise.
        gate: how much popularity counts, at least 0, float32 of shape (P,).
        mass: how much of a person there is to go by, 0 to 1, likewise.
        known: by the names of ``KNOWN_BITS``, the same in all.
    """

    shifts: Floats
    rests: Floats
    events: Floats
    fresh: Floats
    liked: Floats
    disliked: Floats
    effect: Floats
    gate: Floats
    mass: Floats
    known: Mapping[str, np.float32]


class Steering:
    """What situations and the places of histories come to in every layer: two products a call.

    Args:
        weights: of the model, by name.

    Attributes:
        rows: of each layer in ``shifts``.
        columns: of each kind of evidence in ``events``.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        wide = {name: values.astype(np.float64) for name, values in weights.items()}
        self._layers = [
            (wide[f"describe.{place}.weight"], wide[f"describe.{place}.bias"]) for place in (0, 2)
        ]
        short = len(self._layers[1][1])
        layers = {
            **{name: f"{name}.steer" for name in (*KINDS, "popularity")},
            **{f"{name}.events": f"{name}.events" for name in KINDS},
            **{name: f"{name}.0" for name in ("record", "trust")},
            "gate": "popularity.gate",
        }
        # The situation comes last among what a layer takes.
        steer = [wide[f"{layer}.weight"][:, -short:] for layer in layers.values()]
        self.rows = _slices(dict(zip(layers, map(len, steer), strict=True)))
        self._steer = np.concatenate(steer)
        self._bias = np.concatenate([wide[f"{layer}.bias"] for layer in layers.values()])
        own = [wide[f"{name}.events.weight"][:, : Events.width - 1] for name in KINDS]
        self.columns = _slices(dict(zip(KINDS, map(len, own), strict=True)))
        self._events = np.concatenate([*own, wide["against.events.weight"]]).T
        self._fresh = wide["against.events.bias"][0]

    def people(self, arrays: Arrays) -> People:
        """What concerns all candidates of a request alike.

        Args:
            arrays: of P requests in which the same is known, with one leading axis.
        """
        known = dict(zip(KNOWN_BITS, arrays["known"][0].tolist(), strict=True))
        strength = arrays["strength"].astype(np.float64)
        liked = strength.clip(min=0) * arrays["history"] * known["history"]
        effect = 2 * liked / (1 + liked)
        total = effect.sum(axis=-1)
        mass = total / (total + 1)
        (first, bias), (second, last) = self._layers
        # A product a request: what comes of one depends on no other.
        told = _described(arrays["context"], known, mass)[..., None]
        steer = second @ _gelu(first @ told + bias[:, None]) + last[:, None]
        shifts = (self._steer @ steer + self._bias[:, None]).astype(np.float32)
        time = known["time"]
        placed = arrays["events"][..., : Events.width - 1] * np.array([1.0, time, time])
        placed = placed @ self._events
        return People(
            shifts=shifts,
            rests=np.tanh(shifts),
            events=placed.astype(np.float32),
            fresh=(1 / (1 + np.exp(-(placed[..., -1] + self._fresh)))).astype(np.float32),
            liked=liked.astype(np.float32),
            disliked=(-strength).clip(min=0).astype(np.float32),
            effect=effect.astype(np.float32),
            gate=np.logaddexp(np.float32(0.0), shifts[:, self.rows["gate"]][:, 0, 0]),
            mass=mass.astype(np.float32),
            known={name: np.float32(one) for name, one in known.items()},
        )


def _described(
    context: Floats, known: Mapping[str, float], mass: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What situations are described from: nothing of a history says more than its mass."""
    size, width = context.shape
    told = np.empty((size, width + len(KNOWN_BITS)))
    alive, said = told[:, :width], told[:, width:]
    alive[:], said[:] = mass[:, None], [known[name] for name in KNOWN_BITS]
    said[:, _HISTORY] = mass
    said[:, _OF_PERSON] *= mass[:, None]
    alive[:, -_CROWD - 1] *= known["time"]
    alive[:, -_CROWD:] = known["popularity"]
    alive *= context
    return told


def _slices(sizes: Mapping[str, int]) -> dict[str, slice]:
    """One part of a row after the other."""
    ends = accumulate(sizes.values())
    return {name: slice(end - sizes[name], end) for name, end in zip(sizes, ends, strict=True)}


def _gelu(values: NDArray[np.float64]) -> NDArray[np.float64]:
    halves = [math.erf(value) for value in (values / math.sqrt(2.0)).ravel().tolist()]
    return values * 0.5 * (1.0 + np.array(halves).reshape(values.shape))
