"""Text encoders, from a transformers checkpoint to ONNX through Optimum.

The exported text encoder does everything the runtime would otherwise have to do itself: the
pooling over the tokens that are not padding, what sentence-transformers puts after it, and scaling
to length 1.
"""

from __future__ import annotations

import logging
import sys
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from optimum.exporters.onnx import export
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModel

from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.encoder_description import (
    EncoderDescription,
    check_weight_files,
    describe_encoder,
)
from edge_rerank_export.models.encoder_families import EncoderFamily
from edge_rerank_export.models.sentence_files import Dense, Pooling
from edge_rerank_export.models.sentence_layers import DenseLayer, UnitLayer, pooled, unit

OPSET = 21

_HIDDEN_LOGS = ("optimum", "transformers", "torch.onnx")
_UNUSED = ("pooler.",)
"""Weights of transformers' own pooling, which a checkpoint may lack: no state depends on them."""


class UnitEncoder(torch.nn.Module, ABC):
    """What makes a vector of length 1 of a text's tokens.

    Args:
        dim: of a vector.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.centre: torch.Tensor | None = None
        """Taken off what is made of the tokens, float32 (dim,)."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Encode; int64 (batch, tokens) twice in, ``vector`` float32 (batch, dim) out."""
        vectors = self.pool(input_ids, attention_mask)
        if self.centre is not None:
            vectors = vectors - self.centre
        return {"vector": unit(vectors)}

    @abstractmethod
    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What is made of the tokens' states, of any length, float32 (batch, dim)."""

    def vector(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The vector of a text with these tokens, float32 (1, dim)."""
        row = _row(ids)
        with torch.inference_mode():
            made: NDArray[np.float32] = self(row, torch.ones_like(row))["vector"].numpy()
        return made

    def set_centre(self, rows: Sequence[Sequence[int]]) -> None:
        """Make the mean over the texts with the token ids ``rows`` the centre."""
        with torch.inference_mode():
            means = [self.pool(ids, torch.ones_like(ids)) for ids in map(_row, rows)]
        self.centre = torch.cat(means).mean(dim=0).clone()


class TextEncoder(UnitEncoder):
    """A transformer with pooling, what follows it, and L2 normalisation.

    Sentence-BERT (Reimers and Gurevych, EMNLP 2019), and what sentence-transformers made of it.

    Args:
        backbone: of transformers; its last layer gives a state for each token.
        family: what it is.
        pooling: how a vector is made of the states.
        layers: what comes after that.
        dim: of a vector; where what is made of the states has more components, the first are kept
            (Matryoshka: Kusupati et al., NeurIPS 2022).
    """

    def __init__(
        self,
        backbone: torch.nn.Module,
        family: type[EncoderFamily],
        *,
        pooling: Sequence[Pooling] = (Pooling.MEAN,),
        layers: Sequence[torch.nn.Module] = (),
        dim: int,
    ) -> None:
        super().__init__(dim)
        self.backbone = backbone
        self.config: Any = backbone.config
        self.family = family
        self.pooling = tuple(pooling)
        self.layers = torch.nn.ModuleList(layers)

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What is made of the tokens' states, of any length, float32 (batch, dim)."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask)[0]
        vectors = pooled(states, attention_mask, self.pooling)
        for layer in self.layers:
            vectors = layer(vectors)
        return vectors if vectors.shape[-1] == self.dim else vectors[:, : self.dim]


def load_encoder(folder: Path, *, pooling: Sequence[Pooling] = (), dim: int = 0) -> TextEncoder:
    """The original in PyTorch float32, in evaluation mode.

    Args:
        folder: the model's.
        pooling: how vectors are made of states; empty for what the files say.
        dim: see :class:`TextEncoder`; 0 for all components.

    Raises:
        UnsupportedModel: when the model is not of a supported type, or weights are missing; in
            the first case nothing was loaded.
    """
    described = describe_encoder(folder)
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    check_weight_files(described, files, complete=True)
    whole = described.dim_of(tuple(pooling) or described.pooling)
    if pooling and len(pooling) != len(described.pooling) and described.sentences.layers:
        raise UnsupportedModel("pooling: expected as many modes as the model's Dense is made for")
    if not 0 <= dim <= whole:
        raise UnsupportedModel(f"encoder.dim: expected at most {whole}, the model's, got {dim}")
    with quiet():
        backbone, report = AutoModel.from_pretrained(
            folder / described.folder,
            config=described.config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    missing = [name for name in report["missing_keys"] if not name.startswith(_UNUSED)]
    if missing:
        raise UnsupportedModel(
            f"weights: {len(missing)} are missing, {sorted(missing)[0]} among them: not those of "
            f"{type(backbone).__name__}"
        )
    return TextEncoder(
        backbone,
        described.family,
        pooling=tuple(pooling) or described.pooling,
        layers=_layers(folder, described),
        dim=dim or whole,
    ).eval()


def _layers(folder: Path, described: EncoderDescription) -> list[torch.nn.Module]:
    layers: list[torch.nn.Module] = []
    for spec in described.sentences.layers:
        if not isinstance(spec, Dense):
            layers.append(UnitLayer())
            continue
        try:
            weights = load_file(folder / spec.weights)
        except (OSError, SafetensorError) as error:
            raise UnsupportedModel(f"{spec.weights}: {type(error).__name__}") from error
        names: dict[str, tuple[int, ...]] = {"linear.weight": (spec.outputs, spec.inputs)}
        names |= {"linear.bias": (spec.outputs,)} if spec.bias else {}
        if {name: tuple(value.shape) for name, value in weights.items()} != names:
            raise UnsupportedModel(f"{spec.weights}: expected the weights that config.json names")
        layers.append(DenseLayer(spec, weights))
    return layers


def _row(ids: Sequence[int]) -> torch.Tensor:
    return torch.tensor([ids])


def convert(
    model: TextEncoder, output: Path, *, inline_bytes: int = onnx_file.INLINE_BYTES
) -> None:
    """Write ``model`` to ``output`` as float32 ONNX, see :func:`~.onnx_file.save`."""
    config = _onnx_config(model.family)(model.config, task="feature-extraction")
    export_onnx(model, config, output, inline_bytes=inline_bytes)
    onnx_file.check(output)


def export_onnx(model: Any, config: Any, output: Path, *, inline_bytes: int) -> None:
    """Have Optimum write a model as float32 ONNX.

    Args:
        model: of PyTorch.
        config: Optimum's configuration of it.
        output: the file to write; what is beside it is :func:`~.onnx_file.data_file`.
        inline_bytes: see :func:`~.onnx_file.save`.
    """
    with quiet():
        export(model, config, output, opset=OPSET, disable_dynamic_axes_fix=True)
    # PyTorch's exporter keeps what it wrote last for ever, which is the size of the model.
    vars(sys.modules[torch.onnx.utils.export.__module__]).get("_params_dict", {}).clear()
    onnx_file.settle(output, inline_bytes=inline_bytes)


def _onnx_config(family: type[EncoderFamily]) -> Any:
    """Optimum's configuration of the family, with two inputs and one pooled output."""
    axes = {0: "batch", 1: "tokens"}
    return type(
        f"{family.__name__}TextEncoderOnnxConfig",
        (family.onnx,),
        {
            "inputs": property(lambda _: OrderedDict(input_ids=axes, attention_mask=axes)),
            "outputs": property(lambda _: OrderedDict(vector={0: "batch"})),
        },
    )


class quiet:  # noqa: N801 - used like a function
    """Keep the exporters' chatter out of the progress display."""

    def __enter__(self) -> None:
        self._levels = {name: logging.getLogger(name).level for name in _HIDDEN_LOGS}
        for name in _HIDDEN_LOGS:
            logging.getLogger(name).setLevel(logging.ERROR)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *details: Any) -> None:
        self._warnings.__exit__(*details)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
