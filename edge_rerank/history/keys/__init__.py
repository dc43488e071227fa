"""Internal: where key-encryption keys come from; the sources are public names of the package."""
