"""Internal: the commands of ``python -m edge_rerank.export``, one module each."""
