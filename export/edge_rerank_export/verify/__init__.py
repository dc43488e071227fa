"""Internal: proving that a pack ranks like its original."""
