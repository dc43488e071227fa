"""Families of decoders: where each keeps attention, norms, rotary tables and head.

:class:`~edge_rerank_export.models.decoder.ScoringDecoder` computes one general decoder. A family
says how a model of transformers becomes that: its parts as :class:`Decoder` and :class:`Layer`, all
multipliers folded into the weights. Another family is a class here and an entry in
:data:`FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch.nn import Linear

SILU, GELU = "silu", "gelu_pytorch_tanh"

_ROPES = ("default", "linear", "llama3", "yarn")

Trait = tuple[str, Any, Sequence[Any]]
"""What a configuration says by name, and the values of it that are computed."""


class Norm(torch.nn.Module):
    """Weights (channels,) and epsilon of a root-mean-square norm."""

    def __init__(self, weight: torch.Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight.detach())
        self.epsilon = epsilon


@dataclass(slots=True)
class Layer:
    """Parts of one layer.

    Attributes:
        query, key, value, out: products of the attention.
        gate, up, down: of the feed-forward part.
        before_attention, before_feed_forward: norms of what they read.
        after_attention, after_feed_forward: norms of what they write, where there are any.
        query_norm, key_norm: norms of each head, where there are any.
        scale: of a query's product with a key.
        rotary: which of the decoder's tables turns queries and keys; ``None`` for none.
        window: a token sees those less than this far back; ``None`` for all.
    """

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    gate: Linear
    up: Linear
    down: Linear
    before_attention: Norm
    before_feed_forward: Norm
    after_attention: Norm | None
    after_feed_forward: Norm | None
    query_norm: Norm | None
    key_norm: Norm | None
    scale: float
    rotary: int | None
    window: int | None


@dataclass(slots=True)
class Decoder:
    """Parts of a decoder.

    Attributes:
        config: of transformers.
        embedding: what it multiplies its states by at first is in the table.
        layers: in their order.
        norm: the last.
        rotaries: modules of transformers that make tables of cosines and sines.
        activation: :data:`SILU` or :data:`GELU`.
        attention_cap: soft bound of a query's product with a key; ``None`` for none.
        table: of the output, (vocabulary, hidden); may be the embedding's, and is ``None`` for
            a trunk.
        logit_scale: what a state's product with the table is multiplied by.
        logit_cap: soft bound of that; ``None`` for none.
    """

    config: Any
    embedding: torch.nn.Embedding
    layers: list[Layer]
    norm: Norm
    rotaries: list[Any]
    activation: str
    attention_cap: float | None
    table: torch.Tensor | None
    logit_scale: float
    logit_cap: float | None

    @property
    def head_dim(self) -> int:
        """Dimensions of a head."""
        layer = self.layers[0]
        found: int = layer.key.out_features // self.config.num_key_value_heads
        return found

    @property
    def turns(self) -> bool:
        """Whether its stream can be turned: a norm of what is added to it would not commute."""
        return all(layer.after_attention is None for layer in self.layers)


class Family:
    """The form of llama; another overrides what differs.

    Attributes:
        types: values of ``model_type`` in a configuration.
        activation: of the feed-forward part.
        activation_key: where the configuration names it.
        turns: see :attr:`Decoder.turns`.
        gguf: whether transformers reads all that matters of this family from a GGUF file; of
            Gemma's windows and bounds, and of Phi's tables, it takes its defaults.
    """

    types: ClassVar[tuple[str, ...]] = ("llama",)
    activation: ClassVar[str] = SILU
    activation_key: ClassVar[str] = "hidden_act"
    turns: ClassVar[bool] = True
    gguf: ClassVar[bool] = True

    def traits(self, config: Any) -> Iterator[Trait]:
        """What must hold for a model of this family to be computed."""
        yield self.activation_key, getattr(config, self.activation_key), (self.activation,)
        partial = getattr(config, "partial_rotary_factor", None)
        yield "partial_rotary_factor", partial, (None, 1.0)
        scaling = getattr(config, "rope_scaling", None) or {}
        yield "rope_scaling", scaling.get("rope_type", scaling.get("type", "default")), _ROPES
        kinds = set(getattr(config, "layer_types", None) or ())
        kinds -= {"full_attention", "sliding_attention"}
        yield "layer_types", next(iter(sorted(kinds)), None), (None,)

    def positions(self, config: Any) -> int:
        """How many tokens it reads with the rotary tables that it was trained on."""
        found: int = config.max_position_embeddings
        return found

    def take(self, model: Any) -> Decoder:
        """The parts of ``model``, whose weights are taken over and changed.

        Args:
            model: of transformers, with or without the table of its output.
        """
        body, config = trunk_of(model), model.config
        with torch.no_grad():
            scale = self.embedding_scale(config)
            embedding = _plain_embedding(body.embed_tokens)
            table = model.lm_head.weight if hasattr(model, "lm_head") else None
            tied = table is body.embed_tokens.weight
            if scale != 1.0:
                embedding.weight.mul_(scale)
            layers = [self.layer(layer, n, config) for n, layer in enumerate(body.layers)]
            for layer in layers:
                self.finish(layer, config)
        return Decoder(
            config=config,
            embedding=embedding,
            layers=layers,
            norm=self.norm(body.norm),
            rotaries=self.rotaries(body),
            activation=self.activation,
            attention_cap=self.attention_cap(config),
            table=embedding.weight if tied else table,
            logit_scale=self.logit_scale(config) / (scale if tied else 1.0),
            logit_cap=getattr(config, "final_logit_softcapping", None),
        )

    def layer(self, layer: Any, number: int, config: Any) -> Layer:
        """The parts of a layer of transformers."""
        attention, mlp = layer.self_attn, layer.mlp
        query, key, value = self.attention_products(attention, config)
        gate, up = self.gate_and_up(mlp)
        return Layer(
            *(query, key, value, attention.o_proj, gate, up, mlp.down_proj),
            before_attention=self.norm(layer.input_layernorm),
            before_feed_forward=self.norm(layer.post_attention_layernorm),
            after_attention=None,
            after_feed_forward=None,
            query_norm=self.norm(attention.q_norm) if hasattr(attention, "q_norm") else None,
            key_norm=self.norm(attention.k_norm) if hasattr(attention, "k_norm") else None,
            scale=attention.scaling,
            rotary=self.rotary(number, config),
            window=self.window(number, config),
        )

    def finish(self, layer: Layer, config: Any) -> None:
        """Fold into the weights what the family multiplies by."""

    def attention_products(self, attention: Any, config: Any) -> tuple[Linear, Linear, Linear]:
        """Of the query, key and value."""
        del config
        return attention.q_proj, attention.k_proj, attention.v_proj

    def gate_and_up(self, mlp: Any) -> tuple[Linear, Linear]:
        """The two products that are multiplied by each other."""
        return mlp.gate_proj, mlp.up_proj

    def norm(self, norm: Any) -> Norm:
        """A norm of transformers."""
        return Norm(norm.weight, norm.variance_epsilon)

    def rotaries(self, body: Any) -> list[Any]:
        """See :attr:`Decoder.rotaries`."""
        return [body.rotary_emb]

    def rotary(self, number: int, config: Any) -> int | None:
        """See :attr:`Layer.rotary`."""
        del number, config
        return 0

    def window(self, number: int, config: Any) -> int | None:
        """See :attr:`Layer.window`."""
        kinds = getattr(config, "layer_types", None)
        if not kinds or kinds[number] != "sliding_attention":
            return None
        found: int = config.sliding_window
        return found

    def embedding_scale(self, config: Any) -> float:
        """What a token's row of the table is multiplied by."""
        del config
        return 1.0

    def logit_scale(self, config: Any) -> float:
        """What a logit is multiplied by."""
        del config
        return 1.0

    def attention_cap(self, config: Any) -> float | None:
        """See :attr:`Decoder.attention_cap`."""
        del config
        return None


