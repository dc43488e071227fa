"""Internal: whatever scores candidates, each with the columns of evidence it fills."""
