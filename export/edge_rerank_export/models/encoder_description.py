"""Descriptions of text encoders, from configuration files alone: no weights are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.encoder_families import EncoderFamily, family_of
from edge_rerank_export.models.sentence_files import (
    Dense,
    Pooling,
    SentenceFiles,
    read_json,
    read_sentence_files,
)

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_NO_LIMIT = 1 << 20
"""Where a tokeniser knows no longest text, transformers writes a number of thirty digits."""


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """What the files of a text encoder say.

    Attributes:
        family: see :data:`~.encoder_families.FAMILIES`.
        config: transformers' configuration.
        sentences: what sentence-transformers' files say, or what it assumes without them.
        folder: of config.json and the tokeniser, relative to the model's; empty for the same.
        hidden: dimensions of a token's state.
        positions: tokens that a text may have at most, special tokens included.
        max_tokens: longest text that the original reads, no more than that.
    """

    family: type[EncoderFamily]
    config: Any
    sentences: SentenceFiles
    folder: str
    hidden: int
    positions: int
    max_tokens: int

    @property
    def model_type(self) -> str:
        """By transformers' name."""
        return str(self.config.model_type)

    @property
    def pooling(self) -> tuple[Pooling, ...]:
        """Several are put end to end."""
        return self.sentences.pooling

    @property
    def dim(self) -> int:
        """Of a whole vector; a recipe may keep the first of them."""
        return self.dim_of(self.pooling)

    def dim_of(self, pooling: Sequence[Pooling]) -> int:
        """Of a whole vector that is pooled in another way than the files say."""
        dense = [layer for layer in self.sentences.layers if isinstance(layer, Dense)]
        return dense[-1].outputs if dense else self.hidden * len(pooling)

    @property
    def pad_id(self) -> int:
        """The token that fills up shorter rows."""
        return int(self.config.pad_token_id or 0)

    @property
    def dense_weights(self) -> tuple[str, ...]:
        """Weight files beside the transformer's, relative to the model's folder."""
        return tuple(one.weights for one in self.sentences.layers if isinstance(one, Dense))

    def weights(self) -> int:
        """Number of weights, counted on a model that holds none."""
        with torch.device("meta"):
            model: torch.nn.Module = AutoModel.from_config(  # type: ignore[no-untyped-call]
                self.config, attn_implementation="eager", trust_remote_code=False
            )
        layers = [one for one in self.sentences.layers if isinstance(one, Dense)]
        dense = sum((one.inputs + one.bias) * one.outputs for one in layers)
        return int(dense + sum(weight.numel() for weight in model.parameters()))


def check_encoder(folder: Path) -> Any:
    """The configuration of transformers in ``folder``, of a model that can be a text encoder.

    For arguments and errors see :func:`describe_encoder`.
    """
    return describe_encoder(folder).config


def describe_encoder(folder: Path) -> EncoderDescription:
    """Read everything that a recipe of the text encoder in ``folder`` has to say.

    Args:
        folder: holds config.json, and what sentence-transformers and the tokeniser keep beside
            it; weights are not read, and need not be there.

    Raises:
        UnsupportedModel: when the model cannot be used; by the name of what is not known.
    """
    modules = read_json(folder / "modules.json", [])
    first = modules[0] if isinstance(modules, list) and modules else {}
    inside = str(first.get("path") or "") if isinstance(first, dict) else ""
    place = folder / inside
    members = read_json(place / "config.json", None)
    if not isinstance(members, dict):
        raise UnsupportedModel("config.json cannot be read: expected a JSON object")
    family = family_of(members)
    try:
        config = AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
        quantised = getattr(config, "quantization_config", None) is not None
        family.check(config)
        hidden, positions = int(config.hidden_size), family.positions(config)
    except UnsupportedModel:
        raise
    except Exception as error:  # members of the wrong type fail in many ways
        raise UnsupportedModel(f"config.json cannot be read: {type(error).__name__}") from error
    if quantised:
        raise UnsupportedModel("config.quantization_config: expected float weights")
    sentences = read_sentence_files(folder, hidden=hidden)
    told = read_json(place / "tokenizer_config.json", {})
    longest = told.get("model_max_length") if isinstance(told, dict) else None
    limits = [positions, sentences.max_tokens]
    if sentences.max_tokens is None and isinstance(longest, int) and 0 < longest < _NO_LIMIT:
        limits.append(longest)
    description = EncoderDescription(
        family=family,
        config=config,
        sentences=sentences,
        folder=inside,
        hidden=hidden,
        positions=positions,
        max_tokens=min(limit for limit in limits if limit is not None),
    )
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    check_weight_files(description, files, complete=False)
    return description


def check_weight_files(
    description: EncoderDescription, files: Iterable[str], *, complete: bool
) -> None:
    """Refuse weights that are pickles, which run code when they are read.

    Args:
        description: of the model.
        files: names in the model's folder, relative to it, on a disk or a hub.
        complete: whether weights that are not among them are missing.

    Raises:
        UnsupportedModel: with what to do.
    """
    paths = [PurePosixPath(name.replace("\\", "/")) for name in files]
    wanted = [
        description.folder,
        *(str(PurePosixPath(x).parent) for x in description.dense_weights),
    ]
    for folder in wanted:
        inside = [path for path in paths if path.parent == PurePosixPath(folder)]
        if any(path.suffix == ".safetensors" for path in inside):
            continue
        pickles = [path.name for path in inside if path.suffix in _PICKLES]
        where = f"{folder}/" if folder else ""
        if pickles:
            raise UnsupportedModel(
                f"weights: expected {where}model.safetensors, got {pickles[0]}, a pickle, which "
                f"can run code when it is read; if you trust it, convert it: {_remedy(description)}"
            )
        if complete:
            raise UnsupportedModel(f"weights: expected {where}model.safetensors, found none")


def _remedy(description: EncoderDescription) -> str:
    """The line of Python that writes safetensors."""
    if description.sentences.found:
        return (
            'python -c "from sentence_transformers import SentenceTransformer as S; '
            "S('MODEL').save_pretrained('NEW', safe_serialization=True)\""
        )
    return (
        'python -c "from transformers import AutoModel, AutoTokenizer; '
        "AutoModel.from_pretrained('MODEL').save_pretrained('NEW'); "
        "AutoTokenizer.from_pretrained('MODEL').save_pretrained('NEW')\""
    )
