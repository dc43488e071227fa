"""Internal: encoders that turn what an item shows into a vector."""
