"""Inputs of a scorer for one text without a past."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch


def reading(
    tokens: torch.Tensor, *, past: Sequence[int], hidden: int, causal: bool
) -> dict[str, torch.Tensor]:
    """Inputs that read ``tokens`` and score each of them but the first as the next one.

    Args:
        tokens: int64 (tokens,).
        past: number of layers, key heads, and dimensions of a head.
        hidden: dimensions of a state.
        causal: see :class:`~edge_rerank.packs.specs.ScorerSpec`, also for the inputs.
    """
    count = len(tokens)
    places = torch.arange(count)
    layers, heads, dim = past
    mask = torch.zeros(count, count)
    return OrderedDict(
        input_ids=tokens,
        position_ids=places,
        layout=places[None],
        places=places,
        mask=(mask - torch.inf).triu(1)[None] if causal else mask[None],
        past_keys=torch.zeros(layers, heads, dim, 0),
        past_values=torch.zeros(layers, heads, 0, dim),
        extend=torch.tensor(1),
        start=torch.zeros(1, hidden),
        scored=places,
        predictors=places[1:],
        targets=tokens[1:],
    )
