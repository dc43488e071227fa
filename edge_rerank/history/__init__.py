"""Internal: what is kept about a person; :class:`edge_rerank.History` is its public name."""
