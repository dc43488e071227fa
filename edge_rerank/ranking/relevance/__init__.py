"""Internal: how well candidates fit some words, in any script."""
