"""Internal: running one model of a pack with ONNX Runtime; knows nothing of ranking."""
