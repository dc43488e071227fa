"""Haystack ranker component that reranks for one person."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from edge_rerank.guest import GuestSession
from edge_rerank.history.keys.sources import KeyEnv
from edge_rerank.integrations._call import Document as Retrieved
from edge_rerank.integrations._call import User, missing, rank_documents
from edge_rerank.reranker import Reranker

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.core.errors import SerializationError
    from haystack.utils import deserialize_callable, serialize_callable
except ImportError:
    raise missing("haystack") from None


@component
class EdgeRerankRanker:
    """Reranks the documents of a pipeline.

    Args:
        reranker: the application's, or a guest session; a pipeline with one cannot be written to
            a file. Where there is none, one is opened from the next three when first needed.
        pack: a pack folder or the name of an installed one; the shipped one if ``None``.
        history: the encrypted history file; without one, no history counts.
        key_env: name of the environment variable that holds the file's key, in hexadecimal.
        user: whose history counts: a name, a function that gives it at each call, or ``None``.
        top_k: how many documents to return, all if ``None``.
    """

    def __init__(
        self,
        *,
        reranker: Reranker | GuestSession | None = None,
        pack: str | None = None,
        history: str | None = None,
        key_env: str | None = None,
        user: User = None,
        top_k: int | None = None,
    ) -> None:
        self.pack, self.history, self.key_env = pack, history, key_env
        self.user, self.top_k = user, top_k
        self._given, self._reranker = reranker is not None, reranker

    def warm_up(self) -> None:
        """Open the pack and the history, unless that is done."""
        if self._reranker is None:
            key = None if self.key_env is None else KeyEnv(self.key_env)
            self._reranker = Reranker.open(self.pack, history=self.history, key=key)

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Copies of the documents, best first, with scores from 0 to 1.

        Their ``meta`` has ``relevance_score`` too, and ``ranking_id``, which an event that
        follows carries in ``Event.ranking``.
        """
        self.warm_up()
        retrieved: list[Retrieved] = [(one.id, one.content or "", one.score) for one in documents]
        keep = self.top_k if top_k is None else top_k
        assert self._reranker is not None  # noqa: S101 - warm_up() has opened it
        ranked = rank_documents(self._reranker, self.user, query, retrieved, top_k=keep)
        copies = []
        for one in ranked:
            document = documents[one.index]
            meta = {**document.meta, "relevance_score": one.score, "ranking_id": ranked.id}
            copies.append(replace(document, score=one.score, meta=meta))
        return {"documents": copies}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """:meth:`run` in a worker thread."""
        return await asyncio.to_thread(self.run, query, documents, top_k)

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`from_dict` makes the same component of; no key is in it.

        Raises:
            SerializationError: when an open reranker was given.
        """
        if self._given:
            raise SerializationError(
                "an open reranker holds a key: give pack, history and key_env instead"
            )
        user = {"callable": serialize_callable(self.user)} if callable(self.user) else self.user
        return default_to_dict(
            self,
            pack=self.pack,
            history=self.history,
            key_env=self.key_env,
            user=user,
            top_k=self.top_k,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EdgeRerankRanker:
        """The component that :meth:`to_dict` wrote."""
        given = dict(data["init_parameters"])
        if isinstance(given.get("user"), dict):
            given["user"] = deserialize_callable(given["user"]["callable"])
        return default_from_dict(cls, {**data, "init_parameters": given})
