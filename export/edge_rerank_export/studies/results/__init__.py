"""The table of results: packs, baselines and their figures on data set folders, in one command."""
