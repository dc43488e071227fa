"""Language models of either kind, on their way to the scorer's ONNX through Optimum.

The graph is described in :class:`edge_rerank.packs.specs.ScorerSpec`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from optimum.exporters.onnx.base import OnnxConfig
from optimum.utils import NormalizedConfig
from safetensors import SafetensorError, safe_open
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
)

from edge_rerank._files import reason_of
from edge_rerank.inference.scorer import INPUTS, RUN_TOKENS
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.adapter import HEAD
from edge_rerank_export.models.checkpoint import (
    check_language_model,
    classifies,
    is_causal,
    loading_options,
    most_positions,
)
from edge_rerank_export.models.cross_encoder import ScoringCrossEncoder
from edge_rerank_export.models.decoder import ScoringDecoder
from edge_rerank_export.models.reading import reading
from edge_rerank_export.models.text_encoder import export_onnx, quiet

ScoringModel = ScoringDecoder | ScoringCrossEncoder

_EXAMPLE_SEQUENCES, _EXAMPLE_WIDTH, _EXAMPLE_PAST = 3, 5, 7


class ScorerOnnxConfig(OnnxConfig):  # type: ignore[misc]
    """The scorer's inputs and outputs; Optimum's own decoders have neither layout nor rows."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = ()

    def __init__(self, model: ScoringModel) -> None:
        super().__init__(model.config, task="text-generation")
        self._model = model

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Names and dynamic axes of the inputs."""
        return OrderedDict(
            input_ids={0: "tokens"},
            position_ids={0: "tokens"},
            layout={0: "sequences", 1: "width"},
            places={0: "tokens"},
            mask={0: "sequences", 1: "width", 2: "width"},
            past_keys={3: "past"},
            past_values={2: "past"},
            extend={},
            start={},
            scored={0: "rows"},
            predictors={0: "wanted"},
            targets={0: "wanted"},
        )

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """Names and dynamic axes of the outputs."""
        return OrderedDict(
            score={0: "wanted"}, end={0: "last"}, new_keys={3: "kept"}, new_values={2: "kept"}
        )

    def generate_dummy_inputs(self, **_: Any) -> dict[str, torch.Tensor]:
        """Three sequences, the last one shorter, after a past of seven tokens."""
        sequences, width, past = _EXAMPLE_SEQUENCES, _EXAMPLE_WIDTH, _EXAMPLE_PAST
        tokens = torch.arange(sequences * width - 1)
        model = self._model
        shape = (len(model.blocks), model.kv_heads, past, model.head_dim)
        return OrderedDict(
            input_ids=torch.full_like(tokens, 3),
            position_ids=tokens % width + past,
            layout=torch.arange(sequences * width).clamp(max=len(tokens) - 1).reshape(-1, width),
            places=tokens,
            mask=torch.zeros(sequences, width, width),
            past_keys=torch.zeros(shape).transpose(2, 3),
            past_values=torch.zeros(shape),
            extend=torch.tensor(1),
            start=torch.zeros(1, model.config.hidden_size),
            scored=torch.arange(sequences),
            predictors=torch.arange(sequences + 1),
            targets=torch.full((sequences + 1,), 3),
        )


def load_language_model(folder: Path) -> Any:
    """A model of transformers in PyTorch float32, in evaluation mode.

    A decoder has the table of its vocabulary on top, if the checkpoint has no head in its
    place, see :func:`~edge_rerank_export.models.families.trunk_of`.

    Args:
        folder: holds config.json and .safetensors files, or one .gguf file.

    Raises:
        UnsupportedModel: when the model is not of a supported type, and nothing was loaded; or its
            files are damaged.
    """
    config = check_language_model(folder)
    options = loading_options(folder)
    options |= {"dtype": torch.float32, "attn_implementation": "eager", "use_safetensors": True}
    auto: Any = AutoModelForCausalLM
    if not is_causal(config):
        auto, options["add_pooling_layer"] = BertModel, False
    elif classifies(config):
        known = type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
        auto = AutoModelForSequenceClassification if known else AutoModel
    try:
        with quiet():
            model, told = auto.from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UnsupportedModel(f"the weights cannot be read: {reason_of(error)}") from error
    # What is missing transformers would fill with random numbers.
    if told["missing_keys"]:
        raise UnsupportedModel(f"weights: the checkpoint has no {min(told['missing_keys'])}")
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's fast tokeniser.

    Raises:
        UnsupportedModel: when there is none.
    """
    load: Any = AutoTokenizer.from_pretrained
    try:
        with quiet():
            tokenizer = load(folder, **loading_options(folder))
    # Where there is none, transformers looks into what it has not found.
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UnsupportedModel(f"the tokeniser cannot be read: {reason_of(error)}") from error
    if not tokenizer.is_fast:
        raise UnsupportedModel("tokeniser: expected one with a tokenizer.json, got a slow one")
    return tokenizer


