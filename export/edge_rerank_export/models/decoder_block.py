"""One layer of the decoder: attention over the past and a sequence of its own, feed-forward.

The query, key and value products are one: its columns are ordered by key head, each with the
query heads that share it, so that one gather lays all three out for attention. Query heads
that share a key head are stacked, so no key is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from edge_rerank_export.models import fused_ops as fused
from edge_rerank_export.models.families import GELU, SILU, Decoder, Layer, Norm
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
        tables: cosines, sines, and the number of dimensions, see :func:`~.fused_ops.rotary`.
        windows: by size of a window, what is added to the scores of (query, past key),
            (1, c * l * r, p), and what takes the place of ``mask``.
    """

    width: int
    spread: torch.Tensor
    gather: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    own: torch.Tensor
    tables: tuple[tuple[torch.Tensor, torch.Tensor, int], ...]
    windows: Mapping[int, tuple[torch.Tensor, torch.Tensor]]


class DecoderBlock(torch.nn.Module):
    """A layer of a decoder; takes over the weights of ``layer``.

    Args:
        layer: turned by :func:`edge_rerank_export.models.outliers.rotate`.
        decoder: whose layer it is.
        turned: whether it was.
    """

    inner: torch.Tensor | None

    def __init__(self, layer: Layer, decoder: Decoder, *, turned: bool = True) -> None:
        super().__init__()
        config = decoder.config
        self.groups: int = config.num_key_value_heads
        self.repeats: int = config.num_attention_heads // self.groups
        self.dim: int = layer.key.out_features // self.groups
        self.first_norm, self.second_norm = layer.before_attention, layer.before_feed_forward
        self.attended_norm, self.fed_norm = layer.after_attention, layer.after_feed_forward
        self.rotary, self.window = layer.rotary, layer.window
        self.cap = decoder.attention_cap
        _scale_queries(layer, layer.scale / (self.cap or 1.0))
        self.qkv, self.qkv_bias = _merge(layer, self.groups)
        self.head_norm, self.epsilon = _head_norm(layer, self.repeats)
        self.out, self.out_bias = _apart(layer.out)
        self.gate, self.gate_bias = _apart(layer.gate)
        self.up, self.up_bias = _apart(layer.up)
        self.down, self.down_bias = _apart(layer.down)
        self.activation = _ACTIVATIONS[decoder.activation]
        # With a batch axis, so that the quantiser takes it for no product with weights.
        inner = hadamard(block_size(self.down.in_features))[None] if turned else None
        self.register_buffer("inner", inner)

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
        to_past = self._bounded(query.reshape(groups, -1, dim) @ past_keys)
        to_own = query.reshape(-1, call.width * repeats, dim) @ key.transpose(-1, -2)
        to_own = self._bounded(to_own.reshape(groups, -1, call.width))
        if self.window is not None and self.window in call.windows:
            past_mask, mask = call.windows[self.window]
            to_past, to_own = to_past + past_mask, to_own + mask
        else:
            to_own = to_own + call.mask
        weights = torch.cat([to_past, to_own], dim=-1).softmax(dim=-1)  # (g, c * l * r, p + l)
        # When the history is read, its only sequence is part of one product with the past,
        # so that the sum runs over positions in one order however the history was cut.
        # When candidates are read, each has values of its own.
        by_head = value.reshape(groups, -1, dim)
        shared = torch.cat([past_values, by_head[:, : call.width] * call.own], dim=1)
        apart = weights[:, :, past_values.shape[1] :].reshape(-1, call.width * repeats, call.width)
        mixed = weights @ shared + (apart @ (value * (1 - call.own))).reshape(groups, -1, dim)
        rows = mixed.reshape(-1, repeats * dim)[call.gather]
        update = _product(rows.reshape(-1, groups * repeats * dim), self.out, self.out_bias)
        return _normed(update, self.attended_norm), key.reshape(groups, -1, dim), by_head

    def feed_forward(self, states: torch.Tensor) -> torch.Tensor:
        """The second half of the layer, (t, hidden) to (t, hidden)."""
        gate = self.activation(_product(states, self.gate, self.gate_bias))
        inner = gate * _product(states, self.up, self.up_bias)
        if self.inner is not None:
            turned = inner.reshape(1, -1, self.inner.shape[-1]) @ self.inner
            inner = turned.reshape(-1, self.down.in_features)
        return _normed(_product(inner, self.down, self.down_bias), self.fed_norm)

    def _bounded(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores within the soft bound, by which queries are divided."""
        return scores if self.cap is None else torch.tanh(scores) * self.cap

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
        if self.rotary is not None:
            cosines, sines, part = call.tables[self.rotary]
            where = call.positions
            turned = fused.rotary(turned, where, cosines, sines, heads=repeats + 1, part=part)
        query, key = torch.split(turned, [repeats * dim, dim], dim=-1)
        return query, key, value


_ACTIVATIONS = {SILU: fused.silu, GELU: fused.gelu_tanh}


def _scale_queries(layer: Layer, scale: float) -> None:
    if layer.query_norm is not None:
        layer.query_norm.weight.mul_(scale)
        return
    layer.query.weight.mul_(scale)
    if layer.query.bias is not None:
        layer.query.bias.mul_(scale)


def _merge(layer: Layer, groups: int) -> tuple[torch.nn.Linear, torch.nn.Parameter | None]:
    """One product for query, key and value, and its bias: an ONNX MatMul has none."""
    parts = (layer.query, layer.key, layer.value)

    def by_group(tensors: list[torch.Tensor]) -> torch.Tensor:
        rows = [tensor.reshape(groups, -1, *tensor.shape[1:]) for tensor in tensors]
        return torch.cat(rows, dim=1).flatten(0, 1)

    weight = by_group([part.weight for part in parts])
    merged = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    merged.weight = torch.nn.Parameter(weight)
    if parts[0].bias is None:
        return merged, None
    return merged, torch.nn.Parameter(by_group([part.bias for part in parts]))


def _apart(layer: torch.nn.Linear) -> tuple[torch.nn.Linear, torch.nn.Parameter | None]:
    """A product and its bias, likewise."""
    if layer.bias is None:
        return layer, None
    product = torch.nn.Linear(layer.in_features, layer.out_features, bias=False)
    product.weight = layer.weight
    return product, layer.bias


def _product(
    rows: torch.Tensor, product: torch.nn.Linear, bias: torch.nn.Parameter | None
) -> torch.Tensor:
    result: torch.Tensor = product(rows)
    return result if bias is None else result + bias


def _normed(update: torch.Tensor, norm: Norm | None) -> torch.Tensor:
    return update if norm is None else fused.rms_norm(update, norm.weight, norm.epsilon)


def _head_norm(layer: Layer, repeats: int) -> tuple[torch.nn.Parameter | None, float]:
    """Weights (r + 1, dim) and epsilon of the norm of each query and key head, if there is one."""
    query, key = layer.query_norm, layer.key_norm
    if query is None or key is None:
        return None, 0.0
    weights = torch.stack((*[query.weight] * repeats, key.weight))
    return torch.nn.Parameter(weights), query.epsilon
