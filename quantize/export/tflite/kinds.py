"""The operators of TFLite that are written: their options, and the oldest versions that do.

Versions are those that TensorFlow Lite 2.14 knows, the last of tflite-runtime, or older.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One operator of TFLite.

    Attributes:
        options: name of its table of options in the schema, empty where it has none.
        version: that takes float32.
        version_int8: that takes int8; 0 where int8 is never written.
    """

    options: str
    version: int = 1
    version_int8: int = 0


KINDS: dict[str, Kind] = {
    "ABS": Kind("AbsOptions"),
    "ADD": Kind("AddOptions", 1, 2),
    "AVERAGE_POOL_2D": Kind("Pool2DOptions", 1, 2),
    "BATCH_MATMUL": Kind("BatchMatMulOptions"),
    "BROADCAST_TO": Kind("BroadcastToOptions", 2),
    "CONCATENATION": Kind("ConcatenationOptions", 1, 2),
    "CONV_2D": Kind("Conv2DOptions", 1, 3),
    "COS": Kind("CosOptions"),
    "DEPTH_TO_SPACE": Kind("DepthToSpaceOptions", 1, 2),
    "DEPTHWISE_CONV_2D": Kind("DepthwiseConv2DOptions", 2, 3),
    "DEQUANTIZE": Kind("DequantizeOptions", 3, 2),
    "DIV": Kind("DivOptions"),
    "ELU": Kind(""),
    "EXP": Kind("ExpOptions"),
    "FLOOR": Kind(""),
    "FULLY_CONNECTED": Kind("FullyConnectedOptions", 1, 4),
    "GATHER": Kind("GatherOptions", 1, 2),
    "HARD_SWISH": Kind("HardSwishOptions"),
    "LEAKY_RELU": Kind("LeakyReluOptions"),
    "LOG": Kind(""),
    "LOGISTIC": Kind("", 1, 2),
    "MAXIMUM": Kind("MaximumMinimumOptions", 1, 2),
    "MAX_POOL_2D": Kind("Pool2DOptions", 1, 2),
    "MEAN": Kind("ReducerOptions", 1, 2),
    "MINIMUM": Kind("MaximumMinimumOptions", 1, 2),
    "MIRROR_PAD": Kind("MirrorPadOptions", 1, 2),
    "MUL": Kind("MulOptions", 1, 2),
    "NEG": Kind("NegOptions"),
    "PAD": Kind("PadOptions", 1, 2),
    "PADV2": Kind("PadV2Options", 1, 2),
    "POW": Kind("PowOptions"),
    "PRELU": Kind(""),
    "QUANTIZE": Kind("QuantizeOptions"),
    "REDUCE_MAX": Kind("ReducerOptions", 1, 2),
    "REDUCE_MIN": Kind("ReducerOptions", 1, 2),
    "RELU": Kind("", 1, 2),
    "RELU6": Kind("", 1, 2),
    "RESHAPE": Kind("ReshapeOptions", 1, 1),
    "RESIZE_BILINEAR": Kind("ResizeBilinearOptions", 3, 3),
    "RESIZE_NEAREST_NEIGHBOR": Kind("ResizeNearestNeighborOptions", 3, 3),
    "ROUND": Kind(""),
    "RSQRT": Kind(""),
    "SIN": Kind(""),
    "SLICE": Kind("SliceOptions", 1, 2),
    "SOFTMAX": Kind("SoftmaxOptions", 1, 2),
    "SPACE_TO_DEPTH": Kind("SpaceToDepthOptions", 1, 2),
    "SPLIT": Kind("SplitOptions", 1, 2),
    "SQRT": Kind(""),
    "STRIDED_SLICE": Kind("StridedSliceOptions", 1, 2),
    "SUB": Kind("SubOptions", 1, 2),
    "SUM": Kind("ReducerOptions", 1, 2),
    "TANH": Kind("", 1, 2),
    "TILE": Kind("TileOptions"),
    "TRANSPOSE": Kind("TransposeOptions", 1, 2),
    "TRANSPOSE_CONV": Kind("TransposeConvOptions", 3, 3),
}
"""By the operator's name in the schema."""

KEEPS_SCALE = frozenset(
    {
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "DEPTH_TO_SPACE",
        "GATHER",
        "MAX_POOL_2D",
        "MIRROR_PAD",
        "PAD",
        "PADV2",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "SLICE",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "STRIDED_SLICE",
        "TILE",
        "TRANSPOSE",
    }
)
"""Operators whose int8 outputs have the scale and the zero point of their inputs."""
