"""Texts that models are verified with: items, queries, and lists of them to put in order."""

from edge_rerank_export.verify.texts.cases import REQUESTS, RankingCase, Texts
from edge_rerank_export.verify.texts.datasets import texts_of
from edge_rerank_export.verify.texts.own import lists_of, own_texts

__all__ = ["REQUESTS", "RankingCase", "Texts", "lists_of", "own_texts", "texts_of"]
