"""Rounds of a fleet from the first prior to the last, by whatever grid its devices are reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray

from edge_rerank.errors import PrivacyBudgetSpent
from edge_rerank.learning.prior import Prior
from edge_rerank_export.fleet.federation.server.ledger import Ledger
from edge_rerank_export.fleet.federation.server.prior import noise_after, prior_of, start_of
from edge_rerank_export.fleet.federation.server.strategy import (
    PriorStrategy,
    arrays_of,
    position_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from flwr.serverapp import Grid


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a fleet's rounds.

    Attributes:
        prior: the last one, to be released.
        position: that it is of, float64 of shape (2 width,).
        rounds: that were run.
        taken: devices whose vectors were taken, by round.
    """

    prior: Prior
    position: NDArray[np.float64]
    rounds: int
    taken: tuple[int, ...]


def run_rounds(
    strategy: PriorStrategy,
    grid: Grid,
    ledger: Ledger,
    *,
    position: NDArray[np.float64] | None = None,
    known: NDArray[np.float64] | None = None,
    timeout: float | None = None,
    on_round: Callable[[int, NDArray[np.float64]], object] | None = None,
) -> Finished:
    """Ask for rounds until there are as many as were promised, or the ledger says stop.

    Args:
        strategy: adds up.
        grid: reaches the devices.
        ledger: of the strategy; also counts rounds before these.
        position: that rounds before came to; ``None`` for the layout's own.
        known: see :func:`~.prior.prior_of`.
        timeout: seconds to wait for a round's answers; ``None`` for all of them.
        on_round: told before each round its number and the position that heads begin at.
    """
    layout = strategy.layout
    if position is None:
        position = start_of(layout)
    else:
        strategy.layout = replace(layout, start=prior_of(position, layout, known=known))
    taken: list[int] = []
    while ledger.rounds < ledger.promise.rounds:
        number = ledger.rounds + 1
        if on_round is not None:
            on_round(number, position)
        try:
            asked = strategy.configure_train(number, arrays_of(position), ConfigRecord(), grid)
        except PrivacyBudgetSpent:
            break
        replies = grid.send_and_receive(asked, timeout=timeout)
        arrays, _ = strategy.aggregate_train(number, replies)
        taken.append(strategy.taken)
        if arrays is not None:
            position = position_in(arrays)
        strategy.layout = replace(layout, start=prior_of(position, layout, known=known))
    noise = noise_after(ledger.rounds, ledger.promise.deviation)
    prior = prior_of(position, layout, noise=noise, known=known)
    return Finished(prior, position, len(taken), tuple(taken))
