"""Internal: reading and writing items, events, logs and data sets; one mapping for all uses."""
