"""Rounds without a wire: the prior of any people, for attacks to be turned on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import LEAST_LISTS, vector_of
from edge_rerank_export.fleet.federation.server.ledger import Promise
from edge_rerank_export.fleet.federation.server.prior import moved, noise_after, prior_of, start_of


def rehearsed(
    people: Sequence[Head],
    layout: Layout,
    promise: Promise,
    known: NDArray[np.float64] | None,
    rng: np.random.Generator | None = None,
) -> Prior:
    """The prior that a promise's rounds of these people come to.

    The same sums as by :mod:`~edge_rerank_export.fleet.federation.server.rounds`; a test holds the
    two together.

    Args:
        people: their heads, begun with no prior.
        layout: of the heads.
        promise: of the rounds.
        known: see :func:`~edge_rerank_export.fleet.federation.server.prior.prior_of`.
        rng: draws whom a round asks, and its noise. Without it a round asks everybody and gets no
            noise: what people have in common, shrunk as if there were noise. That is never
            released, and does not go by luck.
    """
    position = start_of(layout)
    for _ in range(promise.rounds):
        begun = replace(layout, start=prior_of(position, layout, known=known))
        asked: Sequence[int] = range(len(people))
        if rng is not None and len(people) > promise.clients:
            asked = rng.choice(len(people), promise.clients, replace=False).tolist()
        said = np.zeros(2 * layout.width)
        for number in asked:
            if people[number].lists >= LEAST_LISTS:
                said += vector_of(people[number].begun_at(begun))
        said /= max(len(asked), 1)
        if rng is not None:
            said += rng.normal(0.0, promise.deviation, len(said))
        position = moved(position, position + said, layout)
    noise = noise_after(promise.rounds, promise.deviation)
    return prior_of(position, layout, noise=noise, known=known)
