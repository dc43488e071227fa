"""Cross-encoders of pairs, from a transformers checkpoint to ONNX through Optimum.

What sentence-transformers' ``CrossEncoder`` saves is a ``*ForSequenceClassification`` of
transformers with one label, whose logit is the score, or two, whose difference is: both are the
log-odds of the label where the model was trained with cross-entropy. The activation function that
comes after it, a sigmoid as a rule, changes no order and is left out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from optimum.exporters.onnx import OnnxConfig
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from edge_rerank._files import reason_of
from edge_rerank.inference.pair_scorer import INPUTS
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.checkpoint import labels_of
from edge_rerank_export.models.encoder_families import FAMILIES, THIS_FILE, family_of
from edge_rerank_export.models.sentence_files import read_json, read_object
from edge_rerank_export.models.text_encoder import export_onnx, quiet

CLASSIFIER = "ForSequenceClassification"
"""What the names of transformers' classes for them end with."""

MAX_LABELS = 2

_TYPES = INPUTS[2]
_ACTIVATIONS = ("Identity", "Sigmoid", "Softmax")
_MULTI_LABEL = "multi_label_classification"


def is_pair_model(folder: Path) -> bool:
    """Whether the files in ``folder`` say that the model is a classifier of texts.

    Args:
        folder: holds config.json; weights are not read.

    Raises:
        UnsupportedModel: when config.json cannot be read.
    """
    named = read_object(folder / "config.json").get("architectures") or [""]
    return str(named[0]).endswith(CLASSIFIER)


