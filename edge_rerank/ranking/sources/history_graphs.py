"""A history model's parts in small graphs, each run only where it has something to say.

The graph of a pack has 294 nodes after onnxruntime's own simplification, most of them to find
shapes and to repeat what is the same for all candidates. Here what concerns the person alone is
worked out once a call, in numpy, and each part of the sum is a graph of its own of 6 to 21 nodes,
candidates last. The weights are those of the pack's file, by their names; whether they stand for
the same function is tried when the pack is opened, see :meth:`SmallGraphs.of`. Interleaved on a
busy machine with AVX2, 100, 1,000 and 10,000 candidates before 20 likes took 1.0, 2.9 and 16.9 ms
of processor time in place of 1.6, 5.7 and 40.9.

Products of several rows are onnxruntime's and not numpy's: in OpenBLAS a row's last bit may depend
on where it stands, and two candidates of which the same is known have to be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InferenceError
from edge_rerank.inference.session import Session
from edge_rerank.packs.onnx_wire import Message
from edge_rerank.packs.onnx_write import (
    FLOAT,
    axes_field,
    input_field,
    model_bytes,
    node_field,
    output_field,
)
from edge_rerank.ranking.signals.inputs import KNOWN_BITS, SIGNALS
from edge_rerank.ranking.sources.history_person import KINDS, Arrays, Floats, People, Steering

BLOCK = 1_000
"""Candidates in one run, which bounds the memory; they do not depend on one another."""

PARTS = 5

_OPSET = 20
_LEAST_SINK, _LEAST_BAR = 0.25, 1.25
_TRIED = (9, 6)
"""Candidates and places of the history in a trial."""

_CLOSE = 2e-5
"""Of a trial's results, by their size: rounding in another order comes to a tenth of it."""

_POOLED = (
    ("MatMul", "slopes", "pairs", "raw"),
    ("Relu", "raw", "hidden"),
    ("MatMul", "attend", "hidden", "attended"),
    ("Sigmoid", "attended", "share"),
    ("MatMul", "value", "hidden", "worth"),
    ("Mul", "worth", "effect", "felt"),
    ("ReduceMax", "felt", "history", "most"),
    ("Mul", "share", "felt", "shared"),
    ("ReduceSum", "shared", "history", "total"),
    ("Mul", "share", "effect", "weighed"),
    ("ReduceSum", "weighed", "history", "heard"),
    ("Add", "heard", "sink", "beside"),
    ("Div", "total", "beside", "mean"),
    ("Concat", "mean", "most", "x"),
)
"""Signals of pairs, (H, P, S + 1, C), a 1 as the last of them, to pools over the history."""

_RISEN = (
    ("MatMul", "weight", "x", "product"),
    ("Add", "product", "steered", "moved"),
    ("Tanh", "moved", "bent"),
    ("Sub", "bent", "rest", "risen"),
    ("MatMul", "out", "risen", "curved"),
    ("MatMul", "direct", "x", "straight"),
    ("Add", "curved", "straight", "score"),
)
"""Numbers, (P, S, C), to one, (P, 1, C): 0 for zeros, whatever the person is like."""

_JUDGED = (
    ("MatMul", "weight", "x", "product"),
    ("Add", "product", "steered", "moved"),
    ("Gelu", "moved", "bent"),
    ("MatMul", "out", "bent", "curved"),
    ("MatMul", "direct", "x", "straight"),
    ("Add", "curved", "straight", "score"),
)

_AGAINST = (
    ("MatMul", "slopes", "pairs", "raw"),
    ("Relu", "raw", "above"),
    ("Tanh", "above", "likeness"),
    ("Mul", "likeness", "disliked", "said"),
    ("ReduceSum", "said", "history", "against"),
    ("Mul", "likeness", "liked", "meant"),
    ("ReduceSum", "meant", "history", "support"),
    ("Add", "support", "one", "beside"),
    ("Div", "against", "beside", "left"),
    ("Min", "left", "bound", "bounded"),
    ("MatMul", "out", "bounded", "score"),
)

_MOST_SAID = 4.0
_ATTRIBUTES = {"Concat": {"axis": 1}, "ReduceMax": {"keepdims": 0}, "ReduceSum": {"keepdims": 0}}
_RISING = {"weight": "GX", "steered": "PG1", "rest": "PG1", "out": "1G", "direct": "1X"}


