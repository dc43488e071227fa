"""Text encoders, from a transformers checkpoint to ONNX through Optimum.

The exported text encoder does everything the runtime would otherwise have to do itself:
mean pooling over the tokens that are not padding, and scaling to length 1.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from optimum.exporters.onnx import export
from optimum.exporters.onnx.model_configs import BertOnnxConfig
from transformers import AutoConfig, AutoModel

from edge_rerank_export.errors import UnsupportedModel

OPSET = 21
ENCODER_TYPES = ("bert",)

_MODULES = ("Transformer", "Pooling", "Normalize")
_MEAN = "pooling_mode_mean_tokens"
_HIDDEN_LOGS = ("optimum", "transformers", "torch.onnx")


class TextEncoder(torch.nn.Module):
    """A BERT with mean pooling and L2 normalisation.

    Sentence-BERT (Reimers and Gurevych, EMNLP 2019) as all-MiniLM-L6-v2 was trained.
    """

    def __init__(self, bert: torch.nn.Module) -> None:
        super().__init__()
        self.bert = bert
        self.config: Any = bert.config
        self.centre: torch.Tensor | None = None
        """Taken off the mean of the tokens, float32 (dim,)."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Encode; int64 (batch, tokens) twice in, ``vector`` float32 (batch, dim) out."""
        mean = self.pool(input_ids, attention_mask)
        if self.centre is not None:
            mean = mean - self.centre
        return {"vector": mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-12)}

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The mean of the tokens' states, float32 (batch, dim)."""
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        mean: torch.Tensor = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return mean

    def set_centre(self, rows: Sequence[Sequence[int]]) -> None:
        """Make the mean over the texts with the token ids ``rows`` the centre."""
        with torch.inference_mode():
            means = [self.pool(ids, torch.ones_like(ids)) for ids in map(_row, rows)]
        self.centre = torch.cat(means).mean(dim=0).clone()


class TextEncoderOnnxConfig(BertOnnxConfig):  # type: ignore[misc]
    """Two inputs and one pooled output, in place of the three and two of plain BERT."""

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Names and dynamic axes of the inputs."""
        axes = {0: "batch", 1: "tokens"}
        return OrderedDict(input_ids=axes, attention_mask=axes)

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """Name and dynamic axis of the output."""
        return OrderedDict(vector={0: "batch"})


def check_encoder(folder: Path) -> Any:
    """The configuration of transformers in ``folder``, of a model that can be a text encoder.

    Args:
        folder: holds config.json; weights are not read.

    Raises:
        UnsupportedModel: when it is of another type, or its vectors are made in another way
            than as the mean of its tokens; by name.
    """
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UnsupportedModel(f"config.json cannot be read: {type(error).__name__}") from error
    if config.model_type not in ENCODER_TYPES:
        known = ", ".join(ENCODER_TYPES)
        raise UnsupportedModel(
            f"model type: a text encoder must be one of {known}, got {config.model_type!r}"
        )
    if getattr(config, "quantization_config", None) is not None:
        raise UnsupportedModel("config.quantization_config: expected float weights")
    for module in _json(folder / "modules.json", []):
        kind = str(module.get("type")).rpartition(".")[2]
        if kind not in _MODULES:
            known = ", ".join(_MODULES)
            raise UnsupportedModel(f"modules.json: expected only {known}, got {kind!r}")
        if kind == "Pooling":
            pooling = _json(folder / str(module.get("path")) / "config.json", {})
            modes = [name for name, on in pooling.items() if on is True and "_mode_" in name]
            if modes and modes != [_MEAN]:
                raise UnsupportedModel(f"pooling: expected {_MEAN}, got {', '.join(modes)}")
    return config


def _json(path: Path, default: Any) -> Any:
    """What sentence-transformers keeps in a file; ``default`` where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default
    except ValueError as error:
        raise UnsupportedModel(f"{path.name} cannot be read") from error


def load_encoder(folder: Path) -> TextEncoder:
    """The original in PyTorch float32, in evaluation mode.

    Raises:
        UnsupportedModel: when the model is not of a supported type; nothing was loaded.
    """
    config = check_encoder(folder)
    with quiet():  # the pooling layer, which is not used, may be missing
        bert = AutoModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
        )
    return TextEncoder(bert).eval()


def _row(ids: Sequence[int]) -> torch.Tensor:
    return torch.tensor([ids])


def convert(model: TextEncoder, output: Path) -> None:
    """Write ``model`` to ``output`` as float32 ONNX."""
    with quiet():
        export(
            model,
            TextEncoderOnnxConfig(model.config, task="feature-extraction"),
            output,
            opset=OPSET,
            disable_dynamic_axes_fix=True,
        )
    onnx.checker.check_model(str(output), full_check=True)


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