def check_pair_model(folder: Path) -> Any:
    """The configuration of transformers in ``folder``, of a model that can score pairs.

    Args:
        folder: holds config.json; weights are not read.

    Raises:
        UnsupportedModel: when it is of another family, is no classifier with one or two labels,
            or makes its score in another way; by name.
    """
    said = read_object(folder / "config.json")
    kind, named = said.get("model_type"), [str(one) for one in said.get("architectures") or ()]
    if kind not in FAMILIES:
        raise UnsupportedModel(
            f"model type: a scorer of pairs must be one of {', '.join(FAMILIES)}, got {kind!r}; "
            f"a family is added in {THIS_FILE}"
        )
    family = family_of(said)
    if not named or not named[0].endswith(CLASSIFIER) or not named[0].startswith(family.classes):
        raise UnsupportedModel(
            f"config.architectures: a scorer of pairs must be a {family.classes[0]}{CLASSIFIER}, "
            f"got {', '.join(named) or 'none'}"
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # members of the wrong type fail in many ways
        raise UnsupportedModel(f"config.json cannot be read: {type(error).__name__}") from error
    family.check(config)
    _check_score(folder, config)
    return config


def longest_pair(folder: Path) -> int:
    """Tokens that a pair of the model in ``folder`` may have at most, special tokens included.

    What the tokeniser's configuration says, and no more than the model has positions for.

    Args:
        folder: see :func:`check_pair_model`.

    Raises:
        UnsupportedModel: as there.
    """
    config = check_pair_model(folder)
    positions = FAMILIES[config.model_type].positions(config)
    told = read_object(folder / "tokenizer_config.json").get("model_max_length")
    # Where a tokeniser knows no longest text, transformers writes a number of thirty digits.
    return min(positions, told) if isinstance(told, int) and told > 0 else positions


def _check_score(folder: Path, config: Any) -> None:
    if getattr(config, "quantization_config", None) is not None:
        raise UnsupportedModel("config.quantization_config: expected float weights")
    if config.num_labels > MAX_LABELS:
        names = ", ".join(map(repr, config.id2label.values()))
        raise UnsupportedModel(
            f"config.id2label: expected one label or two, got {config.num_labels}: {names}"
        )
    if config.num_labels > 1 and config.problem_type == _MULTI_LABEL:
        raise UnsupportedModel(f"config.problem_type: expected one score, got {_MULTI_LABEL!r}")
    saved = read_object(folder / "config_sentence_transformers.json")
    for name in _activations(config, saved):
        if name.rpartition(".")[2] not in _ACTIVATIONS[: config.num_labels + 1]:
            raise UnsupportedModel(
                f"activation function: expected {' or '.join(_ACTIVATIONS)}, which change no "
                f"order, got {name!r}"
            )
    prompts = saved.get("prompts") or {}
    if prompts.get(saved.get("default_prompt_name")):
        raise UnsupportedModel("default_prompt_name: expected no prompt before a pair")
    for module in read_json(folder / "modules.json", []):
        step = str(module.get("type")).rpartition(".")[2]
        if step != "Transformer":
            raise UnsupportedModel(f"modules.json: expected only Transformer, got {step!r}")


def _activations(config: Any, saved: Mapping[str, Any]) -> Iterator[str]:
    """Dotted names of what comes after the logits, wherever a release put them."""
    inside = getattr(config, "sentence_transformers", None) or {}
    older = getattr(config, "sbert_ce_default_activation_function", None)
    for name in (inside.get("activation_fn"), older, saved.get("activation_fn")):
        if name:
            yield str(name)


class PairModel(torch.nn.Module):
    """A classifier of pairs that gives one score.

    Args:
        model: of transformers, with one or two labels.
        label: which of two is the one to be scored.
        token_types: whether its tokeniser tells it which text a token is of.
    """

    def __init__(self, model: Any, *, label: int, token_types: bool) -> None:
        super().__init__()
        self.model = model
        self.config: Any = model.config
        self.label = label
        self.inputs: tuple[str, ...] = INPUTS if token_types else INPUTS[:2]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Score; int64 (batch, tokens) each in, ``score`` float32 (batch, 1) out."""
        given = OrderedDict(input_ids=input_ids, attention_mask=attention_mask)
        if token_type_ids is not None:
            given[_TYPES] = token_type_ids
        logits = self.model(**given).logits
        if logits.shape[-1] == 1:
            return {"score": logits}
        score = logits[:, self.label] - logits[:, 1 - self.label]
        return {"score": score[:, None]}

    @property
    def labels(self) -> tuple[str, ...]:
        """All that the original tells apart, in the order of its logits."""
        return labels_of(self.config)

    @property
    def positions(self) -> int:
        """Tokens that a pair may have at most, special tokens included."""
        return FAMILIES[self.config.model_type].positions(self.config)

    @property
    def weights_a_token(self) -> int:
        """Weights that every token of a pair is multiplied by."""
        return sum(
            module.weight.numel()
            for name, module in self.model.named_modules()
            if isinstance(module, torch.nn.Linear) and name.startswith(self._base)
        )

    @property
    def _base(self) -> str:
        return f"{self.model.base_model_prefix}."


def load_pair_tokenizer(folder: Path) -> Any:
    """The tokeniser of transformers, in its fast form, which alone can be packed.

    Raises:
        UnsupportedModel: when there is none, or it puts nothing between two texts.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(  # type: ignore[no-untyped-call]
            folder, local_files_only=True, use_fast=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        raise UnsupportedModel(f"the tokeniser cannot be read: {reason_of(error)}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise UnsupportedModel("tokeniser: expected one with a tokenizer.json")
    sides = tokenizer.backend_tokenizer.encode("a", "a").sequence_ids
    between = (
        sides[sides.index(0) : len(sides) - sides[::-1].index(1)] if {0, 1} <= {*sides} else []
    )
    if None not in between:
        raise UnsupportedModel("tokeniser: expected a template of pairs, as [CLS] A [SEP] B [SEP]")
    return tokenizer


def load_pair_model(folder: Path, *, label: str = "", token_types: bool = True) -> PairModel:
    """The original in PyTorch float32, in evaluation mode.

    Args:
        folder: see :func:`check_pair_model`.
        label: name of the label that is scored; empty for the last.
        token_types: whether its tokeniser tells it which text a token is of.

    Raises:
        UnsupportedModel: when the model cannot be used, or the file lacks weights.
    """
    config = check_pair_model(folder)
    names = labels_of(config)
    if label and label not in names:
        raise UnsupportedModel(f"label: expected one of {', '.join(names)}, got {label!r}")
    if hasattr(config, "reference_compile"):
        config.reference_compile = False  # ModernBERT's own compiler, which cannot be traced
    with quiet():
        model, found = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    if found["missing_keys"]:
        raise UnsupportedModel(f"weights: expected {sorted(found['missing_keys'])[0]}, found none")
    own = _TYPES in _optimum(config)(config, task="text-classification").inputs
    place = names.index(label) if label else len(names) - 1
    return PairModel(model, label=place, token_types=own and token_types).eval()


def convert_pair_model(
    model: PairModel, output: Path, *, inline_bytes: int = onnx_file.INLINE_BYTES
) -> None:
    """Write ``model`` to ``output`` as float32 ONNX, see :func:`~.onnx_file.save`."""
    export_onnx(model, _onnx_config(model), output, inline_bytes=inline_bytes)
    onnx_file.check(output)


def _onnx_config(model: PairModel) -> OnnxConfig:
    """Optimum's own configuration of the family, with one score for its outputs."""
    axes = {0: "batch", 1: "tokens"}
    members = {
        "inputs": property(lambda _: OrderedDict((name, axes) for name in model.inputs)),
        "outputs": property(lambda _: OrderedDict(score={0: "batch"})),
    }
    kind = type("PairOnnxConfig", (_optimum(model.config),), members)
    return cast("OnnxConfig", kind(model.config, task="text-classification"))


def _optimum(config: Any) -> type[OnnxConfig]:
    return FAMILIES[config.model_type].onnx
