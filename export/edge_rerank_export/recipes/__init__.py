"""Internal: TOML files that say what to make, read strictly."""
