"""The scorer of the GPT kind: a decoder of any family in the runtime's contract.

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
from dataclasses import replace
from typing import Any, cast

import torch

from edge_rerank_export.models import fused_ops as fused
from edge_rerank_export.models.decoder_block import Call, DecoderBlock
from edge_rerank_export.models.families import Norm, family_of
from edge_rerank_export.models.outliers import rotate
from edge_rerank_export.models.reading import reading


class ScoringDecoder(torch.nn.Module):
    """A decoder with a likelihood or a trained head for an output.

    Takes over ``model``'s weights and turns them, see :mod:`edge_rerank_export.models.outliers`.

    Args:
        model: of transformers, of one of :data:`~edge_rerank_export.models.families.FAMILIES`; a
            trunk will do for a head.
        max_positions: the rotary tables' length; past and present together are shorter.
        vocabulary: how many of the first tokens the likelihood is normalised over; tokens
            are numbered by frequency, so the first are the common ones.
        head: (outputs, hidden) weights of a trained head over a candidate's last token;
            ``None`` scores by likelihood.
        turned: whether the weights are turned. They are not for weights of 4 bits, whose inputs
            are not rounded: those that a checkpoint has in blocks are then what they were.
    """

    to_table: torch.Tensor | None

    def __init__(
        self,
        model: Any,
        *,
        max_positions: int,
        vocabulary: int,
        head: torch.Tensor | None = None,
        turned: bool = True,
    ) -> None:
        super().__init__()
        self.config: Any = model.config
        decoder = family_of(self.config).take(model)
        self.norm = decoder.norm
        self.embedding = decoder.embedding
        self.logit_scale = 1.0 if turned else decoder.logit_scale
        if turned:
            to_table, to_states = rotate(decoder)
        with torch.no_grad():
            blocks = [DecoderBlock(layer, decoder, turned=turned) for layer in decoder.layers]
            # Positions that no text reaches are there for the operator alone, and must not choose
            # tables for long texts.
            last = family_of(self.config).positions(self.config) - 1
            row = torch.arange(max_positions)[None].clamp(max=last)
            tables = [rotary(self.embedding.weight[:1, None], row) for rotary in decoder.rotaries]
        self.blocks = torch.nn.ModuleList(blocks)
        self.head_dim: int = blocks[0].dim
        self.kv_heads: int = blocks[0].groups
        # A window that no text outgrows hides nothing.
        self._windows = {
            block.window
            for block in blocks
            if block.window is not None and block.window < max_positions
        }
        self._parts = []
        for number, (cosines, sines) in enumerate(tables):
            half = cosines.shape[-1] // 2
            self._parts.append(2 * half if 2 * half < self.head_dim else 0)
            self.register_buffer(_cosines(number), cosines[0, :, :half].contiguous())
            self.register_buffer(_sines(number), sines[0, :, :half].contiguous())
        if head is not None:
            head = torch.nn.Parameter(head @ to_states if turned else head)
        self.head = head
        self.cap = decoder.logit_cap
        if head is None:
            if decoder.table is None:
                raise ValueError("a trunk has no likelihood")
            # With a batch axis, so that the quantiser takes it for no product with weights.
            back = (to_table * decoder.logit_scale).t()[None].contiguous() if turned else None
            self.register_buffer("to_table", back)
            self.table = decoder.table
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
        """See :class:`edge_rerank.packs.specs.ScorerSpec` for names and shapes."""
        own = extend.to(past_keys.dtype)
        call = self._call(position_ids, layout, places, mask, own)
        last = self._call(position_ids, layout, places[scored], mask, extend.to(past_keys.dtype))
        windows = self._masks(position_ids[layout], mask, past_keys.shape[-1])
        call, last = replace(call, windows=windows), replace(last, windows=windows)
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
            tables=tuple(
                (self.get_buffer(_cosines(number)), self.get_buffer(_sines(number)), part)
                for number, part in enumerate(self._parts)
            ),
            windows={},
        )

    def _masks(
        self, positions: torch.Tensor, mask: torch.Tensor, past: int
    ) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
        """See :attr:`Call.windows`; ``positions`` is (c, l)."""
        repeats = self.config.num_attention_heads // self.kv_heads
        queries = positions[:, :, None].expand(-1, -1, repeats).reshape(-1, 1)
        # A sequence begins at its first place.
        offsets = torch.arange(mask.shape[-1])
        apart = offsets[:, None] - offsets
        masks = {}
        for window in sorted(self._windows):
            own = mask + _hidden(apart >= window)
            own = own[:, :, None].expand(-1, -1, repeats, -1).reshape(1, -1, mask.shape[-1])
            masks[window] = _hidden(queries - torch.arange(past) >= window)[None], own
        return masks

    def _score(
        self, states: torch.Tensor, predictors: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        if self.head is not None:
            return (states @ self.head.t())[predictors] + 0.0 * targets[:, None]
        if self.to_table is not None:
            states = (states[None] @ self.to_table).squeeze(0)
        elif self.logit_scale != 1.0:
            states = states * self.logit_scale
        common = torch.logsumexp(self._bounded(states @ self.common), dim=-1)
        wanted = self._bounded((states[predictors] * self.table[targets]).sum(dim=-1))
        return (wanted - common[predictors])[:, None]

    def _bounded(self, logits: torch.Tensor) -> torch.Tensor:
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


def _cosines(number: int) -> str:
    return f"cosines{number or ''}"


def _sines(number: int) -> str:
    return f"sines{number or ''}"


def _hidden(far: torch.Tensor) -> torch.Tensor:
    """What is added to the scores of keys, minus infinity where they are too far away."""
    return torch.where(far, -torch.inf, 0.0)


def _add(
    stream: torch.Tensor, update: torch.Tensor | None, norm: Norm
) -> tuple[torch.Tensor, torch.Tensor]:
    """The stream with ``update`` in it, and its norm."""
    epsilon = norm.epsilon
    if update is None:
        return stream, fused.rms_norm(stream, norm.weight, epsilon)
    states, total = fused.skip_rms_norm(stream, update, norm.weight, epsilon)
    return total, states
