"""Internal: judging a pack on data set folders, beside the classic baselines, and its speed."""
