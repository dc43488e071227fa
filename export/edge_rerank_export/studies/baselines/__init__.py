"""Trained recommenders to measure a pack against: they know a catalogue, and only that one."""
