"""Internal: lists for many people in one job, by processes of this machine or by Ray Data."""
