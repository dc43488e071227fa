"""The scorer of the GPT kind: a llama- or qwen-type decoder in the runtime's contract.

The weights are the checkpoint's; the forward pass is written anew, because what makes the
scorer fast is in it. Candidates are not packed into one long sequence with a mask, which
computes attention between candidates only to throw it away. All tokens of a call lie in one
row for the matrix products, where no time is lost on padding; for attention alone they are
laid out as (sequences, width), each candidate a sequence of its own that sees the past and
itself, see :mod:`edge_rerank_export.models.decoder_block`.

A query's keys stand in the order of their positions, past before present, whether the past
was read at once or event by event. Together with rows that are quantised one by one, this
makes a score bit for bit the same in any company and after any way of reading the history.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

import torch

from edge_rerank_export.models import fused_ops as fused
from edge_rerank_export.models.decoder_block import Call, DecoderBlock
from edge_rerank_export.models.reading import reading
from edge_rerank_export.models.outliers import rotate


class ScoringDecoder(torch.nn.Module):
    """A decoder with a likelihood or a trained head for an output.

    Takes over ``model``'s weights and turns them, see :mod:`edge_rerank_export.models.outliers`.

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
        self.config: Any = model.config
        self.norm = model.model.norm
        self.embedding = model.model.embed_tokens
        to_table, to_states = rotate(model)
        with torch.no_grad():
            blocks = [DecoderBlock(layer, self.config) for layer in model.model.layers]
            tables = model.model.rotary_emb(
                self.embedding.weight[:1, None], torch.arange(max_positions)[None]
            )
        self.blocks = torch.nn.ModuleList(blocks)
        self.head_dim: int = blocks[0].dim
        self.kv_heads: int = blocks[0].groups
        half = self.head_dim // 2
        self.register_buffer("cosines", tables[0][0, :, :half].contiguous())
        self.register_buffer("sines", tables[1][0, :, :half].contiguous())
        self.head = None if head is None else torch.nn.Parameter(head @ to_states)
        if head is None:
            # With a batch axis, so that the quantiser takes it for no product with weights.
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
        """See :class:`edge_rerank.packs.manifest.ScorerSpec` for names and shapes."""
        call = self._call(position_ids, layout, places, mask, extend.to(past_keys.dtype))
        last = self._call(position_ids, layout, places[scored], mask, extend.to(past_keys.dtype))
        kept = input_ids.shape[0] * extend
        stream = self.embedding(input_ids)
        update = None
        keys, values = [], []
        for number, block in enumerate(cast("list[DecoderBlock]", list(self.blocks))):
            stream, states = _add(stream, update, block.first_norm)
            past = past_keys[number], past_values[number]
            if number == len(self.blocks) - 1:
                call, stream = last, stream[scored]
            update, key, value = block.attend(states, past, call)
            keys.append(key[:, :kept])
            values.append(value[:, :kept])
            stream, states = _add(stream, update, block.second_norm)
            update = block.feed_forward(states)
        _, states = _add(stream, update, self.norm)
        return OrderedDict(
            score=self._score(torch.cat([start, states]), predictors, targets),
            end=states[-1:],
            new_keys=torch.stack(keys).transpose(-1, -2),
            new_values=torch.stack(values),
        )

    def read(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Read one text without a past, and score each token as the next one.

        Args:
            tokens: int64 (tokens,).
        """
        past = (len(self.blocks), self.kv_heads, self.head_dim)
        inputs = reading(tokens, past=past, hidden=self.embedding.weight.shape[1], causal=True)
        return cast("dict[str, torch.Tensor]", self(**inputs))

    def _call(
        self,
        position_ids: torch.Tensor,
        layout: torch.Tensor,
        places: torch.Tensor,
        mask: torch.Tensor,
        own: torch.Tensor,
    ) -> Call:
        groups = self.kv_heads
        sequences, width = layout.shape
        number = torch.arange(groups)
        repeats = self.config.num_attention_heads // groups
        return Call(
            width=width,
            spread=(layout * groups + number[:, None, None]).reshape(-1, width),
            gather=places[:, None] + number * (sequences * width),
            positions=position_ids[layout].repeat(groups, 1),
            # The heads that share a key share a mask.
            mask=mask[:, :, None].expand(-1, -1, repeats, -1).reshape(1, -1, width),
            own=own,
            cosines=self.cosines,
            sines=self.sines,
        )

    def _score(
        self, states: torch.Tensor, predictors: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        if self.head is not None:
            return (states @ self.head.t())[predictors] + 0.0 * targets[:, None]
        states = (states[None] @ self.to_table).squeeze(0)
        common = torch.logsumexp(states @ self.common, dim=-1)
        wanted: torch.Tensor = (states[predictors] * self.table[targets]).sum(dim=-1)
        return (wanted - common[predictors])[:, None]


def _add(
    stream: torch.Tensor, update: torch.Tensor | None, norm: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The stream with ``update`` in it, and its norm."""
    epsilon = norm.variance_epsilon
    if update is None:
        return stream, fused.rms_norm(stream, norm.weight, epsilon)
    states, total = fused.skip_rms_norm(stream, update, norm.weight, epsilon)
    return total, states
