"""Paired weights: any two neighbours of a column multiply inputs of eight bits within 16 bits.

Processors without VNNI multiply unsigned inputs by signed weights fastest, but add the products of
two neighbouring channels in 16 bits. That is exact where the magnitudes of their two weights come
to no more than :data:`PAIR_LIMIT`, 255 · 128 being 32,640. A scale at which every pair of a column
fits is some 1.4 times as coarse as one for its largest weight, where seven bits would be twice.

The weights are stored unsigned all the same. It is the runtime that turns them, where it finds
pairs small enough and a trial on its processor exact, see
:mod:`edge_rerank.inference.signed_products`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Self

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from edge_rerank_export.quantize.scheme import LIMIT, PAIR_LIMIT

_KEY = "paired"
"""Of a model's metadata, between rounding and quantising."""

_TINY = 1e-8


def mark_paired(model: onnx.ModelProto, matrices: Collection[str]) -> None:
    """Note in a float32 model which of its matrices lie on a grid of :class:`PairGrid`."""
    if matrices:
        model.metadata_props.add(key=_KEY, value=json.dumps(sorted(matrices)))


def take_paired(model: onnx.ModelProto) -> frozenset[str]:
    """The names that :func:`mark_paired` left, which are taken off the model."""
    found = next((one for one in model.metadata_props if one.key == _KEY), None)
    if found is None:
        return frozenset()
    names = frozenset(json.loads(found.value))
    model.metadata_props.remove(found)
    return names


def pair_scales(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales at which all pairs of a column fit, float32 (1, outputs), of (inputs, outputs)."""
    sizes = np.abs(matrix)
    sums = sizes[0:-1:2] + sizes[1::2]
    largest = sizes.max(axis=0, keepdims=True) / LIMIT
    pairs = sums.max(axis=0, keepdims=True, initial=0.0) / PAIR_LIMIT
    return np.asarray(np.maximum(np.maximum(largest, pairs), _TINY), dtype=np.float32)


class PairGrid:
    """One scale an output channel; the pair that set it keeps its integers.

    Otherwise the scale that is found later, when the model is quantised, would be another. Weights
    are rounded in any order: the second of a pair has the room that the first leaves.

    Args:
        scale: float32 (outputs,).
        anchors: int64 (outputs,), the pair that sets it.
        ends: float32 (outputs, 2), its integers.
        inputs: how many weights a column has.
    """

    def __init__(
        self, scale: torch.Tensor, anchors: torch.Tensor, ends: torch.Tensor, inputs: int
    ) -> None:
        self._scale, self._anchors, self._ends = scale, anchors, ends
        self._known = torch.zeros(inputs + inputs % 2, len(scale))

    @classmethod
    def fit(cls, weight: torch.Tensor) -> Self:
        """The grid of a matrix (outputs, inputs)."""
        outputs, inputs = weight.shape
        sizes = torch.nn.functional.pad(weight.abs(), (0, inputs % 2)).reshape(outputs, -1, 2)
        needed = torch.maximum(sizes.sum(-1) / PAIR_LIMIT, sizes.amax(-1) / LIMIT)
        scale, anchors = needed.max(dim=1)
        scale = scale.clamp(min=_TINY)
        pair = sizes[torch.arange(outputs), anchors]
        larger = (pair.amax(1) / scale).round().clamp(max=LIMIT)
        smaller = torch.minimum((pair.amin(1) / scale).round(), PAIR_LIMIT - larger)
        first = torch.where(pair[:, 0] >= pair[:, 1], larger, smaller)
        signed = torch.nn.functional.pad(weight, (0, inputs % 2)).reshape(outputs, -1, 2)
        ends = torch.stack([first, larger + smaller - first], dim=1)
        return cls(scale, anchors, ends * signed[torch.arange(outputs), anchors].sign(), inputs)

    def nearest(self, values: torch.Tensor, place: int) -> torch.Tensor:
        """The grid's values for the weights ``values``, (outputs,), of the input ``place``."""
        room = (PAIR_LIMIT - self._known[place ^ 1].abs()).clamp(max=LIMIT)
        integers = torch.minimum(torch.maximum((values / self._scale).round(), -room), room)
        anchored = self._anchors == place // 2
        integers = torch.where(anchored, self._ends[:, place % 2], integers)
        self._known[place] = integers
        return integers * self._scale
