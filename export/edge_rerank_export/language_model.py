"""From a language model of either kind to the scorer's ONNX, through Optimum.

The graph is described in :class:`edge_rerank.inference.manifest.ScorerSpec`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from optimum.exporters.onnx import export
from optimum.exporters.onnx.base import OnnxConfig
from optimum.utils import NormalizedConfig
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BertModel

from edge_rerank.inference.scorer import PACK_TOKENS
from edge_rerank_export.adapter import HEAD
from edge_rerank_export.convert import OPSET, quiet
from edge_rerank_export.cross_encoder import ScoringCrossEncoder
from edge_rerank_export.decoder import ScoringDecoder
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.rounding import round_weights

DECODER_TYPES = ("llama", "qwen2", "qwen3")
ENCODER_TYPES = ("bert",)

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

    Its ``base_model`` is the trunk, which gives last hidden states; a decoder has the table of
    its vocabulary on top.

    Args:
        folder: holds config.json and one .safetensors file, or one .gguf file.

    Raises:
        UnsupportedModel: when the model is not of a supported type; nothing was loaded.
    """
    gguf = next((path.name for path in sorted(folder.glob("*.gguf"))), None)
    options: dict[str, Any] = {"local_files_only": True}
    if gguf is not None:
        options["gguf_file"] = gguf
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, **options)
    except (OSError, ValueError) as error:
        raise UnsupportedModel(
            f"the configuration cannot be read: {type(error).__name__}"
        ) from error
    if config.model_type not in (*DECODER_TYPES, *ENCODER_TYPES):
        known = ", ".join((*DECODER_TYPES, *ENCODER_TYPES))
        raise UnsupportedModel(
            f"model type: a language-model scorer must be one of {known}, got {config.model_type!r}"
        )
    options |= {"dtype": torch.float32, "attn_implementation": "eager"}
    with quiet():
        model: Any
        if is_causal(config):
            model = AutoModelForCausalLM.from_pretrained(folder, **options)
        else:
            model = BertModel.from_pretrained(folder, add_pooling_layer=False, **options)
    return model.eval()


def is_causal(config: Any) -> bool:
    """Whether a token of this model of transformers sees only those before it."""
    return config.model_type in DECODER_TYPES


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's fast tokeniser."""
    gguf = next((path.name for path in sorted(folder.glob("*.gguf"))), None)
    options = {"gguf_file": gguf} if gguf is not None else {}
    load: Any = AutoTokenizer.from_pretrained
    with quiet():
        return load(folder, local_files_only=True, **options)


def read_head(folder: Path) -> torch.Tensor | None:
    """A checkpoint's trained head, float32 of shape (1, hidden); ``None`` without one."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            if HEAD in weights.keys():  # noqa: SIM118 - no mapping
                return cast("torch.Tensor", weights.get_tensor(HEAD).float())
    return None


def scoring_model(
    model: Any, *, positions: int, vocabulary: int, head: torch.Tensor | None
) -> ScoringModel:
    """A model of transformers in the runtime's contract; its weights are taken over.

    Args:
        model: see :func:`load_language_model`.
        positions: past and present together are shorter.
        vocabulary: see :class:`~edge_rerank_export.decoder.ScoringDecoder`.
        head: float32 of shape (1, hidden); ``None`` scores by likelihood.

    Raises:
        UnsupportedModel: when a model that is no decoder has no head, or too few positions.
    """
    if is_causal(model.config):
        # The rotary operator wants a table no shorter than a row.
        longest = max(positions, PACK_TOKENS)
        return ScoringDecoder(model, max_positions=longest, vocabulary=vocabulary, head=head)
    kind = model.config.model_type
    if head is None:
        raise UnsupportedModel(
            f"model type: a scorer of type {kind!r} needs a head that `finetune` has trained"
        )
    if positions > model.config.max_position_embeddings:
        raise UnsupportedModel(
            f"scorer.history_tokens: this model reads {model.config.max_position_embeddings} "
            f"tokens, history and lines take up to {positions}"
        )
    return ScoringCrossEncoder(model, head=head)


def convert_scorer(model: ScoringModel, output: Path) -> None:
    """Write ``model`` to ``output`` as float32 ONNX."""
    with quiet():
        export(model, ScorerOnnxConfig(model), output, opset=OPSET, disable_dynamic_axes_fix=True)


def round_scorer(
    model: ScoringModel,
    prompts: Sequence[Sequence[int]],
    *,
    limit: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Round the weights of ``model`` in place, see :mod:`edge_rerank_export.rounding`.

    Args:
        model: changed in place.
        prompts: token ids of what the model will be used on.
        limit: the largest integer of the grid.
        progress: called with (groups of products done, to do).
    """

    def run() -> None:
        for row in prompts:
            model.read(torch.tensor(row))

    round_weights(model.products, run, limit=limit, progress=progress)
