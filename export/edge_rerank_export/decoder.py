"""The scorer of the GPT kind: a llama- or qwen-type decoder in the runtime's contract.

The weights are the checkpoint's; the forward pass is written anew, because what makes the
scorer fast is in it. Candidates are not packed into one long sequence with a mask, which
computes attention between candidates only to throw it away. All tokens of a call lie in one
row for the matrix products, where no time is lost on padding; for attention alone they are
laid out as (sequences, width), each candidate a sequence of its own that sees the past and
itself. Query heads that share a key head are stacked, so no key is repeated.

A query's keys stand in the order of their positions, past before present, whether the past
was read at once or event by event. Together with rows that are quantised one by one, this
makes a score bit for bit the same in any company and after any way of reading the history.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

import torch

from edge_rerank_export import fused
from edge_rerank_export.rotation import block_size, hadamard, rotate


class ScoringDecoder(torch.nn.Module):
    """A decoder with a likelihood or a trained head for an output.

    Takes over ``model``'s weights and turns them, see :mod:`edge_rerank_export.rotation`.

    Args:
        model: a causal language model of transformers, of type llama, qwen2 or qwen3.
        max_positions: the rotary tables' length; past and present together are shorter.
        vocabulary: how many of the first tokens the likelihood is normalised over; tokens
            are numbered by frequency, so the first are the common ones.
        head: (outputs, hidden) weights of a trained head over a candidate's last token;
            ``None`` scores by likelihood.
    """

    cosines: torch.Tensor
    sines: torch.Tensor
    inner: torch.Tensor
    to_table: torch.Tensor

    def __init__(
        self,
        model: Any,
        *,
        max_positions: int,
        vocabulary: int,
        head: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        config = model.config
        self.config: Any = config
        self.blocks = model.model.layers
        self.norm = model.model.norm
        self.embedding = model.model.embed_tokens
        to_table, to_states = rotate(model)
        first = self.blocks[0].self_attn
        self.head_dim: int = first.head_dim
        self.kv_heads: int = config.num_key_value_heads
        self.heads: int = config.num_attention_heads
        with torch.no_grad():
            for block in self.blocks:
                _scale_queries(block.self_attn)
            tables = model.model.rotary_emb(
                self.embedding.weight[:1, None], torch.arange(max_positions)[None]
            )
        half = self.head_dim // 2
        self.register_buffer("cosines", tables[0][0, :, :half].contiguous())
        self.register_buffer("sines", tables[1][0, :, :half].contiguous())
        inner = hadamard(block_size(config.intermediate_size))
        # With a batch axis, so that the quantiser takes it for no product with weights.
        self.register_buffer("inner", inner[None])
        self.head = None if head is None else torch.nn.Parameter(head @ to_states)
        if head is None:
            self.register_buffer("to_table", to_table.t()[None].contiguous())
            self.table = model.lm_head.weight
            self.common = torch.nn.Parameter(self.table.detach()[:vocabulary].t().contiguous())

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
        """See :class:`edge_rerank.inference.manifest.ScorerSpec` for names and shapes."""
        own = extend.to(past_keys.dtype)
        mask = self._for_each_query(mask)
        stream = self.embedding(input_ids)
        update = None
        keys, values = [], []
        last = len(self.blocks) - 1
        for number, block in enumerate(self.blocks):
            stream, states = self._add(stream, update, block.input_layernorm)
            attention = block.self_attn
            query, key, value = self._project(attention, states, position_ids)
            keys.append(key)
            values.append(value)
            update = self._attend(
                (query, key, value), (past_keys[number], past_values[number]), layout, mask, own
            )[places]
            if number == last:
                update, stream = update[scored], stream[scored]
            update = attention.o_proj(update)
            stream, states = self._add(stream, update, block.post_attention_layernorm)
            update = self._feed_forward(block.mlp, states)
        _, states = self._add(stream, update, self.norm)
        return OrderedDict(
            score=self._score(torch.cat([start, states]), predictors, targets),
            end=states[-1:],
            new_keys=self._new(keys, extend).transpose(-1, -2),
            new_values=self._new(values, extend),
        )

    def read(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Read one text without a past, and score each token as the next one.

        Args:
            tokens: int64 (tokens,).
        """
        count = len(tokens)
        places = torch.arange(count)
        layers, heads, dim = len(self.blocks), self.kv_heads, self.head_dim
        return cast(
            "dict[str, torch.Tensor]",
            self(
                tokens,
                places,
                places[None],
                places,
                torch.full((count, count), -torch.inf).triu(1)[None],
                torch.zeros(layers, heads, dim, 0),
                torch.zeros(layers, heads, 0, dim),
                torch.tensor(1),
                torch.zeros(1, self.embedding.weight.shape[1]),
                places,
                places[1:],
                tokens[1:],
            ),
        )

    @property
    def products(self) -> list[list[torch.nn.Linear]]:
        """Every product with weights in the blocks, those with one input together."""
        return [
            group
            for block in self.blocks
            for group in (
                [block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj],
                [block.self_attn.o_proj],
                [block.mlp.gate_proj, block.mlp.up_proj],
                [block.mlp.down_proj],
            )
        ]

    def _add(
        self, stream: torch.Tensor, update: torch.Tensor | None, norm: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        epsilon = norm.variance_epsilon
        if update is None:
            return stream, fused.rms_norm(stream, norm.weight, epsilon)
        states, total = fused.skip_rms_norm(stream, update, norm.weight, epsilon)
        return total, states

    def _project(
        self, attention: Any, states: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        query = attention.q_proj(states)
        key = attention.k_proj(states)
        value = attention.v_proj(states)
        if hasattr(attention, "q_norm"):
            query = self._norm_heads(query, attention.q_norm)
            key = self._norm_heads(key, attention.k_norm)
        return (
            self._turn(query, positions, self.heads),
            self._turn(key, positions, self.kv_heads),
            value,
        )

    def _norm_heads(self, states: torch.Tensor, norm: Any) -> torch.Tensor:
        by_head = states.reshape(-1, self.head_dim)
        normed = fused.rms_norm(by_head, norm.weight, norm.variance_epsilon)
        return normed.reshape(-1, states.shape[1])

    def _turn(self, states: torch.Tensor, positions: torch.Tensor, heads: int) -> torch.Tensor:
        return fused.rotary(states[None], positions[None], self.cosines, self.sines, heads).squeeze(
            0
        )

    def _attend(
        self,
        own_states: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        past: tuple[torch.Tensor, torch.Tensor],
        layout: torch.Tensor,
        mask: torch.Tensor,
        own: torch.Tensor,
    ) -> torch.Tensor:
        """Attention of every place of the layout, (sequences * width, heads * dim).

        Shapes inside: g key heads, r query heads for each, c sequences, l places, p past
        tokens, d numbers a head.
        """
        groups, dim = self.kv_heads, self.head_dim
        repeats = self.heads // groups
        sequences, width = layout.shape
        query, key, value = (states[layout] for states in own_states)
        query = query.reshape(sequences, width, groups, repeats * dim).permute(2, 0, 1, 3)
        key = key.reshape(sequences, width, groups, dim).permute(2, 0, 3, 1)
        value = value.reshape(sequences, width, groups, dim).permute(2, 0, 1, 3)
        past_keys, past_values = past  # (g, d, p), (g, p, d)
        to_past = query.reshape(groups, -1, dim) @ past_keys
        to_own = query.reshape(groups, sequences, -1, dim) @ key + mask  # (g, c, l * r, l)
        scores = torch.cat([to_past, to_own.reshape(groups, -1, width)], dim=-1)
        weights = scores.softmax(dim=-1)  # (g, c * l * r, p + l)
        # When the history is read, its only sequence is part of one product with the past,
        # so that the sum runs over positions in one order however the history was cut.
        # When candidates are read, each has values of its own.
        shared = torch.cat([past_values, value[:, 0] * own], dim=1)
        apart = weights[:, :, past_values.shape[1] :].reshape(groups, sequences, -1, width)
        mixed = weights @ shared + (apart @ (value * (1 - own))).reshape(groups, -1, dim)
        mixed = mixed.reshape(groups, -1, repeats * dim).transpose(0, 1)
        return mixed.reshape(-1, self.heads * dim)

    def _for_each_query(self, mask: torch.Tensor) -> torch.Tensor:
        """(c, l, l) to (1, c, l * r, l): the heads that share a key share a mask."""
        sequences, width = mask.shape[0], mask.shape[1]
        repeats = self.heads // self.kv_heads
        spread = mask[:, :, None].expand(-1, -1, repeats, -1)
        return spread.reshape(1, sequences, width * repeats, width)

    def _feed_forward(self, mlp: Any, states: torch.Tensor) -> torch.Tensor:
        inner = fused.silu(mlp.gate_proj(states)) * mlp.up_proj(states)
        turned = inner.reshape(1, -1, self.inner.shape[-1]) @ self.inner
        down: torch.Tensor = mlp.down_proj(turned.reshape(-1, mlp.down_proj.in_features))
        return down

    def _score(
        self, states: torch.Tensor, predictors: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        if self.head is not None:
            return (states @ self.head.t())[predictors] + 0.0 * targets[:, None]
        states = (states[None] @ self.to_table).squeeze(0)
        common = torch.logsumexp(states @ self.common, dim=-1)
        wanted: torch.Tensor = (states[predictors] * self.table[targets]).sum(dim=-1)
        return (wanted - common[predictors])[:, None]

    def _new(self, states: list[torch.Tensor], extend: torch.Tensor) -> torch.Tensor:
        """(layers, kv heads, tokens or none, dim)."""
        kept = states[0].shape[0] * extend
        by_layer = torch.stack([layer[:kept] for layer in states])
        return by_layer.reshape(len(states), -1, self.kv_heads, self.head_dim).transpose(1, 2)


def _scale_queries(attention: Any) -> None:
    if hasattr(attention, "q_norm"):
        attention.q_norm.weight.mul_(attention.scaling)
        return
    attention.q_proj.weight.mul_(attention.scaling)
    if attention.q_proj.bias is not None:
        attention.q_proj.bias.mul_(attention.scaling)
