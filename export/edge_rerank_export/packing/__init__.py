"""Internal: from a recipe to a verified, signed pack."""
