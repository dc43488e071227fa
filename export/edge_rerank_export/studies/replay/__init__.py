"""Replay of people's choices in the order of time, to see what learning on the device gains."""
