"""The history encoder in PyTorch, and its way to ONNX and back.

Target attention (Zhou et al., "Deep interest network", KDD 2018) over relations rather than
over vectors: the model sees how a candidate compares with each item of the history, not what
either is about, and so carries over to catalogues it never saw. Each kind of evidence has an
attention of its own, and the parts add up (a generalised additive model), all of them steered
by a short description of the whole situation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from edge_rerank.ranking.signals.categories import Categories
from edge_rerank.ranking.signals.content import Content
from edge_rerank.ranking.signals.counts import Counts
from edge_rerank.ranking.signals.inputs import KNOWN_BITS, SIGNALS, Context, Events, Known
from edge_rerank.ranking.signals.pairs import Pairs
from edge_rerank.ranking.signals.popularity import Popularity
from edge_rerank.ranking.signals.sequence import Successions
from edge_rerank.ranking.signals.signal import Axes, Signal

OPSET = 20
WIDTH = 16
_FAR = 1e4
_CROWD = 5
"""Columns of the context that come from popularity, at its end; the one before is a time."""


class PairEvidence(nn.Module):
    """One kind of evidence: signals of every pair, pooled over the history into a number.

    Args:
        signals: numbers a pair.
        pools: weighted means and maxima that are taken.
        hidden: width of the layer over pairs.
    """

    def __init__(self, signals: int, pools: int, hidden: int) -> None:
        super().__init__()
        self.pairs = nn.Linear(signals, hidden, bias=False)
        self.events = nn.Linear(Events.width - 1 + WIDTH, hidden)
        self.pool = nn.Linear(hidden, 2 * pools)
        self.hidden = nn.Linear(2 * pools + WIDTH, 24)
        self.out = nn.Linear(24, 1)
        self.direct = nn.Linear(2 * pools, 1, bias=False)

    def forward(self, pairs: Tensor, events: Tensor, history: Tensor, steer: Tensor) -> Tensor:
        """Shapes (B, signals, C, H), (B, H, 4), (B, H), (B, WIDTH) to (B, C).

        The history stays the last axis throughout: sums and maxima then run over neighbours
        in memory, and each layer over pairs is one matrix product.
        """
        count, length = pairs.shape[2], pairs.shape[3]
        shape = (pairs.shape[0], -1, count, length)
        steered = steer[:, None].expand(-1, length, -1)
        by_event = self.events(torch.cat([events[..., :-1], steered], -1)).transpose(1, 2)
        by_pair = (self.pairs.weight @ pairs.flatten(2)).reshape(*shape)
        hidden = torch.relu(by_pair + by_event[:, :, None])
        pooled = self.pool.weight @ hidden.flatten(2) + self.pool.bias[:, None]
        absent = ((history - 1) * _FAR)[:, None, None]
        attend, value = pooled.reshape(*shape).chunk(2, 1)
        # An item that is liked half as much gets half the attention.
        weight = (attend + (events[..., -1][:, None, None] + absent)).softmax(3)
        some = history.amax(1)[:, None, None]
        pools = torch.cat([(weight * value).sum(3), (value + absent).amax(3)], 1) * some
        pools = pools.transpose(1, 2)
        context = steer[:, None].expand(-1, count, -1)
        hidden = nn.functional.gelu(self.hidden(torch.cat([pools, context], -1)))
        score: Tensor = (self.out(hidden) + self.direct(pools))[..., 0]
        return score


class HistoryModel(nn.Module):
    """All kinds of evidence; see the module's description.

    Args:
        succession: whether it takes what a table of successions says.
    """

    def __init__(self, *, succession: bool = False) -> None:
        super().__init__()
        self.signals = tuple(
            one for one in SIGNALS if succession or not isinstance(one, Successions)
        )
        self.inputs = tuple(signal.name for signal in self.signals)
        self.describe = nn.Sequential(
            nn.Linear(Context.width + len(KNOWN_BITS), 32), nn.GELU(), nn.Linear(32, WIDTH)
        )
        self.content = PairEvidence(Content.width, 6, 16)
        self.category = PairEvidence(Categories.width, 3, 8)
        self.together = PairEvidence(Pairs.width, 6, 16)
        self.popularity = nn.Sequential(
            nn.Linear(Popularity.width + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
        )
        self.popularity_direct = nn.Linear(Popularity.width, 1, bias=False)
        self.record = nn.Sequential(
            nn.Linear(Counts.width + Popularity.width + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
        )
        self.record_direct = nn.Linear(Counts.width, 1, bias=False)
        if succession:
            self.trust = nn.Sequential(
                nn.Linear(1 + Popularity.width + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
            )

    def forward(self, *arrays: Tensor) -> Tensor:
        """The inputs of :data:`SIGNALS` that it takes, with one leading axis, to (B, C, 4)."""
        given = dict(zip(self.inputs, arrays, strict=True))
        known, events, popularity = given["known"], given["events"], given["popularity"]
        has_history, has_category, has_together, has_popularity, has_time, has_record = torch.split(
            known, 1, -1
        )
        history = given["history"] * has_history
        ones = torch.ones_like(has_time)
        events = events * torch.cat([ones, has_time, has_time, ones], -1)[:, None]
        spaces = Context.width - _CROWD - 1
        alive = torch.cat(
            [
                has_history.expand(-1, spaces),
                has_history * has_time,
                has_popularity.expand(-1, _CROWD),
            ],
            -1,
        )
        steer = self.describe(torch.cat([given["context"] * alive, known], -1))
        context = steer[:, None].expand(-1, popularity.shape[1], -1)
        crowd = torch.cat([popularity, context], -1)
        log = torch.cat([given["record"], popularity * has_popularity[:, None], context], -1)
        first = self.content(given["content"], events, history, steer) * has_history
        # The runtime hands in a single candidate of a kind of evidence that is not there.
        none = torch.zeros_like(first)
        has_category, has_together = has_category * has_history, has_together * has_history
        counts = self.together(given["together"], events, history, steer) * has_together + none
        succession = given.get(Successions.name)
        if succession is not None:
            # A factor, so that what is not known, which is 0, stays so.
            judged = torch.cat([succession[..., None], crowd], -1)
            counts = counts + succession * (1 + self.trust(judged)[..., 0])
        return torch.stack(
            [
                first,
                self.category(given["category"], events, history, steer) * has_category + none,
                counts,
                (self.popularity(crowd) + self.popularity_direct(popularity))[..., 0]
                * has_popularity
                + (self.record(log) + self.record_direct(given["record"]))[..., 0] * has_record,
            ],
            -1,
        )


def tensors(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """The model's inputs as tensors; those by pair in half precision, to save memory."""
    by_pair = {signal.name for signal in SIGNALS if signal.axes is Axes.PAIRS}
    return {
        name: torch.from_numpy(value).half() if name in by_pair else torch.from_numpy(value)
        for name, value in arrays.items()
    }


