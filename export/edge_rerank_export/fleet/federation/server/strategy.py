"""The server's side of a round on Flower: federated averaging under differential privacy.

Clipping, averaging and noise are Flower's (``FedAvg`` in
``DifferentialPrivacyServerSideFixedClipping``). What is done around them: each device that was
asked counts once, whatever it sends; who is silent, is malformed or sends what is not finite counts
as a device that has nothing to say, so that the divisor, and with it the noise, is always that of
all that were asked; and a ledger stops the rounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg
from numpy.typing import NDArray

from edge_rerank.history.transfer import open_sealed
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.share import CLIP, Contribution, FleetRound, clipped, reads
from edge_rerank_export.fleet.federation.server.ledger import Ledger
from edge_rerank_export.fleet.federation.server.prior import moved
from edge_rerank_export.fleet.federation.wire import SEALED, ask

if TYPE_CHECKING:
    from flwr.serverapp import Grid

_POSITION = "position"
_NOTHING = 1e-12
"""In place of a vector of zeros, which Flower's clipping divides by."""


class PriorStrategy(DifferentialPrivacyServerSideFixedClipping):
    """One fleet's rounds.

    Args:
        layout: of the heads; its ``start`` is where they begin in the next round.
        private: the server's X25519 key, 32 bytes.
        public: its public half.
        ledger: is spent from.

    Attributes:
        layout: as given; whoever releases a prior in between sets it anew.
        taken: devices of the last round whose vectors were taken.
        parcel: files of the pack that heads begin with in the round, for devices to take.
    """

    def __init__(self, layout: Layout, private: bytes, public: bytes, ledger: Ledger) -> None:
        promise = ledger.promise
        average = FedAvg(
            fraction_train=_NOTHING,  # of whoever is there: as many as were promised
            fraction_evaluate=0.0,
            min_train_nodes=promise.clients,
            min_available_nodes=promise.clients,
        )
        super().__init__(average, promise.noise, CLIP, promise.clients)
        self.layout = layout
        self.taken = 0
        self.parcel: dict[str, bytes] = {}
        self._private, self._public = private, public
        self._ledger = ledger
        self._asked: dict[int, Message] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask as many devices as were promised.

        Raises:
            PrivacyBudgetSpent: when the round would cost too much.
        """
        self._ledger.check()
        promise = self._ledger.promise
        terms = FleetRound(server_round, self._public, promise.noise, promise.clients)
        ask(config, terms.to_json(), self.parcel)
        asked = list(super().configure_train(server_round, arrays, config, grid))
        self._asked = {message.metadata.dst_node_id: message for message in asked}
        return asked

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next position: one vector of each device that was asked, clipped, averaged, noised.

        Raises:
            PrivacyBudgetSpent: when the round would cost too much; nothing is added up then.
        """
        heard: dict[int, NDArray[np.float64]] = {}
        for reply in replies:
            device = reply.metadata.src_node_id
            if device in self._asked and device not in heard:
                heard[device] = self._opened(reply, server_round)
        self.taken = sum(bool(vector.any()) for vector in heard.values())
        nothing = np.zeros(2 * self.layout.width)
        position = position_in(self.current_arrays)
        cleaned = [
            _reply(message, position, heard.get(device, nothing))
            for device, message in self._asked.items()
        ]
        self._ledger.spend()
        said, metrics = super().aggregate_train(server_round, cleaned)
        if said is None:
            return None, metrics
        return arrays_of(moved(position, position_in(said), self.layout)), metrics

    def _opened(self, reply: Message, number: int) -> NDArray[np.float64]:
        """The vector that a device sent; zeros for what is none of this round."""
        nothing = np.zeros(2 * self.layout.width)
        if reply.has_error():
            return nothing
        records = list(reply.content.config_records.values())
        sealed = records[0].get(SEALED) if len(records) == 1 else None
        raw = open_sealed(sealed, self._private) if isinstance(sealed, bytes) else None
        content = None if raw is None else Contribution.from_bytes(raw)
        if content is None or not reads(content, self.layout, number):
            return nothing
        return clipped(content.vector).astype(np.float64)


def arrays_of(position: NDArray[np.float64]) -> ArrayRecord:
    """A position, float64 of shape (2 width,), as Flower passes it on."""
    return ArrayRecord({_POSITION: Array(np.asarray(position))})


def position_in(arrays: ArrayRecord) -> NDArray[np.float64]:
    """The position in a record of :func:`arrays_of`."""
    (position,) = arrays.to_numpy_ndarrays()
    return np.asarray(position, dtype=np.float64)


def _reply(message: Message, position: NDArray[np.float64], vector: NDArray[np.float64]) -> Message:
    said = vector.copy()
    if not said.any():
        said[0] = _NOTHING
    content = RecordDict(
        {"arrays": arrays_of(position + said), "metrics": MetricRecord({"num-examples": 1})}
    )
    return Message(content=content, reply_to=message)
