"""The history encoder in PyTorch, and its way to ONNX and back.

Target attention (Zhou et al., "Deep interest network", KDD 2018) over relations rather than
over vectors: the model sees how a candidate compares with each item of the history, not what
either is about, and so carries over to catalogues it never saw. Each kind of evidence has an
attention of its own, and the parts add up (a generalised additive model), all of them steered
by a short description of the whole situation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from edge_rerank.ranking.signals.counts import SIGNALS as RECORD_SIGNALS
from edge_rerank.ranking.signals.inputs import (
    CATEGORY_SIGNALS,
    CONTENT_SIGNALS,
    CONTEXT_SIGNALS,
    EVENT_SIGNALS,
    KNOWN_SIGNALS,
    POPULARITY_SIGNALS,
    Signals,
)
from edge_rerank.ranking.signals.pairs import SIGNALS as TOGETHER_SIGNALS

OPSET = 20
INPUTS = (
    "content",
    "category",
    "together",
    "events",
    "history",
    "popularity",
    "record",
    "context",
    "known",
)
SUCCESSION = "succession"
"""The input that only models with a table of successions take, the last one."""

WIDTH = 16
_FAR = 1e4
_CROWD = 5
"""Columns of the context that come from popularity, at its end; the one before is a time."""


class Evidence(nn.Module):
    """One kind of evidence: signals of every pair, pooled over the history into a number.

    Args:
        signals: numbers a pair.
        pools: weighted means and maxima that are taken.
        hidden: width of the layer over pairs.
    """

    def __init__(self, signals: int, pools: int, hidden: int) -> None:
        super().__init__()
        self.pairs = nn.Linear(signals, hidden, bias=False)
        self.events = nn.Linear(EVENT_SIGNALS - 1 + WIDTH, hidden)
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
        self.inputs = (*INPUTS, SUCCESSION) if succession else INPUTS
        self.describe = nn.Sequential(
            nn.Linear(CONTEXT_SIGNALS + KNOWN_SIGNALS, 32), nn.GELU(), nn.Linear(32, WIDTH)
        )
        self.content = Evidence(CONTENT_SIGNALS, 6, 16)
        self.category = Evidence(CATEGORY_SIGNALS, 3, 8)
        self.together = Evidence(TOGETHER_SIGNALS, 6, 16)
        self.popularity = nn.Sequential(
            nn.Linear(POPULARITY_SIGNALS + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
        )
        self.popularity_direct = nn.Linear(POPULARITY_SIGNALS, 1, bias=False)
        self.record = nn.Sequential(
            nn.Linear(RECORD_SIGNALS + POPULARITY_SIGNALS + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
        )
        self.record_direct = nn.Linear(RECORD_SIGNALS, 1, bias=False)
        if succession:
            self.trust = nn.Sequential(
                nn.Linear(1 + POPULARITY_SIGNALS + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
            )

    def forward(  # noqa: PLR0917 - the model's inputs, in their order
        self,
        content: Tensor,
        category: Tensor,
        together: Tensor,
        events: Tensor,
        history: Tensor,
        popularity: Tensor,
        record: Tensor,
        context: Tensor,
        known: Tensor,
        succession: Tensor | None = None,
    ) -> Tensor:
        """The arrays of :class:`Signals` with one leading axis to parts, (B, C, 4)."""
        has_history, has_category, has_together, has_popularity, has_time, has_record = torch.split(
            known, 1, -1
        )
        history = history * has_history
        ones = torch.ones_like(has_time)
        events = events * torch.cat([ones, has_time, has_time, ones], -1)[:, None]
        spaces = CONTEXT_SIGNALS - _CROWD - 1
        alive = torch.cat(
            [
                has_history.expand(-1, spaces),
                has_history * has_time,
                has_popularity.expand(-1, _CROWD),
            ],
            -1,
        )
        steer = self.describe(torch.cat([context * alive, known], -1))
        context = steer[:, None].expand(-1, popularity.shape[1], -1)
        crowd = torch.cat([popularity, context], -1)
        log = torch.cat([record, popularity * has_popularity[:, None], context], -1)
        first = self.content(content, events, history, steer) * has_history
        # The runtime hands in a single candidate of a kind of evidence that is not there.
        none = torch.zeros_like(first)
        has_category, has_together = has_category * has_history, has_together * has_history
        counts = self.together(together, events, history, steer) * has_together + none
        if succession is not None:
            # A factor, so that what is not known, which is 0, stays so.
            judged = torch.cat([succession[..., None], crowd], -1)
            counts = counts + succession * (1 + self.trust(judged)[..., 0])
        return torch.stack(
            [
                first,
                self.category(category, events, history, steer) * has_category + none,
                counts,
                (self.popularity(crowd) + self.popularity_direct(popularity))[..., 0]
                * has_popularity
                + (self.record(log) + self.record_direct(record))[..., 0] * has_record,
            ],
            -1,
        )


def tensors(signals: Signals) -> dict[str, Tensor]:
    """The model's inputs as tensors; those by pair in half precision, to save memory."""
    by_pair = {"content", "category", "together"}
    return {
        name: torch.from_numpy(value).half() if name in by_pair else torch.from_numpy(value)
        for name, value in signals.inputs().items()
    }


def export_onnx(model: HistoryModel, target: Path) -> None:
    """Write ``model`` as ONNX with free numbers of requests, candidates and events."""
    model.eval()
    requests, candidates, events = 2, 3, 4
    pairs = (candidates, events)
    example: tuple[Tensor, ...] = (
        torch.zeros(requests, CONTENT_SIGNALS, *pairs),
        torch.zeros(requests, CATEGORY_SIGNALS, *pairs),
        torch.zeros(requests, TOGETHER_SIGNALS, *pairs),
        torch.zeros(requests, events, EVENT_SIGNALS),
        torch.ones(requests, events),
        torch.zeros(requests, candidates, POPULARITY_SIGNALS),
        torch.zeros(requests, candidates, RECORD_SIGNALS),
        torch.zeros(requests, CONTEXT_SIGNALS),
        torch.ones(requests, KNOWN_SIGNALS),
    )
    if SUCCESSION in model.inputs:
        example = (*example, torch.zeros(requests, candidates))

    def axes(candidates: str) -> dict[int, str]:
        return {0: "requests", 2: candidates, 3: "events"}

    by_event = {0: "requests", 1: "events"}
    torch.onnx.export(
        model,
        example,
        str(target),
        dynamo=False,
        opset_version=OPSET,
        # Weights keep their names and shapes, so that load_weights() finds them.
        do_constant_folding=False,
        input_names=list(model.inputs),
        output_names=["parts"],
        dynamic_axes={
            "content": axes("candidates"),
            "category": axes("candidates_or_one"),
            "together": axes("candidates_or_one_too"),
            "events": by_event,
            "history": by_event,
            "popularity": {0: "requests", 1: "candidates"},
            "record": {0: "requests", 1: "candidates"},
            "context": {0: "requests"},
            "known": {0: "requests"},
            **(
                {SUCCESSION: {0: "requests", 1: "candidates"}} if SUCCESSION in model.inputs else {}
            ),
            "parts": {0: "requests", 1: "candidates"},
        },
    )
    onnx.checker.check_model(str(target), full_check=True)


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
