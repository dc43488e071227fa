"""Internal: how the history is kept: sealed rows over SQLite, laid out as FORMAT.md says."""
