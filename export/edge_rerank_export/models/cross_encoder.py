"""The scorer of the BERT kind in the runtime's contract.

The history is a prefix that sees itself; a candidate sees the prefix and itself. So the
prefix's keys and values do not depend on candidates and are kept like a decoder's, but a
longer history has to be read anew: its first token sees the last.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

import torch

from edge_rerank_export.models import fused_ops as fused
from edge_rerank_export.models.reading import reading


class ScoringCrossEncoder(torch.nn.Module):
    """A BERT with a trained head over a candidate's last token.

    Args:
        model: a ``BertModel`` of transformers.
        head: (outputs, hidden) weights of the trained head.
    """

    def __init__(self, model: Any, *, head: torch.Tensor) -> None:
        super().__init__()
        config = model.config
        self.config: Any = config
        self.embeddings = model.embeddings
        self.kv_heads: int = config.num_attention_heads
        self.heads: int = config.num_attention_heads
        self.head_dim: int = config.hidden_size // config.num_attention_heads
        self.head = torch.nn.Parameter(head)
        self.blocks = torch.nn.ModuleList(
            _Block(layer, scale=self.head_dim**-0.5) for layer in model.encoder.layer
        )

    def forward(  # noqa: PLR0917 - in the order of the graph's inputs
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        layout: torch.Tensor,
        places: torch.Tensor,
        mask: torch.Tensor,
        past_keys: torch.Tensor,
        past_values: torch.Tensor,
        extend: torch.Tensor,
        start: torch.Tensor,
        scored: torch.Tensor,
        predictors: torch.Tensor,
        targets: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """See :class:`edge_rerank.packs.specs.ScorerSpec` for names and shapes."""
        table = self.embeddings
        words = table.word_embeddings(input_ids) + table.token_type_embeddings.weight[0]
        stream = self._norm(words, table.position_embeddings(position_ids), table.LayerNorm)
        mask = mask[None]
        keys, values = [], []
        for number, block in enumerate(cast("list[_Block]", list(self.blocks))):
            query, key, value = block.qkv(stream).chunk(3, dim=-1)
            keys.append(key)
            values.append(value)
            past = past_keys[number], past_values[number]
            mixed = self._attend((query, key, value), past, layout, mask)[places]
            stream = self._norm(block.out(mixed), stream, block.first_norm)
            inner = torch.nn.functional.gelu(block.up(stream))
            stream = self._norm(block.down(inner), stream, block.second_norm)
        states = stream[scored]
        score = torch.cat([start, states])[predictors] @ self.head.t()
        return OrderedDict(
            score=score + 0.0 * targets[:, None],
            end=states[-1:],
            new_keys=self._new(keys, extend).transpose(-1, -2),
            new_values=self._new(values, extend),
        )

    def read(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Read one text that sees all of itself, and score each token but the last.

        Args:
            tokens: int64 (tokens,).
        """
        past = (len(self.blocks), self.kv_heads, self.head_dim)
        inputs = reading(tokens, past=past, hidden=self.config.hidden_size, causal=False)
        return cast("dict[str, torch.Tensor]", self(**inputs))

    def _norm(self, x: torch.Tensor, skip: torch.Tensor, norm: Any) -> torch.Tensor:
        # The fused operator wants a batch axis.
        normed = fused.skip_layer_norm(x[None], skip[None], norm.weight, norm.bias, norm.eps)
        return normed.squeeze(0)

    def _attend(
        self,
        own_states: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        past: tuple[torch.Tensor, torch.Tensor],
        layout: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """Attention of every place of the layout, (sequences * width, hidden)."""
        heads, dim = self.heads, self.head_dim
        sequences, width = layout.shape
        query, key, value = (
            states[layout].reshape(sequences, width, heads, dim) for states in own_states
        )
        query = query.permute(2, 0, 1, 3)
        past_keys, past_values = past  # (heads, dim, past), (heads, past, dim)
        to_past = query.reshape(heads, -1, dim) @ past_keys
        to_own = query @ key.permute(2, 0, 3, 1) + mask
        weights = torch.cat([to_past, to_own.reshape(heads, -1, width)], dim=-1).softmax(dim=-1)
        count = past_values.shape[1]
        apart = weights[:, :, count:].reshape(heads, sequences, width, width)
        mixed = weights[:, :, :count] @ past_values
        mixed = mixed + (apart @ value.permute(2, 0, 1, 3)).reshape(heads, -1, dim)
        return mixed.transpose(0, 1).reshape(-1, heads * dim)

    def _new(self, states: list[torch.Tensor], extend: torch.Tensor) -> torch.Tensor:
        """(layers, heads, tokens or none, dim)."""
        kept = states[0].shape[0] * extend
        by_layer = torch.stack([layer[:kept] for layer in states])
        return by_layer.reshape(len(states), -1, self.heads, self.head_dim).transpose(1, 2)


class _Block(torch.nn.Module):
    """The products of one layer, query, key and value in one.

    Args:
        layer: of transformers.
        scale: of a query, so that no sum has to be scaled.
    """

    def __init__(self, layer: Any, *, scale: float) -> None:
        super().__init__()
        attention, output = layer.attention.self, layer.attention.output
        with torch.no_grad():
            attention.query.weight.mul_(scale)
            attention.query.bias.mul_(scale)
        self.qkv = _Product(attention.query, attention.key, attention.value)
        self.out = _Product(output.dense)
        self.first_norm = output.LayerNorm
        self.up = _Product(layer.intermediate.dense)
        self.down = _Product(layer.output.dense)
        self.second_norm = layer.output.LayerNorm


class _Product(torch.nn.Module):
    """Layers with one input as one product; its bias apart, for an ONNX MatMul has none."""

    def __init__(self, *layers: torch.nn.Linear) -> None:
        super().__init__()
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self.product = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.product.weight = torch.nn.Parameter(weight)
        self.bias = torch.nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Float32 of shape (tokens, outputs)."""
        product: torch.Tensor = self.product(states)
        return product + self.bias
