"""Limits of what one ONNX file can hold."""

from __future__ import annotations

from edge_rerank_export.errors import UnsupportedModel

MAX_WEIGHTS = 530_000_000
"""Of four bytes each: a file of protocol buffers ends at 2 GiB, the graph's nodes included, and a
pack's files are checked as one piece, so that weights beside the file are none."""


def check_count(weights: int) -> None:
    """Refuse a model with more weights than a file in float32 holds.

    Raises:
        UnsupportedModel: with both numbers.
    """
    if weights > MAX_WEIGHTS:
        raise UnsupportedModel(
            f"weights: expected at most {MAX_WEIGHTS // 10**6} million, got {weights // 10**6}: an "
            "ONNX file of them in float32 ends at 2 GiB, and a pack's files are checked as one piece"
        )
