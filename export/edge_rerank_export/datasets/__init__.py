"""Data set folders: made of a log, checked against every rule of their format."""
