"""Tuning a text encoder on what people choose together."""
