"""Half precision: smaller weights and sums, for GPUs.

onnxruntime's own tool. Nothing is rounded across rows, so a score does not depend on what else is
in the batch.
"""

from __future__ import annotations

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """All weights and sums in half precision; inputs and outputs stay as they are."""
    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    half.topological_sort()
    converted: onnx.ModelProto = half.model
    return converted
