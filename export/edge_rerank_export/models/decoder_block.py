"""One layer of the decoder: attention over the past and a sequence of its own, feed-forward.

The query, key and value products are one: its columns are ordered by key head, each with the
query heads that share it, so that one gather lays all three out for attention. Query heads
that share a key head are stacked, so no key is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from edge_rerank_export.models import fused_ops as fused
from edge_rerank_export.models.outliers import block_size, hadamard


@dataclass(frozen=True, slots=True)
class Call:
    """What all layers share in one call.

    Letters in the shapes: g key heads, r query heads for each, c sequences, l places, t tokens.

    Attributes:
        width: l.
        spread: int64 (g * c, l), where each place's states lie among (t * g) rows.
        gather: int64 (t, g), where each token's result lies among (g * c * l) rows.
        positions: int64 (g * c, l).
        mask: (1, c * l * r, l), added to the scores of (query, key).
        own: (), 1 when the only sequence becomes part of the past, 0 otherwise.
        cosines, sines: (positions, dim / 2).
    """

    width: int
    spread: torch.Tensor
    gather: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    own: torch.Tensor
    cosines: torch.Tensor
    sines: torch.Tensor


class DecoderBlock(torch.nn.Module):
    """A layer of a llama- or qwen-type decoder; takes over the weights of ``layer``.

    Args:
        layer: of transformers, turned by :func:`edge_rerank_export.models.outliers.rotate`.
        config: the model's.
    """

    inner: torch.Tensor

    def __init__(self, layer: Any, config: Any) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.dim: int = attention.head_dim
        self.groups: int = config.num_key_value_heads
        self.repeats: int = config.num_attention_heads // self.groups
        self.first_norm = layer.input_layernorm
        self.second_norm = layer.post_attention_layernorm
        _scale_queries(attention)
        self.qkv, self.qkv_bias = _merge(attention, self.groups)
        self.head_norm, self.epsilon = _head_norm(attention, self.repeats)
        self.out = attention.o_proj
        self.gate, self.up, self.down = mlp.gate_proj, mlp.up_proj, mlp.down_proj
        inner = hadamard(block_size(config.intermediate_size))
        # With a batch axis, so that the quantiser takes it for no product with weights.
        self.register_buffer("inner", inner[None])

    def attend(
        self, states: torch.Tensor, past: tuple[torch.Tensor, torch.Tensor], call: Call
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Attention of every token, and the keys and values of every place by key head.

        Args:
            states: (t, hidden).
            past: keys (g, dim, p) and values (g, p, dim).
            call: see :class:`Call`.
        """
        groups, repeats, dim = self.groups, self.repeats, self.dim
        query, key, value = self._project(states, call)
        past_keys, past_values = past
        to_past = query.reshape(groups, -1, dim) @ past_keys
        to_own = query.reshape(-1, call.width * repeats, dim) @ key.transpose(-1, -2)
        to_own = to_own.reshape(groups, -1, call.width) + call.mask
        weights = torch.cat([to_past, to_own], dim=-1).softmax(dim=-1)  # (g, c * l * r, p + l)
        # When the history is read, its only sequence is part of one product with the past,
        # so that the sum runs over positions in one order however the history was cut.
        # When candidates are read, each has values of its own.
        by_head = value.reshape(groups, -1, dim)
        shared = torch.cat([past_values, by_head[:, : call.width] * call.own], dim=1)
        apart = weights[:, :, past_values.shape[1] :].reshape(-1, call.width * repeats, call.width)
        mixed = weights @ shared + (apart @ (value * (1 - call.own))).reshape(groups, -1, dim)
        rows = mixed.reshape(-1, repeats * dim)[call.gather]
        update: torch.Tensor = self.out(rows.reshape(-1, groups * repeats * dim))
        return update, key.reshape(groups, -1, dim), by_head

    def feed_forward(self, states: torch.Tensor) -> torch.Tensor:
        """The second half of the layer, (t, hidden) to (t, hidden)."""
        inner = fused.silu(self.gate(states)) * self.up(states)
        turned = inner.reshape(1, -1, self.inner.shape[-1]) @ self.inner
        update: torch.Tensor = self.down(turned.reshape(-1, self.down.in_features))
        return update

    def _project(
        self, states: torch.Tensor, call: Call
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query (g * c, l, r * dim), key and value (g * c, l, dim) of every place."""
        repeats, dim = self.repeats, self.dim
        merged = self.qkv(states)
        if self.qkv_bias is not None:
            merged = merged + self.qkv_bias
        laid_out = merged.reshape(-1, (repeats + 2) * dim)[call.spread]
        turned, value = torch.split(laid_out, [(repeats + 1) * dim, dim], dim=-1)
        if self.head_norm is not None:
            heads = turned.reshape(-1, repeats + 1, dim)
            normed = fused.rms_norm(heads, self.head_norm, self.epsilon)
            turned = normed.reshape(-1, call.width, (repeats + 1) * dim)
        turned = fused.rotary(turned, call.positions, call.cosines, call.sines, repeats + 1)
        query, key = torch.split(turned, [repeats * dim, dim], dim=-1)
        return query, key, value


def _scale_queries(attention: Any) -> None:
    if hasattr(attention, "q_norm"):
        attention.q_norm.weight.mul_(attention.scaling)
        return
    attention.q_proj.weight.mul_(attention.scaling)
    if attention.q_proj.bias is not None:
        attention.q_proj.bias.mul_(attention.scaling)


def _merge(attention: Any, groups: int) -> tuple[torch.nn.Linear, torch.nn.Parameter | None]:
    """One product for query, key and value, and its bias: an ONNX MatMul has none."""
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)

    def by_group(tensors: list[torch.Tensor]) -> torch.Tensor:
        rows = [tensor.reshape(groups, -1, *tensor.shape[1:]) for tensor in tensors]
        return torch.cat(rows, dim=1).flatten(0, 1)

    weight = by_group([part.weight for part in parts])
    merged = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    merged.weight = torch.nn.Parameter(weight)
    if parts[0].bias is None:
        return merged, None
    return merged, torch.nn.Parameter(by_group([part.bias for part in parts]))


def _head_norm(attention: Any, repeats: int) -> tuple[torch.nn.Parameter | None, float]:
    """Weights (r + 1, dim) and epsilon of the norm of each query and key head, if there is one."""
    if not hasattr(attention, "q_norm"):
        return None, 0.0
    query, key = attention.q_norm, attention.k_norm
    weights = torch.stack([query.weight] * repeats + [key.weight])
    return torch.nn.Parameter(weights), query.variance_epsilon
