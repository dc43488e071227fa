"""Internal: what is learnt from lists that were shown, and what can be said of others."""
