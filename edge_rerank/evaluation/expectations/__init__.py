"""Internal: what a person would expect of a ranking, checked on any pack and any data."""