def read_head(folder: Path) -> torch.Tensor | None:
    """A checkpoint's trained head, float32 of shape (1, hidden); ``None`` without one.

    Of two labels it is the log-odds of the second against the first.

    Raises:
        UnsupportedModel: when it has more.
    """
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            if HEAD in weights.keys():  # noqa: SIM118 - no mapping
                rows = cast("torch.Tensor", weights.get_tensor(HEAD).float())
                if len(rows) > 2:
                    raise UnsupportedModel(f"{HEAD}: expected 1 or 2 labels, got {len(rows)}")
                return rows if len(rows) == 1 else rows[1:] - rows[:1]
    return None


def answer_head(model: Any, answers: Sequence[int]) -> torch.Tensor:
    """The log-odds of the first of two tokens against the second as a head, float32 (1, hidden).

    Of one token it is its logit.

    Args:
        model: a causal language model of transformers.
        answers: ids of one or two tokens.

    Raises:
        UnsupportedModel: when its logits are bounded, so that their difference is no product.
    """
    bound = getattr(model.config, "final_logit_softcapping", None)
    if bound is not None:
        raise UnsupportedModel(
            f"config.final_logit_softcapping: expected None of a model that answers, got {bound!r}"
        )
    if not hasattr(model, "lm_head"):
        raise UnsupportedModel("answers: expected a model with a vocabulary, got one with a head")
    scale = getattr(model.config, "logits_scaling", 1.0)
    rows: torch.Tensor = model.lm_head.weight.detach()[list(answers)].float() / scale
    return rows if len(rows) == 1 else rows[:1] - rows[1:]


def scoring_model(
    model: Any,
    *,
    positions: int,
    vocabulary: int,
    head: torch.Tensor | None,
    turned: bool = True,
) -> ScoringModel:
    """A model of transformers in the runtime's contract; its weights are taken over.

    Args:
        model: see :func:`load_language_model`.
        positions: past and present together are shorter.
        vocabulary: see :class:`~edge_rerank_export.models.decoder.ScoringDecoder`.
        head: float32 of shape (1, hidden); ``None`` scores by likelihood.
        turned: see :class:`~edge_rerank_export.models.decoder.ScoringDecoder`.

    Raises:
        UnsupportedModel: when a model that is no decoder has no head, or one has too few positions.
    """
    check_scoring(model, positions=positions, head=head)
    if is_causal(model.config):
        # The rotary operator wants a table no shorter than a row.
        longest = max(positions, RUN_TOKENS)
        return ScoringDecoder(
            model, max_positions=longest, vocabulary=vocabulary, head=head, turned=turned
        )
    assert head is not None  # noqa: S101 - checked
    return ScoringCrossEncoder(model, head=head)


def check_scoring(model: Any, *, positions: int, head: torch.Tensor | None) -> None:
    """Refuse a model that :func:`scoring_model` would refuse, with its weights untouched.

    Raises:
        UnsupportedModel: see there.
    """
    most = most_positions(model.config)
    if positions > most:
        raise UnsupportedModel(
            f"scorer.history_tokens: this model reads {most} tokens, history "
            f"and lines take up to {positions}"
        )
    if head is None and not is_causal(model.config):
        raise UnsupportedModel(
            f"model type: a scorer of type {model.config.model_type!r} needs a head that "
            "`finetune` has trained"
        )


def convert_scorer(
    model: ScoringModel, output: Path, *, inline_bytes: int = onnx_file.INLINE_BYTES
) -> None:
    """Write ``model`` to ``output`` as float32 ONNX, see :func:`~.onnx_file.save`."""
    export_onnx(model, ScorerOnnxConfig(model), output, inline_bytes=inline_bytes)


def readings(
    model: Path, prompts: Iterable[Sequence[int]], *, causal: bool
) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs of a scorer's float32 ONNX that read each of ``prompts`` by itself.

    Args:
        model: an ONNX file of :func:`convert_scorer`.
        prompts: token ids.
        causal: see :class:`~edge_rerank.packs.specs.ScorerSpec`.

    Raises:
        UnsupportedModel: when the file holds no scorer.
    """
    graph = onnx_file.load(model).graph
    shapes = {
        entry.name: [size.dim_value for size in entry.type.tensor_type.shape.dim]
        for entry in graph.input
    }
    if set(shapes) != INPUTS:
        raise UnsupportedModel("model: expected the float32 ONNX of a scorer, got another")
    past, hidden = shapes["past_keys"][:3], shapes["start"][1]
    for tokens in prompts:
        inputs = reading(torch.tensor(tokens), past=past, hidden=hidden, causal=causal)
        yield {name: value.numpy() for name, value in inputs.items()}
