"""The text tower of a model of transformers that joins pictures and texts, as a text encoder.

CLIP (Radford et al., ICML 2021) reads from left to right and takes the state at the end of the
text; SigLIP (Zhai et al., ICCV 2023), also SigLIP 2 of one size, reads texts in small letters,
filled up to a fixed length, and takes the last state, whatever stands there. Both put a projection
behind it. The picture tower of the same model is in :mod:`~.vision_tower`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from optimum.exporters.onnx import model_configs as optimum
from tokenizers import Tokenizer
from transformers import CLIPModel, SiglipModel

from edge_rerank._files import reason_of
from edge_rerank_export.errors import SourceError, UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.encoder_families import ACTIVATIONS
from edge_rerank_export.models.sentence_files import read_json
from edge_rerank_export.models.text_encoder import UnitEncoder, export_onnx, quiet
from edge_rerank_export.models.text_tokenizer import lower_cased, read_tokenizer

CLIP, SIGLIP = "clip", "siglip"

TYPES = (CLIP, SIGLIP)
"""Types of models that have both towers."""

_OLD_END = 2
"""What configurations of CLIP called the last token before it was put right: such a model takes the
state of the token with the highest number."""

_TOKENIZER = "tokenizer.json"
_TOKENS_NAMED = ("tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class TowerDescription:
    """What the files of a model with both towers say of the one that reads texts.

    Attributes:
        model_type: by transformers' name.
        positions: tokens that a text may have at most, special tokens included.
        dim: length of a vector.
    """

    model_type: str
    positions: int
    dim: int

    @property
    def fixed(self) -> bool:
        """Whether texts are filled up to all positions."""
        return self.model_type == SIGLIP

    @property
    def made(self) -> str:
        """How a vector is made of the tokens' states, in words."""
        taken = "last state, head" if self.fixed else "state at the end of the text, projection"
        return f"{taken} and scaling to length 1"


def describe_tower(folder: Path) -> TowerDescription:
    """Read all that a recipe of the text tower in ``folder`` has to say, by configuration alone.

    Raises:
        UnsupportedModel: when it is of another type, or asks for what is not done.
    """
    config = read_json(folder / "config.json", {})
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in TYPES:
        raise UnsupportedModel(
            f"expected a model of type {' or '.join(TYPES)}, which join pictures and texts, got "
            f"{kind}"
        )
    try:
        whole = _CLASSES[kind].config_class.from_dict(config)
        text = whole.text_config
        dim = int(whole.projection_dim if kind == CLIP else text.projection_size)
        described = TowerDescription(kind, int(text.max_position_embeddings), dim)
        activation = text.hidden_act
    except Exception as error:  # members of the wrong type fail in many ways
        raise UnsupportedModel(f"config.json cannot be read: {type(error).__name__}") from error
    known = (*ACTIVATIONS, "quick_gelu")
    if activation not in known:
        raise UnsupportedModel(
            f"config.text_config.hidden_act: expected one of {', '.join(known)}, got {activation!r}"
        )
    return described


class TextTower(UnitEncoder):
    """Tokens to a text's features.

    Args:
        config: transformers', of the text tower.
        inner: embeddings, layers and the last norm.
        projection: what follows the pooling.
        dim: see :class:`~.text_encoder.UnitEncoder`.
    """

    def __init__(
        self, config: Any, inner: torch.nn.Module, projection: torch.nn.Module, dim: int
    ) -> None:
        super().__init__(dim)
        self.config = config
        self.inner: Any = inner
        self.projection = projection

    def states(self, input_ids: torch.Tensor, **masks: Any) -> torch.Tensor:
        """Of tokens, float32 (batch, tokens, hidden)."""
        embedded = self.inner.embeddings(input_ids=input_ids)
        made = self.inner.encoder(inputs_embeds=embedded, **masks).last_hidden_state
        states: torch.Tensor = self.inner.final_layer_norm(made)
        return states


