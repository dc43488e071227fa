"""Internal: a catalogue's log, counted and learnt into tables that a history model reads."""
