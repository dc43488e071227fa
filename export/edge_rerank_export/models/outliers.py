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

SEED = 0
MAX_BLOCK = 64


def rotate(model: Any, *, seed: int = SEED) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn ``model`` in place; every norm of the stream has unit weights afterwards.

    Args:
        model: a causal language model of type llama, qwen2 or qwen3.
        seed: of the random basis.

    Returns:
        Two float32 matrices (hidden, hidden) for the new final states, applied from the
        left: the first takes them to where the output table, whose rows are turned like the
        embedding's, gives the logits; the second takes them to what they were before.
    """
    generator = torch.Generator().manual_seed(seed)
    body = model.model
    turn = _orthogonal(model.config.hidden_size, generator)
    final_norm = body.norm.weight.detach().double()
    with torch.no_grad():
        _set(body.embed_tokens, body.embed_tokens.weight.double() @ turn)
        if model.lm_head.weight is not body.embed_tokens.weight:
            _set(model.lm_head, model.lm_head.weight.double() @ turn)
        for block in body.layers:
            attention, mlp = block.self_attn, block.mlp
            for norm, readers in (
                (block.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
                (block.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
            ):
                weights = norm.weight.double()
                for reader in readers:
                    _set(reader, (reader.weight.double() * weights) @ turn)
                norm.weight.fill_(1.0)
            _turn_values(attention, _orthogonal(attention.head_dim, generator))
            for writer in (attention.o_proj, mlp.down_proj):
                _set(writer, turn.t() @ writer.weight.double())
            inner = hadamard(block_size(mlp.down_proj.in_features)).double()
            columns = mlp.down_proj.weight.double().reshape(-1, len(inner))
            _set(mlp.down_proj, (columns @ inner).reshape(mlp.down_proj.weight.shape))
        body.norm.weight.fill_(1.0)
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


def _turn_values(attention: Any, head: torch.Tensor) -> None:
    """Turn each head's values, and the output projection back."""
    dim = attention.head_dim
    value, output = attention.v_proj, attention.o_proj
    rows = value.weight.double().reshape(-1, dim, value.in_features)
    _set(value, (head.t() @ rows).reshape(-1, value.in_features))
    if value.bias is not None:
        value.bias.copy_((value.bias.double().reshape(-1, dim) @ head).reshape(-1).float())
    columns = output.weight.double().reshape(output.out_features, -1, dim)
    _set(output, (columns @ head).reshape(output.out_features, -1))


def _set(layer: Any, weight: torch.Tensor) -> None:
    layer.weight.copy_(weight.to(layer.weight.dtype))
