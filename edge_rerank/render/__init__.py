"""Internal: rankings as cards, HTML and terminal tables."""
