"""LlamaIndex node postprocessor that reranks for one person."""

from __future__ import annotations

from edge_rerank.guest import GuestSession
from edge_rerank.integrations._call import Document, User, missing, rank_documents
from edge_rerank.reranker import Reranker

try:
    from llama_index.core.bridge.pydantic import Field
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
except ImportError:
    raise missing("llamaindex") from None

_RANKING = "ranking_id"


class EdgeRerankPostprocessor(BaseNodePostprocessor):
    """Reranks the nodes that a retriever found.

    Attributes:
        reranker: the application's, or a guest session; the shipped pack's without a history
            if none is given.
        user: whose history counts: a name, a callable that gives it at each call, or ``None``.
        top_n: how many nodes to return, all if ``None``.
    """

    reranker: Reranker | GuestSession = Field(default_factory=Reranker.open, exclude=True)
    user: User = Field(default=None, exclude=True)
    top_n: int | None = None

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex lists it."""
        return "EdgeRerankPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """Copies of the nodes, best first, with scores from 0 to 1.

        The metadata has ``ranking_id``, which no model and no encoder is shown.
        """
        query = None if query_bundle is None else query_bundle.query_str
        retrieved: list[Document] = [
            (one.node_id, one.node.get_content(MetadataMode.EMBED), one.score) for one in nodes
        ]
        ranked = rank_documents(self.reranker, self.user, query, retrieved, top_k=self.top_n)
        copies = []
        for one in ranked:
            node = nodes[one.index].node.model_copy(deep=True)
            node.metadata[_RANKING] = ranked.id
            node.excluded_embed_metadata_keys.append(_RANKING)
            node.excluded_llm_metadata_keys.append(_RANKING)
            copies.append(NodeWithScore(node=node, score=one.score))
        return copies