def _graph(name: str, nodes: tuple[tuple[str, ...], ...], sizes: Mapping[str, str]) -> bytes:
    """A model of nodes; sizes of its inputs, a letter an axis."""
    return model_bytes(
        name,
        _OPSET,
        *(node_field(op, names[:-1], names[-1], **_ATTRIBUTES.get(op, {})) for op, *names in nodes),
        *([axes_field("history", [0])] if any("history" in one for one in nodes) else []),
        *(
            input_field(one, FLOAT, [1 if letter == "1" else letter for letter in letters])
            for one, letters in sizes.items()
        ),
        output_field("score", FLOAT, ["P", 1, "C"]),
    )


def _graphs() -> dict[str, bytes]:
    pooled = {
        "pairs": "HPSC",
        "slopes": "HPDS",
        "attend": "KD",
        "value": "KD",
        "effect": "HP11",
        "sink": "K1",
    }
    judged = {name: letters for name, letters in _RISING.items() if name != "rest"}
    against = {
        "pairs": "HPSC",
        "slopes": "LS",
        "disliked": "HP11",
        "liked": "HP11",
        "one": "1",
        "bound": "1",
        "out": "1L",
    }
    return {
        "pooled": _graph("pooled", _POOLED + _RISEN, {**pooled, **_RISING}),
        "risen": _graph("risen", _RISEN, {"x": "PXC", **_RISING}),
        "judged": _graph("judged", _JUDGED, {"x": "PXC", **judged}),
        "against": _graph("against", _AGAINST, against),
    }


