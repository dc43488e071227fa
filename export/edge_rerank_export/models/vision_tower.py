"""The picture tower of a model of transformers that joins pictures and texts, as a picture encoder.

SigLIP (also SigLIP 2 of fixed size, which is of the same type) by its pooled output, CLIP by its
projection. How a picture is prepared, the model's own preprocessor_config.json says.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import nn
from transformers import CLIPVisionModelWithProjection, SiglipVisionModel

from edge_rerank._files import reason_of
from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models.graph_writer import OPSET, GraphWriter
from edge_rerank_export.models.picture import PictureEncoder
from edge_rerank_export.models.preparation import Fit, Preparation
from edge_rerank_export.models.sentence_files import read_json
from edge_rerank_export.models.text_encoder import quiet

PREPROCESSOR = "preprocessor_config.json"

_TOWERS: dict[str, tuple[Any, str]] = {
    "siglip": (SiglipVisionModel, "pooler_output"),
    "siglip_vision_model": (SiglipVisionModel, "pooler_output"),
    "clip": (CLIPVisionModelWithProjection, "image_embeds"),
    "clip_vision_model": (CLIPVisionModelWithProjection, "image_embeds"),
}
"""By type of model: the class of its tower, and which of its outputs a picture's vector is."""

TYPES = tuple(_TOWERS)

_BILINEAR, _BICUBIC = 2, 3
"""Pillow's numbers."""


_LEFT = ["MatMulAddFusion"]
"""Products of matrices are quantised as such."""


class Tower(nn.Module):
    """Normalised pixels to a picture's features."""

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model = model
        self._output = output

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(batch, 3, side, side) to (batch, features)."""
        made: torch.Tensor = getattr(self.model(pixel_values=pixels), self._output)
        return made


def check_tower(folder: Path) -> None:
    """Refuse a model that has no picture tower of a known type, by its configuration.

    Raises:
        UnsupportedModel: naming its type.
        SourceError: when its configuration cannot be read.
    """
    config = read_json(folder / "config.json", {})
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in _TOWERS:
        raise UnsupportedModel(
            f"expected a model of type {', '.join(TYPES)}, which look at pictures, got {kind}"
        )


def tower_encoder(folder: Path, *, side: int, fit: Fit | None) -> PictureEncoder:
    """The picture encoder of the model in ``folder``.

    Args:
        folder: as transformers saves it, with its preprocessor_config.json.
        side: pixels along each side; 0 for what its files say.
        fit: how a picture becomes a square; ``None`` for what its files say.

    Raises:
        SourceError: when its files cannot be read.
        UnsupportedModel: when they ask for what is not done.
    """
    check_tower(folder)
    members = read_json(folder / "config.json", {})
    kind, output = _TOWERS[members["model_type"]]
    try:
        config = kind.config_class.from_pretrained(folder, local_files_only=True)
        # A whole CLIP says it once for both towers, and a tower by itself reads its own part.
        config.projection_dim = members.get("projection_dim", getattr(config, "projection_dim", 0))
        with quiet():
            model = kind.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise SourceError(f"source: the model cannot be read: {reason_of(error)}") from error
    tower = Tower(model.eval(), output)
    prepare = preparation(read_json(folder / PREPROCESSOR, {}), side=side, fit=fit)
    pixels = torch.zeros(1, 3, prepare.side, prepare.side)
    if (own := model.config.image_size) != prepare.side:
        raise UnsupportedModel(f"image.side: expected {own}, as the model has, got {prepare.side}")
    with torch.no_grad():
        dim = int(tower(pixels).shape[1])
    return PictureEncoder(
        prepare, tower, dim, emit=lambda writer, name: _emit(tower, pixels, writer, name)
    )


def preparation(said: Mapping[str, Any], *, side: int, fit: Fit | None) -> Preparation:
    """What a model's preprocessor does to a picture, where the recipe says nothing else.

    Args:
        said: the members of preprocessor_config.json.
        side: see :func:`tower_encoder`.
        fit: likewise.

    Raises:
        UnsupportedModel: when that is not done here.
    """
    try:
        size = said["size"]
        cropped = bool(said.get("do_center_crop"))
        edge = int(size["shortest_edge"] if "shortest_edge" in size else size["height"])
        shown = edge
        if cropped:
            crop = said["crop_size"]
            shown = int(crop["height"] if isinstance(crop, dict) else crop)
        resample = said.get("resample", _BICUBIC)
        factor = float(said.get("rescale_factor", 1 / 255))
        mean, spread = ([float(one) for one in said[key]] for key in ("image_mean", "image_std"))
    except (KeyError, TypeError, ValueError) as error:
        raise UnsupportedModel(f"{PREPROCESSOR}: expected sizes, means and deviations") from error
    if resample not in {_BILINEAR, _BICUBIC} or shown != edge or min(len(mean), len(spread)) != 3:
        raise UnsupportedModel(
            f"{PREPROCESSOR}: expected to be resized by lines or cubic curves, to the size that is "
            "then cut out"
        )
    red, green, blue = (one / factor for one in mean)
    scales = [one / factor for one in spread]
    return Preparation(
        side=side or shown,
        fit=fit or (Fit.CROP if cropped else Fit.SQUASH),
        cubic=resample == _BICUBIC,
        mean=(red, green, blue),
        scale=(scales[0], scales[1], scales[2]),
    )


def _emit(tower: Tower, pixels: torch.Tensor, writer: GraphWriter, name: str) -> str:
    """Write the tower as PyTorch exports it, to look at ``name``; its features' name comes back."""
    stream: Any = io.BytesIO()  # which torch takes, and its types do not say
    with quiet(), torch.no_grad():
        torch.onnx.export(
            tower,
            (pixels,),
            stream,
            dynamo=False,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=["features"],
        )
    graph = _folded(stream.getvalue()).graph
    names = {graph.input[0].name: name, "": ""}
    for tensor in graph.initializer:
        names[tensor.name] = f"tower/{tensor.name}"
        tensor.name = names[tensor.name]
        writer.tensors.append(tensor)
    for node in graph.node:
        for at, one in enumerate(node.input):
            node.input[at] = names[one]
        for at, one in enumerate(node.output):
            names[one] = one if one == "features" else f"tower/{one}"
            node.output[at] = names[one]
        node.name = f"tower/{node.name}"
        writer.nodes.append(node)
    return "features"


def _folded(exported: bytes) -> onnx.ModelProto:
    """A model with the sizes computed that PyTorch writes as nodes: its input has one size."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            exported, options, providers=["CPUExecutionProvider"], disabled_optimizers=_LEFT
        )
        return onnx.load(str(path))
