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
from edge_rerank.ranking.signals.signal import Axes, Signal

OPSET = 20
WIDTH = 16
_LEAST_SINK = 0.25
"""Of attention: that a single click gets at most four fifths of it, a bounce (0.02 to 0.1) of
the weakest kind a fourteenth."""

_LIKENESSES = 3
_LEAST_BAR = 1.25
"""With slopes of about 5, as trained: cosines of texts below a quarter say nothing, as most
are of items of different kinds."""

_MOST_SAID = 4.0

_CROWD = 5
"""Columns of the context that come from popularity, at its end; the one before is a time."""


class Rising(nn.Module):
    """A linear layer without bias whose output never falls when an input rises.

    Args:
        inputs: numbers it takes.
        outputs: numbers it gives.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        start = nn.Linear(inputs, outputs, bias=False).weight.detach()
        self.weight = nn.Parameter(start)

    @property
    def slopes(self) -> Tensor:
        """At least 0, shape (outputs, inputs)."""
        return self.weight.abs()

    def forward(self, values: Tensor) -> Tensor:
        """Shape (..., inputs) to (..., outputs)."""
        return nn.functional.linear(values, self.slopes)


class PairEvidence(nn.Module):
    """One kind of evidence: signals of every pair, pooled over the history into a number.

    What one item of the history can do is bounded by its strength s, whatever the weights are:
    with e = 2·s / (1 + s), in a mean its share is e·a / (sink + Σ e·a) with 0 < a < 1 and a sink
    of at least ``_LEAST_SINK``, and in a maximum its value, at least 0, is multiplied by e. At a
    strength of 0 it is as if it were not there, and without any the number is 0.

    Args:
        signals: numbers a pair.
        pools: weighted means and maxima that are taken.
        hidden: width of the layer over pairs.
    """

    def __init__(self, signals: int, pools: int, hidden: int) -> None:
        super().__init__()
        self.pairs = Rising(signals, hidden)
        self.events = nn.Linear(Events.width - 1 + WIDTH, hidden)
        self.attend = nn.Linear(hidden, pools, bias=False)
        self.value = Rising(hidden, pools)
        self.sink = nn.Parameter(torch.zeros(pools))
        self.pools = Rising(2 * pools, 24)
        self.steer = nn.Linear(WIDTH, 24)
        self.out = Rising(24, 1)
        self.direct = Rising(2 * pools, 1)

    def forward(self, pairs: Tensor, events: Tensor, effect: Tensor, steer: Tensor) -> Tensor:
        """Shapes (B, signals, C, H), (B, H, 4), (B, H), (B, WIDTH) to (B, C).

        The history stays the last axis throughout: sums and maxima then run over neighbours
        in memory, and each layer over pairs is one matrix product.
        """
        count, length = pairs.shape[2], pairs.shape[3]
        shape = (pairs.shape[0], -1, count, length)
        steered = steer[:, None].expand(-1, length, -1)
        by_event = self.events(torch.cat([events[..., :-1], steered], -1)).transpose(1, 2)
        by_pair = (self.pairs.slopes @ pairs.flatten(2)).reshape(*shape)
        hidden = torch.relu(by_pair + by_event[:, :, None]).flatten(2)
        attend = torch.sigmoid(self.attend.weight @ hidden).reshape(*shape)
        value = (self.value.slopes @ hidden).reshape(*shape)
        # Sums over the history, as matrix products.
        column = effect[:, None, :, None]
        total = ((attend * value) @ column)[..., 0]
        sink = nn.functional.softplus(self.sink)[:, None] + _LEAST_SINK
        most = (value * effect[:, None, None]).amax(3)
        pools = torch.cat([total / ((attend @ column)[..., 0] + sink), most], 1).transpose(1, 2)
        steered = self.steer(steer)[:, None]
        hidden = torch.tanh(self.pools(pools) + steered) - torch.tanh(steered)
        score: Tensor = (self.out(hidden) + self.direct(pools))[..., 0]
        return score


class AgainstEvidence(nn.Module):
    """What resembles disliked items: at most 0, and never less for less likeness.

    -Σ u·min(D / (1 + L), m) over several likenesses max(0, tanh(w·pair - b)): D sums up
    d·likeness over the disliked items, d being -strength, L sums up s·a·likeness over the liked
    ones, with 0 < a < 1 by how long ago they were; u and w are at least 0, and so, whatever the
    weights are, a disliked item lifts nothing. Below its bar b, which is at least
    ``_LEAST_BAR``, a likeness is 0: what is of another kind stays where it was. Set against what
    is liked of a kind, for real ratings say that a bad film of a kind somebody loves is no word
    against the kind; straight up to m = ``_MOST_SAID``, so that a second word against a kind
    counts as much as the first. It begins as a rule of some use, for trainings that see no dislike.
    """

    def __init__(self) -> None:
        super().__init__()
        self.content = Rising(Content.width, _LIKENESSES)
        self.category = Rising(Categories.width, _LIKENESSES)
        self.together = Rising(Pairs.width, _LIKENESSES)
        self.bar = nn.Parameter(torch.linspace(-1.0, 2.0, _LIKENESSES))
        self.events = nn.Linear(Events.width - 1, 1)
        self.out = Rising(_LIKENESSES, 1)
        with torch.no_grad():
            self.content.weight.fill_(4.0)
            self.category.weight.fill_(2.0)
            self.together.weight.fill_(2.0)
            self.events.bias.fill_(1.0)
            self.out.weight.fill_(2.0 / _LIKENESSES)

    def forward(
        self,
        pairs: Sequence[tuple[Tensor, Tensor]],
        events: Tensor,
        disliked: Tensor,
        liked: Tensor,
    ) -> Tensor:
        """Likeness to disliked items.

        Args:
            pairs: texts, categories and what was chosen together: signals of shape
                (B, signals, C, H), and whether they are there, of shape (B, 1).
            events: shape (B, H, 4).
            disliked: how much each item of the history is, at least 0, shape (B, H).
            liked: likewise.

        Returns:
            Shape (B, C).
        """
        likeness = -(nn.functional.softplus(self.bar) + _LEAST_BAR)[:, None, None]
        for layer, (values, there) in zip(
            (self.content, self.category, self.together), pairs, strict=True
        ):
            shape = (values.shape[0], -1, values.shape[2], values.shape[3])
            slopes = layer.slopes * there[:, None]
            likeness = likeness + (slopes @ values.flatten(2)).reshape(*shape)
        fresh = torch.sigmoid(self.events(events[..., :-1]))[..., 0]
        sizes = torch.stack([disliked, liked * fresh], -1)
        against, support = (torch.tanh(torch.relu(likeness)) @ sizes[:, None]).unbind(-1)
        said = (against / (1 + support)).clamp(max=_MOST_SAID)
        score: Tensor = -self.out(said.transpose(1, 2))[..., 0]
        return score


class PopularityEvidence(nn.Module):
    """What others chose: it never falls as an item is chosen more, whatever the weights are.

    g·r(p): r rises in every number of popularity, and the situation says by a factor g ≥ 0 how
    much they count, for somebody may look for what few choose, but nothing is worse for being
    chosen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rising = Rising(Popularity.width, 24)
        self.steer = nn.Linear(WIDTH, 24)
        self.out = Rising(24, 1)
        self.direct = Rising(Popularity.width, 1)
        self.gate = nn.Linear(WIDTH, 1)

    def forward(self, popularity: Tensor, steer: Tensor) -> Tensor:
        """Shapes (B, C, 4) and (B, WIDTH) to (B, C)."""
        steered = self.steer(steer)[:, None]
        risen = torch.tanh(self.rising(popularity) + steered) - torch.tanh(steered)
        gate = nn.functional.softplus(self.gate(steer))
        score: Tensor = gate * (self.out(risen) + self.direct(popularity))[..., 0]
        return score


