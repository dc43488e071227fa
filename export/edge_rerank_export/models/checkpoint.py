"""Checkpoints of language models as their configuration files describe them, without weights.

What a folder holds is decided here, and refused here, before weights are downloaded or read:
families by name, custom code, heads of many labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from edge_rerank._files import reason_of
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.families import DECODER_TYPES, FAMILIES, Trait, family_of
from edge_rerank_export.models.text_encoder import quiet

ENCODER_TYPES = ("bert",)

_CLASSIFIER = "ForSequenceClassification"

_GGUF = (
    f"of GGUF files {', '.join(kind for one in FAMILIES if one.gguf for kind in one.types)} are "
    "read, others as .safetensors"
)


class Form(StrEnum):
    """What a language model scores by.

    ``LIKELIHOOD``: how likely a text is after the history.
    ``HEAD``: a head over the last token that somebody trained, of one label, or of two as
    log-odds.
    ``ANSWERS``: log-odds of two tokens that might answer a question, as "yes" and "no".
    """

    LIKELIHOOD = "likelihood"
    HEAD = "head"
    ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """What the configuration files of a checkpoint say.

    Attributes:
        family: its ``model_type``.
        form: see :class:`Form`.
        labels: of a head, by its rows; two are log-odds of the second against the first.
        answers: ids of the answer tokens, the good one first; there may be one.
        positions: most tokens of history and candidate together.
        dtype: that the weights are stored in; empty where nothing says it.
        weights: how many there are in the model that is used.
        turned: whether outliers are turned away, see :mod:`~edge_rerank_export.models.outliers`.
    """

    family: str
    form: Form
    labels: tuple[str, ...]
    answers: tuple[int, ...]
    positions: int
    dtype: str
    weights: int
    turned: bool


def check_language_model(folder: Path) -> Any:
    """The configuration of transformers in ``folder``, of a model that can be a scorer.

    Args:
        folder: holds config.json or one .gguf file; weights are not read.

    Raises:
        UnsupportedModel: when it is of another type, or has something that the runtime's
            contract does not compute; by name.
    """
    options = loading_options(folder)
    if "gguf_file" not in options:
        _check_type(_json(folder / "config.json"))
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"the configuration cannot be read: {reason_of(error)}"
        if "gguf_file" in options:
            reason += f"; {_GGUF}"
        raise UnsupportedModel(reason) from error
    _check_type({"model_type": config.model_type})
    if "gguf_file" in options:
        _check_gguf(folder / options["gguf_file"], config)
    for name, value, computed in _traits(config):
        if value not in computed:
            wanted = " or ".join(map(repr, computed))
            raise UnsupportedModel(f"config.{name}: expected {wanted}, got {value!r}")
    return config


def describe_language_model(folder: Path) -> LanguageModel:
    """What ``folder`` holds, by its configuration files alone.

    Args:
        folder: of a checkpoint, whose weights need not be there yet; or of one .gguf file.

    Raises:
        UnsupportedModel: see :func:`check_language_model`.
    """
    config = check_language_model(folder)
    answers = _answer_ids(folder, config)
    form = Form.ANSWERS if answers else Form.LIKELIHOOD
    if classifies(config):
        form = Form.HEAD
    weights = _count(config, trunk=form is Form.HEAD)
    stored = getattr(config, "dtype", None) or getattr(config, "torch_dtype", None) or ""
    return LanguageModel(
        family=config.model_type,
        form=form,
        labels=labels_of(config) if form is Form.HEAD else (),
        answers=answers if form is Form.ANSWERS else (),
        positions=most_positions(config),
        dtype=str(stored).removeprefix("torch."),
        weights=weights,
        turned=not is_causal(config) or family_of(config).turns,
    )


def is_causal(config: Any) -> bool:
    """Whether a token of this model of transformers sees only those before it."""
    return config.model_type in DECODER_TYPES


def classifies(config: Any) -> bool:
    """Whether a decoder's checkpoint has a head over the last token instead of a vocabulary."""
    names = getattr(config, "architectures", None) or [""]
    return is_causal(config) and names[0].endswith(_CLASSIFIER)


