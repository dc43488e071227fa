"""Calibration: how large the inputs of a model's products grow, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from edge_rerank.inference.session import Session
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.products import resolve_copies

ChannelMaxima = dict[str, NDArray[np.float32]]
"""Largest magnitude of each channel, shape (k,), by the name of the product's input."""

SecondMoments = dict[str, NDArray[np.float32]]
"""Sum over rows x, scaled to mean square 1, of x xᵀ, shape (k, k), by the product's input."""

_ENCODER_INPUTS = {"input_ids", "attention_mask"}
_TINY = 1e-8


def channel_maxima(
    source: Path,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    progress: Update = lambda _done, _total: None,
) -> ChannelMaxima:
    """Run the float32 ONNX encoder ``source`` on ``texts`` and watch its products' inputs.

    Args:
        source: takes ``input_ids`` and ``attention_mask``.
        tokenizer: the model's, see
            :func:`~edge_rerank_export.models.text_tokenizer.read_tokenizer`.
        texts: what the model will be used on.
        progress: called with (texts done, texts to do).

    Raises:
        UnsupportedModel: when it takes other inputs.
        InferenceError: when it cannot be run.
    """
    readings = text_readings(source, tokenizer, texts)
    return maxima_of(source, readings, progress=lambda done: progress(done, len(texts)))


def text_readings(
    source: Path, tokenizer: Tokenizer, texts: Sequence[str]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs of the ONNX encoder ``source`` that read each text by itself.

    Args:
        source: takes ``input_ids`` and ``attention_mask``.
        tokenizer: the model's.
        texts: what the model will be used on.

    Raises:
        UnsupportedModel: when it takes other inputs.
    """
    taken = {entry.name for entry in onnx_file.load(source).graph.input}
    if taken != _ENCODER_INPUTS:
        raise UnsupportedModel("tokenizer: expected only with a text encoder, not with a scorer")
    for one in tokenizer.encode_batch(list(texts)):
        ids = np.array([one.ids])
        yield {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def maxima_of(
    source: Path,
    readings: Iterable[Mapping[str, NDArray[Any]]],
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> ChannelMaxima:
    """Run the float32 ONNX model ``source`` and watch how large its products' inputs grow.

    Args:
        source: an ONNX file.
        readings: its inputs by name, once for each run, without padding.
        progress: called with the number of runs done.

    Raises:
        InferenceError: when the model cannot be run.
    """
    model, watched = _watched(source)
    session = Session(onnx_file.in_memory(model))
    maxima: ChannelMaxima = {}
    for done, reading in enumerate(readings, start=1):
        for name, value in zip(watched, session.run(reading), strict=True):
            largest = np.abs(value.reshape(-1, value.shape[-1])).max(axis=0)
            maxima[name] = np.maximum(maxima.get(name, 0.0), largest)
        progress(done)
    return maxima


def second_moments(
    source: Path,
    readings: Iterable[Mapping[str, NDArray[Any]]],
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> SecondMoments:
    """Run the float32 ONNX model ``source`` and watch its products' inputs.

    Args:
        source: an ONNX file.
        readings: its inputs by name, once for each run.
        progress: called with the number of runs done.

    Raises:
        InferenceError: when the model cannot be run.
    """
    model, watched = _watched(source)
    session = Session(onnx_file.in_memory(model))
    moments: SecondMoments = {}
    for done, reading in enumerate(readings, start=1):
        for name, value in zip(watched, session.run(reading), strict=True):
            rows = value.reshape(-1, value.shape[-1])
            # Every row is quantised with a scale of its own, so every row counts the same.
            size = np.sqrt(np.mean(rows * rows, axis=1, keepdims=True))
            rows = rows / np.maximum(size, _TINY)
            moments[name] = moments.get(name, np.float32(0.0)) + rows.T @ rows
        progress(done)
    return moments


def products_by_input(model: onnx.ModelProto) -> dict[str, list[str]]:
    """The constant matrices of a graph's products, by the name of what they are multiplied by."""
    matrices = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    groups: dict[str, list[str]] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in matrices:
            groups.setdefault(node.input[0], []).append(node.input[1])
    return groups


def _watched(source: Path) -> tuple[onnx.ModelProto, list[str]]:
    """The model with the inputs of its products for outputs, and their names."""
    model = onnx_file.load(source)
    resolve_copies(model.graph)
    watched = sorted(products_by_input(model))
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in watched
    )
    return model, watched
