"""Operators that onnxruntime runs in one step, as PyTorch functions.

Each computes the plain formula in PyTorch, so that the module which uses it is the float32
reference as well, and is written to ONNX as onnxruntime's own operator (domain
``com.microsoft``, built into every onnxruntime; nothing has to be installed beside it).
"""

from __future__ import annotations

from typing import Any, cast

import torch


class _SkipRmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        _: Any, x: torch.Tensor, skip: torch.Tensor, weight: torch.Tensor, epsilon: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total = x + skip
        return _rms(total, epsilon) * weight, total

    @staticmethod
    def symbolic(g: Any, x: Any, skip: Any, weight: Any, epsilon: float) -> Any:
        outputs = g.op(
            "com.microsoft::SkipSimplifiedLayerNormalization",
            *(x, skip, weight),
            epsilon_f=epsilon,
            outputs=4,
        )
        for output in (outputs[0], outputs[3]):
            output.setType(x.type())
        return outputs[0], outputs[3]


class _SkipLayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        _: Any,
        x: torch.Tensor,
        skip: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        epsilon: float,
    ) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x + skip, weight.shape, weight, bias, epsilon)

    @staticmethod
    def symbolic(  # noqa: PLR0917 - the exporter's signature
        g: Any, x: Any, skip: Any, weight: Any, bias: Any, epsilon: float
    ) -> Any:
        output = g.op(
            "com.microsoft::SkipLayerNormalization", x, skip, weight, bias, epsilon_f=epsilon
        )
        output.setType(x.type())
        return output


class _Rotary(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - what `apply` is given
        _: Any,
        x: torch.Tensor,
        positions: torch.Tensor,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        heads: int,
        part: int,
    ) -> torch.Tensor:
        rows = x.reshape(*x.shape[:2], heads, -1)
        rows, rest = (rows[..., :part], rows[..., part:]) if part else (rows, rows[..., :0])
        cosine, sine = cosines[positions][:, :, None], sines[positions][:, :, None]
        left, right = rows.chunk(2, dim=-1)
        turned = [left * cosine - right * sine, right * cosine + left * sine, rest]
        return torch.cat(turned, dim=-1).reshape(x.shape)

    @staticmethod
    def symbolic(  # noqa: PLR0917 - the exporter's signature
        g: Any, x: Any, positions: Any, cosines: Any, sines: Any, heads: int, part: int
    ) -> Any:
        output = g.op(
            "com.microsoft::RotaryEmbedding",
            *(x, positions, cosines, sines),
            num_heads_i=heads,
            rotary_embedding_dim_i=part,
        )
        output.setType(x.type())
        return output


class _Silu(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(x)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        output = g.op("com.microsoft::QuickGelu", x, alpha_f=1.0)
        output.setType(x.type())
        return output


class _GeluTanh(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(x, approximate="tanh")

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        output = g.op("com.microsoft::FastGelu", x)
        output.setType(x.type())
        return output


def _apply(function: Any, *arguments: Any) -> Any:
    """PyTorch's ``apply`` has no types."""
    return function.apply(*arguments)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Root-mean-square norm over the last axis (Zhang and Sennrich, NeurIPS 2019)."""
    return _rms(x, epsilon) * weight


def skip_rms_norm(
    x: torch.Tensor, skip: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The norm of ``x + skip``, and ``x + skip`` itself."""
    return cast("tuple[torch.Tensor, torch.Tensor]", _apply(_SkipRmsNorm, x, skip, weight, epsilon))


def skip_layer_norm(
    x: torch.Tensor, skip: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Layer norm of ``x + skip`` over the last axis."""
    return cast("torch.Tensor", _apply(_SkipLayerNorm, x, skip, weight, bias, epsilon))


def rotary(
    x: torch.Tensor,
    positions: torch.Tensor,
    cosines: torch.Tensor,
    sines: torch.Tensor,
    *,
    heads: int,
    part: int = 0,
) -> torch.Tensor:
    """Turn each head of each token by its position (Su et al., RoFormer, 2021).

    Args:
        x: (sequences, tokens, heads * dim).
        positions: int64 (sequences, tokens).
        cosines: (positions, turned dimensions / 2).
        sines: likewise.
        heads: number of heads in ``x``.
        part: how many of a head's dimensions are turned, its first; 0 for all.
    """
    return cast("torch.Tensor", _apply(_Rotary, x, positions, cosines, sines, heads, part))


def silu(x: torch.Tensor) -> torch.Tensor:
    """X * sigmoid(x)."""
    return cast("torch.Tensor", _apply(_Silu, x))


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    """GELU by its approximation with tanh (Hendrycks and Gimpel, 2016)."""
    return cast("torch.Tensor", _apply(_GeluTanh, x))


def _rms(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + epsilon)
