"""Outlier channels of a decoder, turned away without changing what it computes.

A few channels of a language model's states are tens of times larger than the rest; a row
quantised to 8 bits then spends its range on them. An orthogonal turn spreads them over all
channels (QuaRot, Ashkboos et al., NeurIPS 2024):

- the residual stream, because RMS norm commutes with a turn once its weights are folded into
  what follows, and the values inside each head: both are folded into the weights when the
  pack is made, and cost nothing at run time;
- the states between the two halves of the feed-forward part, which pass a non-linear step:
  these are turned while the model runs, in blocks of :func:`block_size` channels.
"""

from __future__ import annotations

from typing import Any

import torch

from edge_rerank_export.models.families import Decoder, Layer

SEED = 0
"""Of the random basis."""

MAX_BLOCK = 64

_ROWS = 65_536


def rotate(decoder: Decoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn ``decoder`` in place; every norm of the stream has unit weights afterwards.

    Where a layer norms what it adds to the stream, no turn of the stream commutes with that:
    the stream and its norms stay as they are, and only values and feed-forward states are turned.

    Args:
        decoder: of any family.

    Returns:
        Two float32 matrices (hidden, hidden) for the new final states, applied from the
        left: the first takes them to where the output table, whose rows are turned like the
        embedding's, gives the logits; the second takes them to what they were before.
    """
    generator = torch.Generator().manual_seed(SEED)
    hidden = decoder.embedding.weight.shape[1]
    turn = _orthogonal(hidden, generator) if decoder.turns else None
    final_norm = decoder.norm.weight.detach().double()
    with torch.no_grad():
        if turn is not None:
            _turn_rows(decoder.embedding.weight, turn)
            table = decoder.table
            if table is not None and table is not decoder.embedding.weight:
                _turn_rows(table, turn)
        for layer in decoder.layers:
            if turn is not None:
                _turn_readers(layer, turn)
            _turn_values(layer, _orthogonal(decoder.head_dim, generator), decoder.head_dim)
            if turn is not None:
                _turn_writers(layer, turn)
            inner = hadamard(block_size(layer.down.in_features)).double()
            columns = layer.down.weight.double().reshape(-1, len(inner))
            _set(layer.down, (columns @ inner).reshape(layer.down.weight.shape))
        decoder.norm.weight.fill_(1.0)
    if turn is None:
        before = torch.diag(final_norm)
        return before.float(), before.float()
    before = final_norm[:, None] * turn
    return (turn.t() @ before).float(), before.float()


def block_size(channels: int) -> int:
    """Channels turned together: the largest power of two up to 64 that divides them."""
    return min(MAX_BLOCK, channels & -channels)


def hadamard(size: int) -> torch.Tensor:
    """The orthogonal, symmetric Hadamard matrix, float32 (size, size), size a power of two."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    scaled: torch.Tensor = matrix / size**0.5
    return scaled


def _orthogonal(size: int, generator: torch.Generator) -> torch.Tensor:
    basis, upper = torch.linalg.qr(
        torch.randn(size, size, dtype=torch.float64, generator=generator)
    )
    turn: torch.Tensor = basis * upper.diagonal().sign()
    return turn


def _turn_rows(table: torch.Tensor, turn: torch.Tensor) -> None:
    """Turn the rows of a table, part by part: in double precision it is twice as large, twice."""
    for part in torch.split(table, _ROWS):
        part.copy_((part.double() @ turn).to(part.dtype))


def _turn_readers(layer: Layer, turn: torch.Tensor) -> None:
    """Take in the weights of the norms, and then the turn."""
    for norm, readers in (
        (layer.before_attention, (layer.query, layer.key, layer.value)),
        (layer.before_feed_forward, (layer.gate, layer.up)),
    ):
        weights = norm.weight.double()
        for reader in readers:
            _set(reader, (reader.weight.double() * weights) @ turn)
        norm.weight.fill_(1.0)


def _turn_writers(layer: Layer, turn: torch.Tensor) -> None:
    for writer in (layer.out, layer.down):
        _set(writer, turn.t() @ writer.weight.double())
        if writer.bias is not None:
            writer.bias.copy_((turn.t() @ writer.bias.double()).to(writer.bias.dtype))


def _turn_values(layer: Layer, head: torch.Tensor, dim: int) -> None:
    """Turn each head's values, and the output projection back."""
    value, output = layer.value, layer.out
    rows = value.weight.double().reshape(-1, dim, value.in_features)
    _set(value, (head.t() @ rows).reshape(-1, value.in_features))
    if value.bias is not None:
        value.bias.copy_((value.bias.double().reshape(-1, dim) @ head).reshape(-1).float())
    columns = output.weight.double().reshape(output.out_features, -1, dim)
    _set(output, (columns @ head).reshape(output.out_features, -1))


def _set(layer: Any, weight: torch.Tensor) -> None:
    layer.weight.copy_(weight.to(layer.weight.dtype))
