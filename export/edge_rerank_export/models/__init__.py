"""Internal: originals in PyTorch, in the form that the runtime expects, and their way to ONNX."""
