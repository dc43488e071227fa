"""Size rules of ONNX operators, by name: every operator that a model may have is listed here.

A rule gives the shapes of a node's outputs from those of its inputs, and follows the numbers that
graphs compute shapes with; where a size depends on numbers that are not known, the model is
refused.
"""

from __future__ import annotations

from edge_rerank.packs import onnx_arithmetic as compute
from edge_rerank.packs import onnx_layout as layout
from edge_rerank.packs.onnx_media import MEDIA
from edge_rerank.packs.onnx_nodes import FLOAT, INT32, Rule

_AS_FIRST = """
    Abs Acos Asin Atan BatchNormalization Ceil Celu Clip Cos Cosh CumSum Elu Erf Exp Floor Gelu
    HardSigmoid HardSwish LayerNormalization LeakyRelu Log LogSoftmax Mish PRelu RMSNormalization
    Reciprocal Relu Round ScatterElements ScatterND Selu Sigmoid Sign
    SimplifiedLayerNormalization Sin Sinh Softmax
    Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Trilu
    """
_PAIRWISE = """
    Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum
    Xor
    """
_REDUCTIONS = """
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare
    """

PLAIN: dict[str, Rule] = {
    **MEDIA,
    **dict.fromkeys(_AS_FIRST.split(), compute.as_first),
    **dict.fromkeys(_PAIRWISE.split(), compute.pairwise),
    **dict.fromkeys(_REDUCTIONS.split(), compute.reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), compute.place_of_largest),
    **dict.fromkeys(("Cast", "CastLike"), compute.cast),
    **dict.fromkeys(("IsInf", "IsNaN", "Not"), compute.truth),
    **dict.fromkeys(("Gemm", "MatMul"), compute.matmul()),
    "Concat": layout.concat,
    "Constant": layout.constant,
    "ConstantOfShape": layout.constant_of_shape,
    "DequantizeLinear": compute.dequantize,
    "DynamicQuantizeLinear": compute.quantize_by_range,
    "Expand": layout.expand,
    "Flatten": layout.flatten,
    "Gather": layout.gather,
    "GatherElements": layout.gather_elements,
    "GatherND": layout.gather_nd,
    "Identity": compute.passed_on,
    "MatMulInteger": compute.matmul(INT32),
    "Neg": compute.negative,
    "NonZero": layout.not_zero,
    "QuantizeLinear": compute.quantize,
    "Range": layout.range_,
    "Reshape": layout.reshape,
    "Shape": layout.shape,
    "Size": layout.size,
    "Slice": layout.slice_,
    "Split": layout.split,
    "Squeeze": layout.squeeze,
    "Tile": layout.tile,
    "Transpose": layout.transpose,
    "Unsqueeze": layout.unsqueeze,
    "Where": compute.where,
}
"""Rules of ONNX's own operators."""

MICROSOFT: dict[str, Rule] = {
    **dict.fromkeys(("FastGelu", "Gelu", "QuickGelu", "RotaryEmbedding"), compute.as_first),
    **dict.fromkeys(
        ("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), compute.as_first
    ),
    **dict.fromkeys(("SimplifiedLayerNormalization",), compute.as_first),
    **dict.fromkeys(("BiasGelu",), compute.pairwise),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat"), compute.matmul(FLOAT)),
    "DequantizeLinear": compute.dequantize,
    "FusedMatMul": compute.matmul(),
    "GatherBlockQuantized": layout.gather_in_blocks,
    "MatMulNBits": compute.product_of_bits,
    "QuantizeLinear": compute.quantize,
}
"""Rules of onnxruntime's own."""