class SmallGraphs:
    """The parts of a history model. Safe from several threads.

    Args:
        weights: of the model, by name.
        providers: as for :class:`~edge_rerank.inference.encoders.text.TextEncoder`.

    Raises:
        KeyError: when one is missing.
        InferenceError: when onnxruntime refuses a graph.
    """

    def __init__(
        self, weights: Mapping[str, Floats], *, providers: tuple[str, ...] | None = None
    ) -> None:
        self._steering = Steering(weights)
        self._pooling = {name: _pooling(weights, name) for name in KINDS}
        self._slopes = {name: np.abs(weights[f"{name}.pairs.weight"]) for name in KINDS}
        self._rising = _rising(weights, "popularity.rising.weight", "popularity")
        self._judging = {
            "record": _judging(weights, "record", weights["record_direct.weight"]),
            "trust": _judging(weights, "trust", np.zeros((1, 0), dtype=np.float32)),
        }
        bar = _softplus(weights["against.bar"]) + np.float32(_LEAST_BAR)
        self._against_slopes = {
            name: np.abs(weights[f"against.{name}.weight"]) for name in KINDS
        } | {"bar": -bar[:, None]}
        self._saying = {
            "one": np.ones(1, dtype=np.float32),
            "bound": np.full(1, _MOST_SAID, dtype=np.float32),
            "out": np.abs(weights["against.out.weight"]),
        }
        self._sessions = {
            name: Session(graph, providers=providers, threads=1, small=True)
            for name, graph in _graphs().items()
        }

    @classmethod
    def of(
        cls,
        graph: bytes,
        run: Callable[[Arrays], NDArray[np.float64]],
        *,
        providers: tuple[str, ...] | None = None,
    ) -> Self | None:
        """Those of a model's file, if they give what it gives.

        Both judge invented candidates: before likes and dislikes with everything known, with some
        of it, and with nothing. A graph that is built in another way has other weights, or
        another result, and is then run as it is.

        Args:
            graph: an ONNX file that was checked.
            run: judges with it, see :meth:`parts`.
            providers: as for the class.
        """
        try:
            small = cls(_weights_of(graph), providers=providers)
            rng = np.random.default_rng(0)
            for known in _known_in_trials():
                arrays = _invented(rng, known)
                one = {name: values[None] for name, values in arrays.items()}
                expected, got = run(arrays), small.parts(one)[0]
                if not (np.abs(got - expected) <= _CLOSE * (1 + np.abs(expected))).all():
                    return None
        except (KeyError, ValueError, InferenceError):
            return None
        return small

    def parts(self, arrays: Arrays, kinds: NDArray[np.intp] | None = None) -> Floats:
        """Judge the candidates of some requests, with as many liked and disliked items in each.

        Args:
            arrays: see :func:`edge_rerank.ranking.signals.inputs.inputs`, with one leading axis of
                P requests, in all of which the same is known.
            kinds: a number for each candidate, the same where the categories are, from 0 without
                gaps, of shape (P, C); ``None`` where nothing is known of that.

        Returns:
            Float32 of shape (P, C, 5).
        """
        people = self._steering.people(arrays)
        known, popularity = people.known, _last(arrays["popularity"])
        parts = np.zeros((*arrays["popularity"].shape[:2], PARTS), dtype=np.float32)
        parts[..., 0] = self._pooled("content", arrays["content"], people)
        if known["category"]:
            parts[..., 1] = known["category"] * self._category(arrays["category"], people, kinds)
        if known["together"]:
            parts[..., 2] = known["together"] * self._pooled("together", arrays["together"], people)
        if known["succession"]:
            succession = arrays["succession"] * known["succession"]
            trust = self._judged("trust", [succession[:, None], popularity], people)
            parts[..., 2] += people.mass[:, None] * succession * (1 + trust)
        if known["popularity"]:
            feed = {**self._rising, **self._shifted("popularity", people)}
            risen = self._run("risen", {**feed, "x": popularity})
            parts[..., 3] = known["popularity"] * people.gate[:, None] * risen
        if known["record"]:
            rows = [_last(arrays["record"]), popularity * known["popularity"]]
            parts[..., 3] += known["record"] * self._judged("record", rows, people)
        if people.disliked.any():
            parts[..., 4] = self._against(arrays, people)
        return parts

    def _pooled(self, name: str, pairs: Floats, people: People) -> Floats:
        """One kind of evidence in pairs, (P, S, C, H), to (P, C)."""
        liked = _places(people.effect)
        if not liked.shape[1]:
            return np.zeros((len(pairs), pairs.shape[2]), dtype=np.float32)
        shifts = people.shifts[:, self._steering.rows[f"{name}.events"], 0]
        slopes = np.empty((*liked.T.shape, shifts.shape[1], pairs.shape[1] + 1), dtype=np.float32)
        slopes[..., :-1] = self._slopes[name]
        events = people.events[..., self._steering.columns[name]]
        slopes[..., -1] = _at(events, liked).swapaxes(0, 1) + shifts
        feed = {
            **self._pooling[name],
            **self._shifted(name, people),
            "slopes": slopes,
            "effect": _beside(people.effect, liked),
        }
        return self._run_pairs("pooled", feed, [pairs], liked)

    def _category(self, pairs: Floats, people: People, kinds: NDArray[np.intp] | None) -> Floats:
        """Of each list of categories once, where candidates share theirs."""
        if kinds is not None and 2 * (int(kinds.max(initial=0)) + 1) <= pairs.shape[2]:
            mine, first = _first_of_each(kinds)
            of_kinds = pairs[mine, :, first].swapaxes(1, 2)
            return self._pooled("category", of_kinds, people)[mine, kinds]
        return self._pooled("category", pairs, people)

    def _shifted(self, name: str, people: People) -> dict[str, Floats]:
        rows = self._steering.rows[name]
        return {"steered": people.shifts[:, rows], "rest": people.rests[:, rows]}

    def _judged(self, name: str, rows: list[Floats], people: People) -> Floats:
        """A layer over numbers of each candidate, (P, S, C), and the situation, to (P, C)."""
        feed, bias = self._judging[name]
        steered = people.shifts[:, self._steering.rows[name]]
        x = np.concatenate(rows, axis=1)
        return self._run("judged", {**feed, "steered": steered, "x": x}) + bias

    def _against(self, arrays: Arrays, people: People) -> Floats:
        """What resembles disliked items, (P, C)."""
        touched = _places(people.liked + people.disliked)
        used = [name for name in KINDS if name == "content" or people.known[name]]
        slopes = [
            self._against_slopes[name] * (1 if name == "content" else people.known[name])
            for name in used
        ]
        feed = {
            **self._saying,
            "slopes": np.concatenate([*slopes, self._against_slopes["bar"]], axis=1),
            "disliked": _beside(people.disliked, touched),
            "liked": _beside(people.liked * people.fresh, touched),
        }
        return -self._run_pairs("against", feed, [arrays[name] for name in used], touched)

    def _run_pairs(
        self, name: str, feed: Arrays, pairs: list[Floats], places: NDArray[np.intp]
    ) -> Floats:
        """Run a graph over signals of shape (P, S, C, H) each, at some places of the history."""
        people, _, count, _ = pairs[0].shape
        width = sum(one.shape[1] for one in pairs)
        scores = np.empty((people, count), dtype=np.float32)
        for start in range(0, count, BLOCK):
            block = slice(start, min(start + BLOCK, count))
            rows = np.empty((*places.T.shape, width + 1, block.stop - start), dtype=np.float32)
            at = 0
            for one in pairs:
                part = one[:, :, block].transpose(0, 3, 1, 2)
                rows[:, :, at : at + one.shape[1]] = _at(part, places).swapaxes(0, 1)
                at += one.shape[1]
            rows[:, :, -1] = 1.0
            scores[:, block] = self._run(name, {**feed, "pairs": rows})
        return scores

    def _run(self, name: str, feed: Arrays) -> Floats:
        scores: Floats = self._sessions[name].run(feed)[0][:, 0]
        return scores


