"""Internal: whatever arranges a scored list."""