def labels_of(config: Any) -> tuple[str, ...]:
    """Names of a head's labels, by its rows."""
    return tuple(str(config.id2label[number]) for number in sorted(config.id2label))


def most_positions(config: Any) -> int:
    """How many tokens a model of transformers reads at once."""
    if is_causal(config):
        return family_of(config).positions(config)
    found: int = config.max_position_embeddings
    return found


def loading_options(folder: Path) -> dict[str, Any]:
    """What transformers is told for every file of ``folder``: no code, no network."""
    gguf = next((path.name for path in sorted(folder.glob("*.gguf"))), None)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    return options if gguf is None else options | {"gguf_file": gguf}


def _check_type(members: Mapping[str, Any]) -> None:
    kind = members.get("model_type")
    if kind in (*DECODER_TYPES, *ENCODER_TYPES):
        return
    known = ", ".join((*DECODER_TYPES, *ENCODER_TYPES))
    reason = f"model type: a language-model scorer must be one of {known}, got {kind!r}"
    if "auto_map" in members:
        reason += "; its own code is never run"
    raise UnsupportedModel(f"{reason}; another decoder is a class in models/families.py")


def _check_gguf(path: Path, config: Any) -> None:
    """Refuse a file with more in it than transformers reads."""
    if not family_of(config).gguf:
        raise UnsupportedModel(f"{path.name}: a {config.model_type}; {_GGUF}")
    from gguf import GGUFReader  # noqa: PLC0415 - only for these files

    reader = GGUFReader(path)
    scaled = {tensor.name for tensor in reader.tensors if tensor.name.startswith("rope_")}
    scaled |= {name for name in reader.fields if ".rope.scaling." in name}
    if scaled:
        raise UnsupportedModel(
            f"{path.name}: {min(scaled)} is not read by transformers; give the checkpoint as "
            ".safetensors"
        )


def _traits(config: Any) -> Iterator[Trait]:
    """What a configuration says, and the values that our forward pass computes, by name."""
    yield "quantization_config", getattr(config, "quantization_config", None), (None,)
    if is_causal(config):
        yield from family_of(config).traits(config)
        if classifies(config):
            yield "num_labels", config.num_labels, (1, 2)
            several = getattr(config, "problem_type", None) == "multi_label_classification"
            yield "problem_type", several and config.problem_type, (False,)
        return
    yield "hidden_act", config.hidden_act, ("gelu",)
    kind = getattr(config, "position_embedding_type", "absolute")
    yield "position_embedding_type", kind, ("absolute",)
    yield "is_decoder", config.is_decoder, (False,)


def _answer_ids(folder: Path, config: Any) -> tuple[int, ...]:
    """Ids of the answer tokens that sentence-transformers keeps beside a model, if it does."""
    modules = folder / "modules.json"
    if not is_causal(config) or not modules.is_file():
        return ()
    for module in json.loads(modules.read_text(encoding="utf-8")):
        if str(module.get("type", "")).endswith(".LogitScore"):
            members = _json(folder / module["path"] / "config.json")
            ids = members.get("true_token_id"), members.get("false_token_id")
            if not isinstance(ids[0], int):
                raise UnsupportedModel("LogitScore: expected a true_token_id")
            return tuple(one for one in ids if isinstance(one, int))
    return ()


def _count(config: Any, *, trunk: bool) -> int:
    """Weights of the model, of shapes alone."""
    auto: Any = AutoModel if trunk or not is_causal(config) else AutoModelForCausalLM
    with quiet(), torch.device("meta"):
        model = auto.from_config(config)
    return sum(weight.numel() for weight in model.parameters())


def _json(path: Path) -> dict[str, Any]:
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnsupportedModel(f"{path.name}: not readable: {type(error).__name__}") from error
    if not isinstance(members, dict):
        raise UnsupportedModel(f"{path.name}: expected an object")
    return members