def _pooling(weights: Mapping[str, Floats], name: str) -> dict[str, Floats]:
    """Inputs of the graph of one kind of evidence that are the same for everybody."""
    sink = _softplus(weights[f"{name}.sink"]) + np.float32(_LEAST_SINK)
    return {
        "attend": weights[f"{name}.attend.weight"],
        "value": np.abs(weights[f"{name}.value.weight"]),
        "sink": sink[:, None],
        **_rising(weights, f"{name}.pools.weight", name),
    }


def _rising(weights: Mapping[str, Floats], first: str, name: str) -> dict[str, Floats]:
    return {
        "weight": np.abs(weights[first]),
        "out": np.abs(weights[f"{name}.out.weight"]),
        "direct": np.abs(weights[f"{name}.direct.weight"]),
    }


def _judging(
    weights: Mapping[str, Floats], name: str, direct: Floats
) -> tuple[dict[str, Floats], Floats]:
    """Likewise, and what is added in the end."""
    short = weights["describe.2.bias"].size
    own = np.ascontiguousarray(weights[f"{name}.0.weight"][:, :-short])
    feed = {
        "weight": own,
        "out": weights[f"{name}.2.weight"],
        "direct": np.pad(direct, ((0, 0), (0, own.shape[1] - direct.shape[1]))),
    }
    return feed, weights[f"{name}.2.bias"]


def _weights_of(graph: bytes) -> dict[str, Floats]:
    """Float32 tensors of an ONNX file that was checked, by name."""
    tensors = next(Message("model", memoryview(graph)).messages(7, "graph")).messages(5, "tensor")
    return {
        tensor.text(8): np.frombuffer(tensor.data(9), dtype="<f4").reshape(tensor.integers(1))
        for tensor in tensors
        if tensor.integer(2) == FLOAT
    }


def _known_in_trials() -> list[list[float]]:
    everything, nothing = [1.0] * len(KNOWN_BITS), [0.0] * len(KNOWN_BITS)
    some = [float(name in {"history", "category", "popularity"}) for name in KNOWN_BITS]
    return [everything, some, nothing]


def _invented(rng: np.random.Generator, known: list[float]) -> dict[str, Floats]:
    candidates, events = _TRIED
    arrays = {
        signal.name: rng.random(
            signal.axes.shape(candidates, events, signal.width), dtype=np.float32
        )
        for signal in SIGNALS
    }
    # Dislikes weak and strong, likes, and a place without anything.
    strength = np.linspace(-1.5, 2.0, events).round(1)
    strength[events // 2] = 0.0
    arrays["strength"] = strength.astype(np.float32)
    arrays["history"] = (strength > 0).astype(np.float32)
    arrays["known"] = np.array(known, dtype=np.float32)
    return arrays


def _first_of_each(kinds: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The requests, (P, 1), and in each the first place of each number, (P, kinds)."""
    mine = np.arange(len(kinds))[:, None]
    first = np.zeros((len(kinds), int(kinds.max(initial=-1)) + 1), dtype=np.intp)
    # Of several the last counts, which is the first; 0 for a number that a request lacks.
    first[mine, kinds[:, ::-1]] = np.arange(kinds.shape[1])[::-1]
    return mine, first


def _last(numbers: Floats) -> Floats:
    """Candidates last, (P, C, S) to (P, S, C)."""
    return np.ascontiguousarray(numbers.swapaxes(1, 2))


def _places(strength: Floats) -> NDArray[np.intp]:
    """By request those places of the history that are not 0, as many in each, (P, H) to (P, h)."""
    return np.nonzero(strength)[1].reshape(len(strength), -1)


def _at(values: Floats, places: NDArray[np.intp]) -> Floats:
    """Values of some places of the history, (P, H, ...) to (P, h, ...)."""
    if places.shape[1] == values.shape[1]:
        return values
    return values[np.arange(len(places))[:, None], places]


def _beside(values: Floats, places: NDArray[np.intp]) -> Floats:
    """Likewise, as graphs take them, (P, H) to (h, P, 1, 1)."""
    return np.ascontiguousarray(_at(values, places).T[..., None, None])


def _softplus(values: Floats) -> Floats:
    return np.logaddexp(np.float32(0.0), values)
