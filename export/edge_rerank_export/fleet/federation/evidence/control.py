"""The prior without members, beside which an attack on the one that was released is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import LEAST_LISTS, vector_of
from edge_rerank_export.fleet.federation.server.ledger import Promise
from edge_rerank_export.fleet.federation.server.prior import moved, noise_after, prior_of, start_of


def control_of(
    prior: Prior, layout: Layout, promise: Promise, known: NDArray[np.float64] | None
) -> Callable[[Sequence[Head]], Prior]:
    """A prior without members, that attacks are turned on, too, from the heads of some others.

    Where directions are known, it is the first alone, as long as the prior that was released:
    nobody took part in it.

    Args:
        prior: what was released.
        layout: of the heads.
        promise: of the rounds.
        known: directions of a catalogue, float64 of shape (directions, axes), see
            :func:`~edge_rerank_export.fleet.federation.server.crowd.known_directions`; ``None``
            for none.

    Returns:
        Gives the prior of some heads, for :func:`~.membership.membership`.
    """
    if known is None:
        return lambda some: _common(layout, some, promise)
    usual = replace(layout, start=None).prior()
    mean = np.zeros(layout.width)
    columns = len(layout.columns)
    mean[columns : columns + layout.axes] = np.linalg.norm(prior.mean) * known[0]
    alone = Prior.of(mean, usual)
    return lambda some: alone  # noqa: ARG005 - nobody took part


def _common(layout: Layout, some: Sequence[Head], promise: Promise) -> Prior:
    """What some people have in common: the prior that rounds of all of them come to.

    No noise is added, but it is shrunk as if, so that it has what a released one may have, and that
    does not go by luck; it is never released.
    """
    heads = [head for head in some if head.lists >= LEAST_LISTS]
    position = start_of(layout)
    for _ in range(promise.rounds if heads else 0):
        begun = replace(layout, start=prior_of(position, layout))
        said = np.mean([vector_of(head.begun_at(begun)) for head in heads], axis=0)
        position = moved(position, position + said, layout)
    return prior_of(position, layout, noise=noise_after(promise.rounds, promise.deviation))
