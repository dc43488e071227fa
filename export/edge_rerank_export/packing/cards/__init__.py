"""Internal: model cards, one module a kind of pack: what a person should know before using it."""
