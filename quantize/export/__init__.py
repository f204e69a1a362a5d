"""From ONNX to the files of other engines, one folder or file per format."""
