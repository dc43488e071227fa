"""EfficientNet-lite, the picture network without squeeze-and-excite, from its checkpoint.

Tan and Le, "EfficientNet", ICML 2019; lite as in TensorFlow's ``efficientnet/lite``: ReLU6 in place
of swish, stem and head of one width. Only the weights are read, and what they do not say of the
network (steps and padding) is the same for all of lite0 to lite4.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from edge_rerank._files import reason_of
from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models.graph_writer import GraphWriter

Weights = Mapping[str, torch.Tensor]

SIDE = 224
"""Pixels along each side that lite0 was trained with."""

MEAN, SCALE = 127.0, 128.0
"""A pixel of 0 to 255 becomes (pixel - MEAN) / SCALE."""

_STAGE_STEPS = (1, 2, 2, 2, 1, 2, 1)
"""Step of the first block of each stage; a stage ends where the number of channels changes."""

_EPSILON = 1e-3
"""Of batch normalisation, as TensorFlow's."""

_CEILING = 6.0
_BLOCK = re.compile(r"_blocks\.(\d+)\.")


def padding(length: int, kernel: int, step: int) -> tuple[int, int]:
    """Zeros before and after an axis so that it has ⌈length / step⌉ windows, as TensorFlow pads."""
    needed = max((-(-length // step) - 1) * step + kernel - length, 0)
    return needed // 2, needed - needed // 2


class Convolution(nn.Module):
    """A convolution with its batch normalisation folded in, and perhaps ReLU6.

    Attributes:
        weight: (outputs, inputs of a group, kernel, kernel).
        bias: (outputs,).
        step: pixels from one window to the next.
        groups: parts that channels are dealt with in.
        bounded: whether ReLU6 follows.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, *, step: int, groups: int, bounded: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.step = step
        self.groups = groups
        self.bounded = bounded

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, channels, side, side) to (batch, outputs, ⌈side / step⌉, ⌈side / step⌉)."""
        edge = padding(values.shape[-1], self.weight.shape[-1], self.step)
        padded = functional.pad(values, (*edge, *edge))
        made = functional.conv2d(
            padded, self.weight, self.bias, stride=self.step, groups=self.groups
        )
        return functional.hardtanh(made, 0.0, _CEILING) if self.bounded else made


class Block(nn.Module):
    """Widen, look around each channel by itself, narrow again; and add what came, where it fits.

    Attributes:
        layers: two or three convolutions, in their order.
        added: whether what came is added.
    """

    def __init__(self, layers: list[Convolution], *, added: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.added = added

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """See :class:`Convolution`."""
        made = values
        for layer in self.layers:
            made = layer(made)
        return made + values if self.added else made


class EfficientNetLite(nn.Module):
    """The network up to its last channels.

    Attributes:
        stem, head: the first and the last convolution.
        blocks: what lies between.
    """

    def __init__(self, weights: Weights) -> None:
        """Make the network of its weights.

        Raises:
            UnsupportedModel: when they are not those of such a network, or some are left over.
        """
        super().__init__()
        rest = {
            name: value.to(torch.float32)
            for name, value in weights.items()
            if not name.endswith("num_batches_tracked")
        }
        count = 1 + max((int(m[1]) for name in rest if (m := _BLOCK.match(name))), default=-1)
        try:
            self.stem = _folded(rest, "_conv_stem", "_bn0", step=2, bounded=True)
            self.blocks = nn.ModuleList(_blocks(rest, count, self.stem.weight.shape[0]))
            self.head = _folded(rest, "_conv_head", "_bn1", step=1, bounded=True)
        except (KeyError, IndexError, RuntimeError) as error:
            raise UnsupportedModel(
                f"expected the weights of an EfficientNet-lite, got others: {type(error).__name__}"
            ) from error
        for name in ("_fc.weight", "_fc.bias"):  # of classes, which no vector needs
            rest.pop(name, None)
        if rest:
            raise UnsupportedModel(
                f"expected the weights of an EfficientNet-lite, {len(rest)} are of something else"
            )
        self.eval()

    @property
    def channels(self) -> int:
        """How many numbers a picture becomes."""
        return int(self.head.weight.shape[0])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pixels (batch, 3, side, side) to the means of channels, (batch, channels)."""
        values = self.stem(pixels)
        for block in self.blocks:
            values = block(values)
        features: torch.Tensor = self.head(values)
        return features.mean((2, 3))


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of the one checkpoint in ``folder``, a .safetensors file or a .pth one.

    A .pth file is a pickle: only tensors are made of it, whatever else it says is refused.

    Raises:
        SourceError: when there is not one such file, or it cannot be read.
    """
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise SourceError(f"source: expected one .safetensors or .pth file, got {len(found)}")
    try:
        if found[0].suffix == ".safetensors":
            return load_file(found[0])
        weights = torch.load(found[0], map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise SourceError(f"{found[0].name}: cannot be read: {reason_of(error)}") from error
    if not isinstance(weights, dict) or not all(
        isinstance(value, torch.Tensor) for value in weights.values()
    ):
        raise SourceError(f"{found[0].name}: expected tensors by name")
    return dict(weights)


def _blocks(rest: dict[str, torch.Tensor], count: int, channels: int) -> list[Block]:
    blocks = []
    stage, before = -1, 0
    for at in range(count):
        place = f"_blocks.{at}."
        made = rest[f"{place}_project_conv.weight"].shape[0]
        first = made != before
        stage += first
        step = _STAGE_STEPS[stage] if first else 1
        layers = []
        if f"{place}_expand_conv.weight" in rest:
            layers.append(_folded(rest, f"{place}_expand_conv", f"{place}_bn0", bounded=True))
        layers += [
            _folded(rest, f"{place}_depthwise_conv", f"{place}_bn1", step=step, bounded=True),
            _folded(rest, f"{place}_project_conv", f"{place}_bn2", bounded=False),
        ]
        blocks.append(Block(layers, added=step == 1 and channels == made))
        before = channels = made
    return blocks


def _folded(
    rest: dict[str, torch.Tensor], name: str, norm: str, *, bounded: bool, step: int = 1
) -> Convolution:
    """A convolution and the normalisation behind it as one; both are taken out of ``rest``."""
    weight = rest.pop(f"{name}.weight")
    mean, variance = rest.pop(f"{norm}.running_mean"), rest.pop(f"{norm}.running_var")
    factor = rest.pop(f"{norm}.weight") / torch.sqrt(variance + _EPSILON)
    bias = rest.pop(f"{norm}.bias") - mean * factor
    groups = weight.shape[0] if weight.shape[1] == 1 else 1
    weight = weight * factor[:, None, None, None]
    return Convolution(weight, bias, step=step, groups=groups, bounded=bounded)


def emit(network: EfficientNetLite, writer: GraphWriter, pixels: str, side: int) -> str:
    """Write the network; windows are padded by the convolutions themselves.

    Args:
        network: what to write.
        writer: where to.
        pixels: name of the normalised pixels, (1, 3, side, side).
        side: of a picture.

    Returns:
        The name of the means of channels, (1, channels).
    """
    values, side = _emit_layer(network.stem, writer, pixels, side, "stem")
    for at, block in enumerate(network.blocks):
        came = values
        for place, layer in enumerate(cast(Iterable[Convolution], block.layers)):
            values, side = _emit_layer(layer, writer, values, side, f"block.{at}.{place}")
        if block.added:
            values = writer.add("Add", values, came, name=f"block.{at}.sum")
    values, side = _emit_layer(network.head, writer, values, side, "head")
    pooled = writer.add("GlobalAveragePool", values, name="pooled")
    return writer.add("Flatten", pooled, name="features")


def _emit_layer(
    layer: Convolution, writer: GraphWriter, values: str, side: int, name: str
) -> tuple[str, int]:
    kernel = layer.weight.shape[-1]
    before, after = padding(side, kernel, layer.step)
    made = writer.add(
        "Conv",
        values,
        writer.constant(layer.weight.numpy(), np.float32, f"{name}.weight"),
        writer.constant(layer.bias.numpy(), np.float32, f"{name}.bias"),
        name=name,
        kernel_shape=[kernel, kernel],
        strides=[layer.step, layer.step],
        pads=[before, before, after, after],
        group=layer.groups,
    )
    if layer.bounded:
        low, high = writer.constant(0, np.float32), writer.constant(_CEILING, np.float32)
        made = writer.add("Clip", made, low, high, name=f"{name}.bounded")
    return made, -(-side // layer.step)
