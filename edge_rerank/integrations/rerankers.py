"""Ranker of the library ``rerankers`` that reranks for one person.

Importing this module makes ``rerankers.Reranker("EdgeRerank", model_type="EdgeRerank")`` known.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from edge_rerank.guest import GuestSession
from edge_rerank.integrations._call import Document as Retrieved
from edge_rerank.integrations._call import User, missing, rank_documents
from edge_rerank.reranker import Reranker

try:
    from rerankers.documents import Document
    from rerankers.models import AVAILABLE_RANKERS
    from rerankers.models.ranker import BaseRanker
    from rerankers.results import RankedResults, Result
    from rerankers.utils import prep_docs
except ImportError:
    raise missing("rerankers") from None

SHIPPED = "EdgeRerank"
"""The model name that stands for the shipped pack; any other is a pack's."""


class EdgeRerankModel(BaseRanker):  # type: ignore[misc]  # a library without types
    """A reranker with one person's history.

    Args:
        model_name_or_path: "EdgeRerank" for the shipped pack, else a pack's folder or name.
        verbose: taken because every ranker takes it; nothing is printed.
        reranker: the application's, or a guest session, instead of a pack.
        user: whose history counts: a name, a callable that gives it at each call, or ``None``.
    """

    def __init__(
        self,
        model_name_or_path: str = SHIPPED,
        verbose: int = 1,
        *,
        reranker: Reranker | GuestSession | None = None,
        user: User = None,
    ) -> None:
        del verbose
        pack = None if model_name_or_path == SHIPPED else model_name_or_path
        self._reranker = Reranker.open(pack) if reranker is None else reranker
        self._user = user

    def rank(
        self,
        query: str,
        docs: str | Document | Sequence[str] | Sequence[Document],
        doc_ids: Sequence[str] | Sequence[int] | None = None,
        metadata: Sequence[dict[str, Any]] | None = None,
    ) -> RankedResults:
        """Results with copies of the documents, best first, and scores from 0 to 1.

        A document's ``score`` in its metadata is blended in as the host's, higher is better.
        """
        if not isinstance(docs, str | Document) and not docs:
            return RankedResults(results=[], query=query, has_scores=True)
        documents = prep_docs(deepcopy(docs), doc_ids, metadata)
        retrieved: list[Retrieved] = [
            (one.doc_id, one.text, one.metadata.get("score")) for one in documents
        ]
        ranked = rank_documents(self._reranker, self._user, query, retrieved)
        results = []
        for rank, one in enumerate(ranked, start=1):
            document = documents[one.index]
            more = {"relevance_score": one.score, "ranking_id": ranked.id}
            document.metadata = {**document.metadata, **more}
            results.append(Result(document, score=one.score, rank=rank))
        return RankedResults(results=results, query=query, has_scores=True)

    def score(self, query: str, doc: str) -> float:
        """How well one text fits the query, 0 to 1."""
        return float(
            rank_documents(self._reranker, self._user, query, [(None, doc, None)])[0].score
        )


AVAILABLE_RANKERS["EdgeRerank"] = EdgeRerankModel
