"""Judging a pack on data set folders, beside the classic baselines."""
