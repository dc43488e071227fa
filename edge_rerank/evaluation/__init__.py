"""Internal: judging a pack: on data beside the classic baselines, by expectations, by speed."""