class Qwen2(Family):
    """Biases of query, key and value, which are the layers' own."""

    types = ("qwen2",)


class Qwen3(Family):
    """Norms of query and key heads, which are the layers' own."""

    types = ("qwen3",)


class Mistral(Family):
    """One window for all layers, or none."""

    types = ("mistral",)
    gguf = False  # to llama.cpp they are of type llama, and are read as that

    def window(self, number: int, config: Any) -> int | None:
        """The same for all."""
        del number
        found: int | None = config.sliding_window
        return found


class SmolLm3(Family):
    """Some layers have no rotary tables."""

    types = ("smollm3",)
    gguf = False

    def rotary(self, number: int, config: Any) -> int | None:
        """``None`` where the configuration says 0."""
        return 0 if config.no_rope_layers[number] else None

    def window(self, number: int, config: Any) -> int | None:
        """Only where the configuration switches windows on."""
        return super().window(number, config) if config.use_sliding_window else None


class Gemma2(Family):
    """Norms before and after, weights that count from 1, and bounds of all logits."""

    types = ("gemma2",)
    activation = GELU
    activation_key = "hidden_activation"
    turns = False
    gguf = False

    def layer(self, layer: Any, number: int, config: Any) -> Layer:
        """The second norm stands after the attention, not before the feed-forward part."""
        taken = super().layer(layer, number, config)
        taken.after_attention = taken.before_feed_forward
        taken.before_feed_forward = self.norm(layer.pre_feedforward_layernorm)
        taken.after_feed_forward = self.norm(layer.post_feedforward_layernorm)
        return taken

    def norm(self, norm: Any) -> Norm:
        """Its weights are how far they are from 1."""
        return Norm(1.0 + norm.weight, norm.eps)

    def embedding_scale(self, config: Any) -> float:
        """As in the first transformer."""
        scale: float = config.hidden_size**0.5
        return scale

    def attention_cap(self, config: Any) -> float | None:
        """What the configuration says."""
        found: float | None = config.attn_logit_softcapping
        return found


