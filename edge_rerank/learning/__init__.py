"""Internal: what is learnt on the device of one person, from what was shown and what was chosen."""
