"""Picture encoders: what is done to a picture before a network sees it, the network, its vector.

All of it is inside the ONNX graph. A picture is resized as 8-bit integers, so that every processor
makes the same pixels of it; Pillow and PyTorch resize in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.graph_writer import TINY, GraphWriter
from edge_rerank_export.models.preparation import Fit, Preparation

Pixels = NDArray[np.uint8]

Emit = Callable[[GraphWriter, str], str]
"""Writes a network: the name of its normalised pixels to that of its features."""


class PictureEncoder(nn.Module):
    """A picture to a vector of length 1, as the original does it.

    Attributes:
        prepare: what is done before the network.
        network: (batch, 3, side, side) to (batch, features).
        dim: length of a vector.
    """

    def __init__(
        self,
        prepare: Preparation,
        network: nn.Module,
        dim: int,
        *,
        emit: Emit,
    ) -> None:
        super().__init__()
        self.prepare = prepare
        self.network = network
        self.dim = dim
        self._emit = emit

    def pixels(self, image: Pixels) -> torch.Tensor:
        """A picture (height, width, 3) as the network sees it, (1, 3, side, side)."""
        if self.prepare.fit is Fit.CROP:
            image = _square(image)
        channels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
        resized = functional.interpolate(
            channels,
            (self.prepare.side, self.prepare.side),
            mode="bicubic" if self.prepare.cubic else "bilinear",
            antialias=True,
        )
        mean, scale = (
            torch.tensor(values)[None, :, None, None]
            for values in (self.prepare.mean, self.prepare.scale)
        )
        return (resized.to(torch.float32) - mean) / scale

    @torch.no_grad()
    def forward(self, image: Pixels) -> torch.Tensor:
        """A picture (height, width, 3) to its vector, (1, dim)."""
        return functional.normalize(self.network(self.pixels(image)), eps=TINY)

    def graph(self) -> onnx.ModelProto:
        """The encoder in float32, with the inputs and outputs of a picture encoder's pack."""
        writer = GraphWriter()
        writer.unit(self._emit(writer, self._prepared(writer)), "vector")
        return writer.model(
            {"image": (TensorProto.UINT8, ["height", "width", 3])},
            {"vector": (TensorProto.FLOAT, [1, self.dim])},
        )

    def _prepared(self, writer: GraphWriter) -> str:
        """The picture ``image`` as the network sees it."""
        prepare = self.prepare
        image = _cropped(writer) if prepare.fit is Fit.CROP else "image"
        channels = writer.add("Transpose", image, perm=[2, 0, 1])
        batch = writer.add("Unsqueeze", channels, writer.constant([0], np.int64))
        sizes = writer.constant([1, 3, prepare.side, prepare.side], np.int64)
        resized = writer.add(
            "Resize",
            *(batch, "", "", sizes),
            name="resized",
            mode="cubic" if prepare.cubic else "linear",
            antialias=1,
            cubic_coeff_a=-0.5 if prepare.cubic else None,
        )
        (mean, *means), (scale, *scales) = prepare.mean, prepare.scale
        if {mean, *means} == {float(round(mean))} and {*scales} == {scale}:
            # Whole numbers: pixels are the quantised form of what the network sees.
            step = writer.constant(1 / scale, np.float32)
            zero = writer.constant(round(mean), np.uint8)
            return writer.add("DequantizeLinear", resized, step, zero, name="pixels")
        shape = (1, 3, 1, 1)
        numbers = writer.add("Cast", resized, to=TensorProto.FLOAT)
        off = writer.constant(np.reshape(prepare.mean, shape), np.float32)
        by = writer.constant(np.reshape(prepare.scale, shape), np.float32)
        return writer.add("Div", writer.add("Sub", numbers, off), by, name="pixels")


def convert(encoder: PictureEncoder, target: Path) -> None:
    """Write an encoder to ``target`` as float32 ONNX."""
    onnx_file.save(encoder.graph(), target)
    onnx_file.check(target)


def _square(image: Pixels) -> Pixels:
    """The square in the middle."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _cropped(writer: GraphWriter) -> str:
    """The square in the middle of ``image``."""
    shape = writer.add("Slice", writer.add("Shape", "image"), *_from_to(writer, 0, 2))
    side = writer.add("ReduceMin", shape, writer.constant([0], np.int64), keepdims=1)
    rest = writer.add("Sub", shape, side)
    starts = writer.add("Div", rest, writer.constant([2], np.int64))
    ends = writer.add("Add", starts, side)
    return writer.add("Slice", "image", starts, ends, writer.constant([0, 1], np.int64))


def _from_to(writer: GraphWriter, start: int, end: int) -> tuple[str, str]:
    return writer.constant([start], np.int64), writer.constant([end], np.int64)
