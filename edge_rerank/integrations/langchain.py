"""LangChain document compressor that reranks for one person."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from edge_rerank.guest import GuestSession
from edge_rerank.integrations._call import Document as Retrieved
from edge_rerank.integrations._call import User, missing, rank_documents
from edge_rerank.reranker import Reranker

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from pydantic import ConfigDict, Field
except ImportError:
    raise missing("langchain") from None


class EdgeRerankCompressor(BaseDocumentCompressor):
    """Reranks what a retriever found, such as a ``ContextualCompressionRetriever``'s.

    Attributes:
        reranker: the application's, or a guest session; the shipped pack's without a history
            if none is given.
        user: whose history counts: a name, a callable that gives it at each call, or ``None``.
        top_n: how many documents to return, all if ``None``.
        score_key: where in its metadata a document has its retriever's score, higher is better;
            blended in as the host's.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    reranker: Reranker | GuestSession = Field(default_factory=Reranker.open)
    user: User = None
    top_n: int | None = None
    score_key: str = "relevance_score"

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Copies of the documents, best first.

        Their metadata has ``relevance_score``, 0 to 1, and ``ranking_id``, which an event that
        follows carries in ``Event.ranking``; each has an id.
        """
        del callbacks
        retrieved: list[Retrieved] = [
            (one.id, one.page_content, one.metadata.get(self.score_key)) for one in documents
        ]
        ranked = rank_documents(self.reranker, self.user, query, retrieved, top_k=self.top_n)
        copies = []
        for one in ranked:
            metadata = deepcopy(documents[one.index].metadata)
            metadata |= {"relevance_score": one.score, "ranking_id": ranked.id}
            copies.append(
                documents[one.index].model_copy(update={"id": one.id, "metadata": metadata})
            )
        return copies
