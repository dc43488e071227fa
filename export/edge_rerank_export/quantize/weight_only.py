"""Half precision: smaller weights and sums, for GPUs.

onnxruntime's own tool. Nothing is rounded across rows, so a score does not depend on what else is
in the batch.
"""

from __future__ import annotations

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from edge_rerank_export.models import onnx_file


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """All weights and sums in half precision; inputs and outputs stay as they are."""
    # Of a model with its weights in it, shapes can be inferred only below 2 GiB.
    model = onnx.shape_inference.infer_shapes(model)
    onnx_file.take_in(model)
    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True))
    half.topological_sort()
    converted: onnx.ModelProto = half.model
    return converted
