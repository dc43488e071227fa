"""Internal: float32 ONNX to fewer bits."""