def export_onnx(model: HistoryModel, target: Path) -> None:
    """Write ``model`` as ONNX with free numbers of requests, candidates and events."""
    model.eval()
    torch.onnx.export(
        model,
        tuple(_example(signal) for signal in model.signals),
        str(target),
        dynamo=False,
        opset_version=OPSET,
        # Weights keep their names and shapes, so that load_weights() finds them.
        do_constant_folding=False,
        input_names=list(model.inputs),
        output_names=["parts"],
        dynamic_axes={**_free_axes(model.signals), "parts": {0: "requests", 1: "candidates"}},
    )
    onnx.checker.check_model(str(target), full_check=True)


def _example(signal: Signal) -> Tensor:
    """Numbers of the right shape: nothing is known, but the history has items."""
    shape = (2, *signal.axes.shape(3, 4, signal.width))
    there = signal.axes is Axes.EVENT or isinstance(signal, Known)
    return torch.ones(shape) if there else torch.zeros(shape)


def _free_axes(signals: Sequence[Signal]) -> dict[str, dict[int, str]]:
    """Names of the axes of each input that may have any length."""
    free: dict[str, dict[int, str]] = {}
    one = "candidates_or_one"
    for signal in signals:
        axes, dims = signal.axes, 1 + len(signal.axes.shape(0, 0, 0))
        free[signal.name] = {0: "requests"}
        if axes.of_candidates is not None:
            free[signal.name][dims + axes.of_candidates] = one if signal.folds else "candidates"
        if axes.of_history is not None:
            free[signal.name][dims + axes.of_history] = "events"
        if signal.folds:
            one += "_too"  # each folds by itself
    return free


def load_weights(model: HistoryModel, raw: bytes) -> None:
    """Bring back the weights of a model that :func:`export_onnx` wrote.

    Raises:
        ValueError: when they do not fit.
    """
    stored = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_model_from_string(raw).graph.initializer
    }
    state = model.state_dict()
    missing = [name for name, value in state.items() if name not in stored]
    if missing or any(stored[name].shape != tuple(state[name].shape) for name in state):
        raise ValueError("not the weights of this model")
    model.load_state_dict({name: torch.from_numpy(np.array(stored[name])) for name in state})
