"""Internal: the courier beside a device; needs no PyTorch."""
