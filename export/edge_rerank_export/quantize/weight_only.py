"""Smaller weights, products in floating point: half precision for GPUs, and 4 bits for size.

Both are onnxruntime's own tools. Neither rounds activations across rows, so a score still does not
depend on what else is in the batch.
"""

from __future__ import annotations

import logging

import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.transformers.float16 import (
    convert_float_to_float16,
    convert_tensor_float_to_float16,
)
from onnxruntime.transformers.onnx_model import OnnxModel

from edge_rerank_export.models import onnx_file

INT4_PRODUCT = "MatMulNBits"

_BLOCK = 32
"""Weights of a column that share a scale."""


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """All weights and sums in half precision; inputs and outputs stay as they are."""
    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    half.topological_sort()
    converted: onnx.ModelProto = half.model
    for tensor in converted.graph.initializer:
        # Of weights that lie outside of the file it changes the type alone.
        if tensor.data_type == TensorProto.FLOAT16 and onnx_file.is_external(tensor):
            tensor.data_type = TensorProto.FLOAT
            values = numpy_helper.from_array(onnx_file.array_of(tensor), tensor.name)
            tensor.CopyFrom(convert_tensor_float_to_float16(values))
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
