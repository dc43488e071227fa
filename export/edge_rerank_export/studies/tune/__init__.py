"""Searching a recipe's parameters by validation NDCG@10."""