WEIGHABLE = ("content", "category", "popularity", "against")
"""Parts whose last layers are lines through 0, so that a factor can be put into them."""


class HistoryModel(nn.Module):
    """All kinds of evidence; see the module's description."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = tuple(signal.name for signal in SIGNALS)
        self.describe = nn.Sequential(
            nn.Linear(Context.width + len(KNOWN_BITS), 32), nn.GELU(), nn.Linear(32, WIDTH)
        )
        self.content = PairEvidence(Content.width, 6, 16)
        self.category = PairEvidence(Categories.width, 3, 8)
        self.together = PairEvidence(Pairs.width, 6, 16)
        self.against = AgainstEvidence()
        self.popularity = PopularityEvidence()
        self.record = nn.Sequential(
            nn.Linear(Counts.width + Popularity.width + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
        )
        self.record_direct = nn.Linear(Counts.width, 1, bias=False)
        self.trust = nn.Sequential(
            nn.Linear(1 + Popularity.width + WIDTH, 24), nn.GELU(), nn.Linear(24, 1)
        )

    def forward(self, *arrays: Tensor) -> Tensor:
        """The inputs of :data:`SIGNALS`, with one leading axis, to (B, C, 5)."""
        given = dict(zip(self.inputs, arrays, strict=True))
        events, popularity, category = given["events"], given["popularity"], given["category"]
        known = given["known"]
        (
            has_history,
            has_category,
            has_together,
            has_popularity,
            has_time,
            has_record,
            has_succession,
        ) = torch.split(known, 1, -1)
        ones = torch.ones_like(has_time)
        events = events * torch.cat([ones, has_time, has_time, ones], -1)[:, None]
        strength = given["strength"]
        liked = torch.relu(strength) * given["history"] * has_history
        # As an ordinary click counts 1: steep below it, and at most 2.
        effect = 2 * liked / (1 + liked)
        total = effect.sum(1, keepdim=True)
        # How much of a person there is to go by, 0 to 1: nothing that is said of the history as
        # a whole says more.
        mass = total / (total + 1)
        some = torch.cat([mass, has_category * mass, has_together * mass], -1)
        known = torch.cat([some, has_popularity, has_time * mass, has_record], -1)
        known = torch.cat([known, has_succession * mass], -1)
        spaces = Context.width - _CROWD - 1
        alive = torch.cat(
            [mass.expand(-1, spaces), mass * has_time, has_popularity.expand(-1, _CROWD)], -1
        )
        steer = self.describe(torch.cat([given["context"] * alive, known], -1))
        context = steer[:, None].expand(-1, popularity.shape[1], -1)
        crowd = torch.cat([popularity, context], -1)
        log = torch.cat([given["record"], popularity * has_popularity[:, None], context], -1)
        first = self.content(given["content"], events, effect, steer)
        # The runtime hands in a single candidate of a kind of evidence that is not there.
        none = torch.zeros_like(first)
        counts = self.together(given["together"], events, effect, steer) * has_together + none
        # A factor, so that what is not known, which is 0, stays so.
        succession = given["succession"] * has_succession
        judged = torch.cat([succession[..., None], crowd], -1)
        counts = counts + mass * succession * (1 + self.trust(judged)[..., 0])
        return torch.stack(
            [
                first,
                self.category(category, events, effect, steer) * has_category + none,
                counts,
                self.popularity(popularity, steer) * has_popularity
                + (self.record(log) + self.record_direct(given["record"]))[..., 0] * has_record,
                self.against(
                    [
                        (given["content"], ones),
                        (category, has_category),
                        (given["together"], has_together),
                    ],
                    events,
                    torch.relu(-strength),
                    liked,
                ),
            ],
            -1,
        )


@torch.no_grad()
def weigh(model: HistoryModel, factors: Mapping[str, float]) -> None:
    """Multiply what parts say by factors > 0, by their names among :data:`WEIGHABLE`."""
    for name, factor in factors.items():
        part = getattr(model, name)
        for layer in (part.out, getattr(part, "direct", None)):
            if layer is not None:
                layer.weight *= factor


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
        tuple(_example(signal) for signal in SIGNALS),
        str(target),
        dynamo=False,
        opset_version=OPSET,
        # Weights keep their names and shapes, so that load_weights() finds them.
        do_constant_folding=False,
        input_names=list(model.inputs),
        output_names=["parts"],
        dynamic_axes={**_free_axes(SIGNALS), "parts": {0: "requests", 1: "candidates"}},
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
    missing = [name for name in state if name not in stored]
    if missing or any(stored[name].shape != tuple(state[name].shape) for name in state):
        raise ValueError("not the weights of this model")
    model.load_state_dict({name: torch.from_numpy(np.array(stored[name])) for name in state})
