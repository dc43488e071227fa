"""Internal: training of history encoders, text encoders and scorers."""