class Gemma3(Gemma2):
    """Rotary tables of another base where the window slides."""

    types = ("gemma3_text",)

    def traits(self, config: Any) -> Iterator[Trait]:
        """Also that a token sees only those before it."""
        yield from super().traits(config)
        seen = getattr(config, "use_bidirectional_attention", False)
        yield "use_bidirectional_attention", bool(seen), (False,)

    def rotaries(self, body: Any) -> list[Any]:
        """Global and local."""
        return [body.rotary_emb, body.rotary_emb_local]

    def rotary(self, number: int, config: Any) -> int | None:
        """Local where the window slides."""
        return 1 if config.layer_types[number] == "sliding_attention" else 0

    def attention_cap(self, config: Any) -> float | None:
        """Transformers does not bound them, whatever the configuration says."""
        del config
        return None


class Phi3(Mistral):
    """Products in one, and rotary tables for a part of each head."""

    types = ("phi3",)
    gguf = False

    def traits(self, config: Any) -> Iterator[Trait]:
        """Tables for long texts are computed where texts are short, see :meth:`positions`."""
        computed = {"rope_scaling": (*_ROPES, "longrope"), "partial_rotary_factor": None}
        for name, value, values in super().traits(config):
            wanted = computed.get(name, values)
            if wanted is not None:
                yield name, value, wanted

    def positions(self, config: Any) -> int:
        """As many as the tables for short texts are for."""
        found = super().positions(config)
        return min(found, config.original_max_position_embeddings) if config.rope_scaling else found

    def attention_products(self, attention: Any, config: Any) -> tuple[Linear, Linear, Linear]:
        """One product, cut in three."""
        queries = config.num_attention_heads * attention.head_dim
        keys = config.num_key_value_heads * attention.head_dim
        query, key, value = _split(attention.qkv_proj, [queries, keys, keys])
        return query, key, value

    def gate_and_up(self, mlp: Any) -> tuple[Linear, Linear]:
        """One product, cut in two."""
        half = mlp.gate_up_proj.out_features // 2
        gate, up = _split(mlp.gate_up_proj, [half, half])
        return gate, up


class Granite(Family):
    """Multipliers of the embedding, of what each half of a layer adds, and of the logits."""

    types = ("granite",)
    gguf = False

    def finish(self, layer: Layer, config: Any) -> None:
        """What is added is multiplied in the product that makes it."""
        for writer in (layer.out, layer.down):
            writer.weight.mul_(config.residual_multiplier)
            if writer.bias is not None:
                writer.bias.mul_(config.residual_multiplier)

    def embedding_scale(self, config: Any) -> float:
        """What the configuration says."""
        scale: float = config.embedding_multiplier
        return scale

    def logit_scale(self, config: Any) -> float:
        """The configuration's divides."""
        scale: float = config.logits_scaling
        return 1.0 / scale


FAMILIES: tuple[Family, ...] = (
    *(Family(), Qwen2(), Qwen3(), Mistral(), SmolLm3()),
    *(Gemma2(), Gemma3(), Phi3(), Granite()),
)
"""All that :class:`~edge_rerank_export.models.decoder.ScoringDecoder` computes."""

DECODER_TYPES: tuple[str, ...] = tuple(kind for family in FAMILIES for kind in family.types)
"""Values of ``model_type`` in their configurations."""


def family_of(config: Any) -> Family:
    """Who takes a model of transformers of this configuration.

    Raises:
        KeyError: when it is of none of :data:`DECODER_TYPES`.
    """
    return {kind: family for family in FAMILIES for kind in family.types}[config.model_type]


def trunk_of(model: Any) -> Any:
    """What gives the last hidden states in a model of transformers; itself, if it is that."""
    # The ``base_model`` of a Gemma is not always what its weights are called after.
    return model.model if hasattr(model, "model") else model.base_model


def _plain_embedding(embedding: Any) -> torch.nn.Embedding:
    """A table that is looked up and nothing else; shares its weights."""
    if type(embedding) is torch.nn.Embedding:
        return embedding
    plain = torch.nn.Embedding(1, embedding.weight.shape[1])
    plain.weight = embedding.weight
    return plain


def _split(layer: Linear, sizes: list[int]) -> list[Linear]:
    """A product as several with the same input."""
    parts = []
    for weight in torch.split(layer.weight.detach(), sizes):
        part = Linear(weight.shape[1], weight.shape[0], bias=False)
        part.weight = torch.nn.Parameter(weight.clone())
        parts.append(part)
    return parts
