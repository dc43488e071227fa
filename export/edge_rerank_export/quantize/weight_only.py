"""Smaller weights, products in floating point: half precision for GPUs, and 4 bits for size.

Both are onnxruntime's own tools. Neither rounds activations across rows, so a score still does not
depend on what else is in the batch.
"""

from __future__ import annotations

import logging

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from edge_rerank_export.models import onnx_file

INT4_PRODUCT = "MatMulNBits"

_BLOCK = 32
"""Weights of a column that share a scale."""


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """All weights and sums in half precision; inputs and outputs stay as they are."""
    # Of a model with its weights in it, shapes can be inferred only below 2 GiB.
    model = onnx.shape_inference.infer_shapes(model)
    onnx_file.take_in(model)
    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True))
    half.topological_sort()
    converted: onnx.ModelProto = half.model
    return converted


def to_int4(model: onnx.ModelProto) -> onnx.ModelProto:
    """Matrices of products in 4 bits, a scale for each 32 weights; everything else as it is."""
    onnx_file.take_in(model)
    # Here, because it sets up the logging of the whole process.
    from onnxruntime.quantization import matmul_nbits_quantizer as nbits  # noqa: PLC0415

    nbits.logger.setLevel(logging.WARNING)
    quantizer = nbits.MatMulNBitsQuantizer(model, bits=4, block_size=_BLOCK, is_symmetric=True)
    quantizer.process()
    quantised: onnx.ModelProto = quantizer.model.model
    return quantised
