"""Language models of either kind, on their way to the scorer's ONNX through Optimum.

The graph is described in :class:`edge_rerank.packs.manifest.ScorerSpec`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from numpy.typing import NDArray
from optimum.exporters.onnx import export
from optimum.exporters.onnx.base import OnnxConfig
from optimum.utils import NormalizedConfig
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BertModel

from edge_rerank.inference.scorer import INPUTS, RUN_TOKENS
from edge_rerank_export.models.adapter import HEAD
from edge_rerank_export.models.text_encoder import OPSET, quiet
from edge_rerank_export.models.cross_encoder import ScoringCrossEncoder
from edge_rerank_export.models.decoder import ScoringDecoder
from edge_rerank_export.models.families import DECODER_TYPES
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.reading import reading


ENCODER_TYPES = ("bert",)

MAX_WEIGHTS = 530_000_000
"""Of four bytes each: a file of protocol buffers ends at 2 GiB, the graph's nodes included."""

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


def check_language_model(folder: Path) -> Any:
    """The configuration of transformers in ``folder``, of a model that can be a scorer.

    Args:
        folder: holds config.json or one .gguf file; weights are not read.

    Raises:
        UnsupportedModel: when it is of another type, or has something that the runtime's
            contract does not compute; by name.
    """
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, **_options(folder))
    except (OSError, ValueError) as error:
        raise UnsupportedModel(
            f"the configuration cannot be read: {type(error).__name__}"
        ) from error
    if config.model_type not in (*DECODER_TYPES, *ENCODER_TYPES):
        known = ", ".join((*DECODER_TYPES, *ENCODER_TYPES))
        raise UnsupportedModel(
            f"model type: a language-model scorer must be one of {known}, got {config.model_type!r}"
        )
    for name, value, computed in _traits(config):
        if value not in computed:
            wanted = " or ".join(map(repr, computed))
            raise UnsupportedModel(f"config.{name}: expected {wanted}, got {value!r}")
    return config


def _traits(config: Any) -> Iterator[tuple[str, Any, Sequence[Any]]]:
    """What a configuration says, and the values that our forward pass computes, by name."""
    yield "quantization_config", getattr(config, "quantization_config", None), (None,)
    if not is_causal(config):
        yield "hidden_act", config.hidden_act, ("gelu",)
        kind = getattr(config, "position_embedding_type", "absolute")
        yield "position_embedding_type", kind, ("absolute",)
        yield "is_decoder", config.is_decoder, (False,)
        return
    yield "hidden_act", config.hidden_act, ("silu",)
    yield "mlp_bias", getattr(config, "mlp_bias", False), (False,)
    # A qwen2 has biases in three of its four products whatever this says.
    yield "attention_bias", getattr(config, "attention_bias", False), (False,)
    partial = getattr(config, "partial_rotary_factor", None)
    yield "partial_rotary_factor", partial, (None, 1.0)
    scaling = getattr(config, "rope_scaling", None) or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    yield "rope_scaling", kind, ("default", "linear", "llama3", "yarn")
    layers = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    yield "layer_types", next(iter(sorted(layers)), "full_attention"), ("full_attention",)


def _options(folder: Path) -> dict[str, Any]:
    gguf = next((path.name for path in sorted(folder.glob("*.gguf"))), None)
    return {"local_files_only": True} | ({} if gguf is None else {"gguf_file": gguf})


def load_language_model(folder: Path) -> Any:
    """A model of transformers in PyTorch float32, in evaluation mode.

    Its ``base_model`` is the trunk, which gives last hidden states; a decoder has the table of
    its vocabulary on top.

    Args:
        folder: holds config.json and one .safetensors file, or one .gguf file.

    Raises:
        UnsupportedModel: when the model is not of a supported type; nothing was loaded.
    """
    config = check_language_model(folder)
    options: dict[str, Any] = _options(folder)
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
    """The checkpoint's fast tokeniser.

    Raises:
        UnsupportedModel: when there is none.
    """
    load: Any = AutoTokenizer.from_pretrained
    try:
        with quiet():
            tokenizer = load(folder, **_options(folder))
    except (OSError, ValueError, TypeError) as error:
        raise UnsupportedModel(f"the tokeniser cannot be read: {type(error).__name__}") from error
    if not tokenizer.is_fast:
        raise UnsupportedModel("tokeniser: expected one with a tokenizer.json, got a slow one")
    return tokenizer


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
        vocabulary: see :class:`~edge_rerank_export.models.decoder.ScoringDecoder`.
        head: float32 of shape (1, hidden); ``None`` scores by likelihood.

    Raises:
        UnsupportedModel: when a model that is no decoder has no head, or one has too few positions,
            or too many weights for one ONNX file.
    """
    if positions > model.config.max_position_embeddings:
        raise UnsupportedModel(
            f"scorer.history_tokens: this model reads {model.config.max_position_embeddings} "
            f"tokens, history and lines take up to {positions}"
        )
    # A head takes the place of the table of the vocabulary; a likelihood needs a part of it twice.
    used = model if head is None else model.base_model
    count = sum(weight.numel() for weight in used.parameters())
    count += 0 if head is not None else vocabulary * model.config.hidden_size
    if count > MAX_WEIGHTS:
        raise UnsupportedModel(
            f"weights: expected at most {MAX_WEIGHTS // 10**6} million, got {count // 10**6}: an "
            "ONNX file of them in float32 ends at 2 GiB"
        )
    if is_causal(model.config):
        # The rotary operator wants a table no shorter than a row.
        longest = max(positions, RUN_TOKENS)
        return ScoringDecoder(model, max_positions=longest, vocabulary=vocabulary, head=head)
    if head is None:
        raise UnsupportedModel(
            f"model type: a scorer of type {model.config.model_type!r} needs a head that "
            "`finetune` has trained"
        )
    return ScoringCrossEncoder(model, head=head)


def convert_scorer(model: ScoringModel, output: Path) -> None:
    """Write ``model`` to ``output`` as float32 ONNX."""
    with quiet():
        export(model, ScorerOnnxConfig(model), output, opset=OPSET, disable_dynamic_axes_fix=True)


def readings(
    model: Path, prompts: Iterable[Sequence[int]], *, causal: bool
) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs of a scorer's float32 ONNX that read each of ``prompts`` by itself.

    Args:
        model: an ONNX file of :func:`convert_scorer`.
        prompts: token ids.
        causal: see :class:`~edge_rerank.packs.manifest.ScorerSpec`.

    Raises:
        UnsupportedModel: when the file holds no scorer.
    """
    graph = onnx.load(str(model), load_external_data=False).graph
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
