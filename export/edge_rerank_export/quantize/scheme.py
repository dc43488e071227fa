"""Schemes of quantisation, by the names that recipes and packs give them."""

from __future__ import annotations

from enum import StrEnum

LIMIT = 127
"""Largest magnitude of a value in eight bits, the same on both sides of 0."""

SAFE_LIMIT = 63
"""Largest magnitude of one factor, if the other is in eight bits, for pairs of their products, one
factor signed, to fit 16 bits on any processor."""


PAIR_LIMIT = 128
"""Largest sum of the magnitudes of two neighbouring signed weights for the products of both with
inputs in eight bits to fit 16 bits together."""


class Embedding(StrEnum):
    """How the table of a model's tokens is quantised, beside products in int8 or int7.

    ``INT8`` has a scale a row. ``INT4`` has one for each block of 32 columns, which takes 56 % of
    the room and is looked up by an operator of onnxruntime's own; a table that came in such blocks
    keeps them.
    """

    INT8 = "int8"
    INT4 = "int4"


class Scheme(StrEnum):
    """How weights are quantised.

    ``INT8`` uses -127..127, stored unsigned around 128: processors without VNNI add pairs
    of unsigned-by-signed products in 16 bits, where these would overflow, but multiply
    unsigned by unsigned exactly. Where unsigned by signed is exact, and faster, the runtime turns
    the weights into that form when it loads them. Weights of fine products are signed from the
    start: their inputs come in seven bits, with which no pair overflows.

    ``INT7`` uses -63..63, stored signed: nothing overflows on any processor, and without
    VNNI it takes three quarters of the time. It costs a bit of accuracy, which
    :mod:`edge_rerank_export.quantize.gptq` wins back.

    ``FLOAT16`` is for GPUs, see :mod:`~.weight_only`. bfloat16 would be, too, but onnxruntime has
    no product of matrices in it for processors, so no order could be verified where packs are made.

    ``INT4`` is for little room, see :mod:`~.int4`.
    """

    NONE = "none"
    INT8 = "int8"
    INT7 = "int7"
    FLOAT16 = "float16"
    INT4 = "int4"

    @property
    def limit(self) -> int | None:
        """Largest magnitude of a weight on one grid a channel; ``None`` without such a grid."""
        return {Scheme.INT8: LIMIT, Scheme.INT7: SAFE_LIMIT}.get(self)
