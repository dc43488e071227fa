"""Internal: what a history model sees of candidates and history, one module a kind of evidence."""
