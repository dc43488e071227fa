"""Training a scorer's weights on data set folders: all of them, or low-rank adapters."""
