"""ONNX to TFLite: a direct writer of flatbuffers, channels last throughout."""

from quantize.errors import TFLiteError
from quantize.export.tflite.export import to_tflite

__all__ = ["TFLiteError", "to_tflite"]