class ClipTextTower(TextTower):
    """CLIP's, as transformers' CLIPTextModelWithProjection has it."""

    def __init__(
        self, config: Any, inner: torch.nn.Module, projection: torch.nn.Module, dim: int
    ) -> None:
        super().__init__(config, inner, projection, dim)
        tokens = config.max_position_embeddings
        lowest = torch.finfo(torch.float32).min
        self.register_buffer("later", torch.full((tokens, tokens), lowest).triu(1)[None, None])

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """See :meth:`~.text_encoder.UnitEncoder.pool`."""
        tokens = input_ids.shape[1]
        later: Any = self.later
        masks = {"attention_mask": None, "causal_attention_mask": later[:, :, :tokens, :tokens]}
        states = self.states(input_ids, **masks)
        end = self.config.eos_token_id
        there = attention_mask > 0
        # Of equal numbers the first is taken.
        marks = input_ids if end == _OLD_END else (input_ids == end).to(torch.int64)
        places = torch.where(there, marks, -1).to(torch.float32).argmax(dim=1)
        index = places[:, None, None].expand(-1, 1, states.shape[-1])
        made: torch.Tensor = self.projection(states.gather(1, index)[:, 0])
        return made


class SiglipTextTower(TextTower):
    """SigLIP's, as transformers' SiglipTextModel has it: what fills a text up is read, too."""

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """See :meth:`~.text_encoder.UnitEncoder.pool`; of rows that are filled up already."""
        # So that the mask, which every encoder is given, is one of the graph's inputs.
        read = input_ids * (attention_mask >= 0).to(torch.int64)
        # Of three axes, so that ONNX has a product of matrices that is quantised.
        made: torch.Tensor = self.projection(self.states(read)[:, -1:])[:, 0]
        return made


_CLASSES: Mapping[str, Any] = {CLIP: CLIPModel, SIGLIP: SiglipModel}


def load_tower(folder: Path) -> TextTower:
    """The original in PyTorch float32, in evaluation mode.

    Raises:
        UnsupportedModel: see :func:`describe_tower`; or when weights are missing.
        SourceError: when they cannot be read.
    """
    described = describe_tower(folder)
    try:
        with quiet():
            model, report = _CLASSES[described.model_type].from_pretrained(
                folder,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="eager",
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise SourceError(f"source: the model cannot be read: {reason_of(error)}") from error
    missing = sorted(name for name in report["missing_keys"] if name.startswith("text_"))
    if missing:
        raise UnsupportedModel(f"weights: {len(missing)} are missing, {missing[0]} among them")
    inner, config = model.text_model, model.config.text_config
    if described.model_type == CLIP:
        return ClipTextTower(config, inner, model.text_projection, described.dim).eval()
    return SiglipTextTower(config, inner, inner.head, described.dim).eval()


def tower_tokenizer(folder: Path, described: TowerDescription) -> Tokenizer:
    """The tokeniser of the model in ``folder``, which does not pad.

    Raises:
        UnsupportedModel: when there is none.
    """
    tokenizer = read_tokenizer(folder / _TOKENIZER)
    # SigLIP was trained on small letters alone, SigLIP 2 too, whose tokeniser is Gemma's.
    return lower_cased(tokenizer) if described.fixed else tokenizer


def padding(folder: Path, tokenizer: Tokenizer) -> tuple[int, str]:
    """The token that texts are filled up with, by number and name.

    Raises:
        UnsupportedModel: when the files do not say which.
    """
    for name in _TOKENS_NAMED:
        told = read_json(folder / name, {})
        token = told.get("pad_token") if isinstance(told, dict) else None
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and (number := tokenizer.token_to_id(token)) is not None:
            return number, token
    raise UnsupportedModel(f"{' or '.join(_TOKENS_NAMED)}: expected the name of a pad_token")


def convert(tower: TextTower, output: Path, *, inline_bytes: int = onnx_file.INLINE_BYTES) -> None:
    """Write ``tower`` to ``output`` as float32 ONNX, see :func:`~.onnx_file.save`."""
    config: Any = _OnnxConfig(tower.config, task="feature-extraction")
    export_onnx(tower, config, output, inline_bytes=inline_bytes)
    onnx_file.check(output)


class _OnnxConfig(optimum.CLIPTextWithProjectionOnnxConfig):  # type: ignore[misc]
    """Optimum's configuration of a text tower, with two inputs and one pooled output."""

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        axes = {0: "batch", 1: "tokens"}
        return OrderedDict(input_ids=axes, attention_mask=axes)

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return OrderedDict(vector={0: "batch"})
