"""Internal: where weights and vocabularies come from."""
