"""Devices that do not keep to the rules, and how far each can move a round."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import ConfigRecord, Message
from numpy.typing import NDArray

from edge_rerank.history.transfer import seal_for
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.share import CLIP, STRETCH, Contribution
from edge_rerank_export.fleet.federation.grid import Device, MemoryGrid
from edge_rerank_export.fleet.federation.server.ledger import Ledger, Promise
from edge_rerank_export.fleet.federation.server.prior import STEP, start_of
from edge_rerank_export.fleet.federation.server.strategy import (
    PriorStrategy,
    arrays_of,
    position_in,
)
from edge_rerank_export.fleet.federation.wire import answered


def hostile_devices(layout: Layout, public: bytes) -> dict[str, Device]:
    """Ways not to keep to the rules, by name.

    Args:
        layout: of the heads in the round.
        public: the server's key, which everybody knows.
    """
    width = 2 * layout.width
    ones = np.ones(width)

    def sends(numbers: NDArray[np.floating], times: int = 1, number: int = 1) -> Device:
        return sender(numbers, layout, public, times=times, number=number)

    return {
        "silent": lambda message: [],  # noqa: ARG005
        "honest, as long as may be": sends(ones * CLIP / np.sqrt(width)),
        "not a number": sends(ones * np.nan),
        "infinite": sends(ones * np.inf),
        "huge": sends(ones * 1e30),
        "the largest float": sends(ones * np.finfo(np.float32).max),
        "a thousand times": sends(ones, times=1_000),
        "of another round": sends(ones, number=2),
        "of another length": sends(np.ones(3)),
        "not sealed": lambda message: [answered(message, b"\x00" * 500)],
    }


def sender(
    numbers: NDArray[np.floating],
    layout: Layout,
    public: bytes,
    *,
    times: int = 1,
    number: int = 1,
) -> Device:
    """A device that answers with these numbers, whatever they are.

    Args:
        numbers: of shape (n,), whatever n is.
        layout: of the heads in the round.
        public: the server's key.
        times: how often.
        number: of the round that it says it answers.
    """
    with np.errstate(over="ignore"):
        vector = numbers.astype(np.float32)
    start = bytes(16) if layout.start is None else layout.start.mark
    content = Contribution(layout.mark, start, number, vector).to_bytes()

    def answer(message: Message) -> list[Message]:
        return [answered(message, seal_for(content, public)) for _ in range(times)]

    return answer


def reach_of_each(
    layout: Layout,
    keys: tuple[bytes, bytes],
    promise: Promise,
    vectors: Sequence[NDArray[np.floating]],
    *,
    seed: int = 0,
) -> dict[str, float]:
    """How far one device of each kind moves the position, beside its being silent.

    The same devices are asked and the same noise is drawn each time.

    Args:
        layout: of the heads.
        keys: the server's, private and public.
        promise: of the round.
        vectors: of honest devices, of shape (2 width,) each, as many as are asked; the first is
            replaced.
        seed: of the noise.

    Returns:
        Lengths by name; an honest device moves it by at most :func:`most_reach`.
    """
    honest = {number + 1: sender(vector, layout, keys[1]) for number, vector in enumerate(vectors)}
    positions = {
        name: _position(layout, keys, promise, {**honest, 1: device}, seed)
        for name, device in hostile_devices(layout, keys[1]).items()
    }
    silent = positions.pop("silent")
    return {
        name: float(np.linalg.norm(position - silent)) if np.isfinite(position).all() else np.inf
        for name, position in positions.items()
    }


def most_reach(promise: Promise) -> float:
    """How far an honest device can move the position."""
    return STEP / STRETCH * CLIP / promise.clients


def _position(
    layout: Layout,
    keys: tuple[bytes, bytes],
    promise: Promise,
    devices: Mapping[int, Device],
    seed: int,
) -> NDArray[np.float64]:
    strategy = PriorStrategy(layout, *keys, Ledger(promise))
    grid = MemoryGrid(devices)
    random.seed(seed)
    np.random.seed(seed)  # Flower draws its noise from there
    asked = strategy.configure_train(1, arrays_of(start_of(layout)), ConfigRecord(), grid)
    arrays, _ = strategy.aggregate_train(1, grid.send_and_receive(asked))
    assert arrays is not None  # noqa: S101 - every device that was asked counts
    return position_in(arrays)
