"""Pooling and dense layers of sentence-transformers, as PyTorch modules that ONNX can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from edge_rerank_export.models.sentence_files import Activation, Dense, Pooling

_SMALLEST_LENGTH = 1e-12

_ACTIVATIONS: dict[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    Activation.IDENTITY: lambda values: values,
    Activation.TANH: torch.tanh,
    Activation.RELU: torch.relu,
    Activation.GELU: torch.nn.functional.gelu,
    Activation.SILU: torch.nn.functional.silu,
    Activation.SIGMOID: torch.sigmoid,
}


def pooled(states: torch.Tensor, mask: torch.Tensor, modes: Sequence[Pooling]) -> torch.Tensor:
    """One vector a text, float32 (batch, len(modes) * hidden).

    Args:
        states: of tokens, (batch, tokens, hidden).
        mask: int64 (batch, tokens), 1 for tokens of the text; the others may stand on either side.
        modes: what is put end to end.
    """
    return torch.cat([_POOLINGS[mode](states, mask) for mode in modes], dim=-1)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """The same directions with length 1."""
    lengths: torch.Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp(min=_SMALLEST_LENGTH)


class DenseLayer(torch.nn.Module):
    """A dense layer; its bias apart, so that ONNX has a product of matrices that is quantised.

    Args:
        spec: what it is.
        weights: "linear.weight" and, where it has one, "linear.bias".
    """

    def __init__(self, spec: Dense, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.product = torch.nn.Linear(spec.inputs, spec.outputs, bias=False)
        self.product.weight = torch.nn.Parameter(weights["linear.weight"].float())
        self.bias = torch.nn.Parameter(weights["linear.bias"].float()) if spec.bias else None
        self._spec = spec

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Float32 (batch, inputs) in, (batch, outputs) out."""
        made: torch.Tensor = self.product(vectors)
        if self.bias is not None:
            made = made + self.bias
        made = _ACTIVATIONS[self._spec.activation](made)
        return made + vectors if self._spec.residual else made


class UnitLayer(torch.nn.Module):
    """Scaling to length 1 between two others."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """See :func:`unit`."""
        return unit(vectors)


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def _mean_sqrt_len(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0).sqrt()


def _weighted_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Later tokens count more (Muennighoff, "SGPT", 2022)."""
    places = torch.arange(1, states.shape[1] + 1).to(states.dtype)
    weights = (mask.to(states.dtype) * places).unsqueeze(-1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def _largest(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).max(dim=1).values


def _first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return _state_at(states, mask.to(states.dtype).argmax(dim=1))


def _last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    places = torch.arange(states.shape[1]).to(states.dtype)
    return _state_at(states, (mask.to(states.dtype) * places).argmax(dim=1))


def _state_at(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    index = places[:, None, None].expand(-1, 1, states.shape[-1])
    return states.gather(1, index)[:, 0]


_POOLINGS: dict[Pooling, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    Pooling.CLS: _first,
    Pooling.MAX: _largest,
    Pooling.MEAN: _mean,
    Pooling.MEAN_SQRT_LEN: _mean_sqrt_len,
    Pooling.WEIGHTED_MEAN: _weighted_mean,
    Pooling.LAST_TOKEN: _last,
}
