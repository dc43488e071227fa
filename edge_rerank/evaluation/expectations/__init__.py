"""Internal: what anyone would expect of a personal list, as sentences and as relations."""
