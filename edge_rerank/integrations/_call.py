"""A call of ``rank_texts()`` from a framework's documents, whoever it is made for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Unpack

from edge_rerank.errors import MissingExtra
from edge_rerank.guest import GuestSession
from edge_rerank.ranking.options import ListOptions
from edge_rerank.reranker import Reranker
from edge_rerank.texts import RankedTexts

User = str | Callable[[], str | None] | None
"""For whom: a name, or what gives it when it is asked, such as ``ContextVar.get``."""

Document = tuple[str | int | None, str, float | None]
"""An id where there is one, a text, and the retriever's score where there is one."""


def rank_documents(
    reranker: Reranker | GuestSession,
    user: User,
    query: str | None,
    documents: Iterable[Document],
    **options: Unpack[ListOptions],
) -> RankedTexts:
    """Rank documents for whoever is there.

    Retrievers may return one document twice; the second one gets an id of its own.

    Args:
        reranker: a guest session's visitor is known already.
        user: for whom.
        query: what was asked for.
        documents: in the order in which they were retrieved.
        options: see :class:`edge_rerank.RankOptions`.
    """
    seen: set[str] = set()
    texts: list[dict[str, object]] = []
    for name, text, score in documents:
        known = None if name is None or not str(name) or str(name) in seen else name
        seen.add(str(name))
        texts.append({"id": known, "text": text, "score": score})
    if isinstance(reranker, GuestSession):
        return reranker.rank_texts(query, texts, **options)
    return reranker.rank_texts(query, texts, user() if callable(user) else user, **options)


def missing(extra: str) -> MissingExtra:
    """The command that installs what an adapter is for."""
    return MissingExtra(f'pip install "edge-rerank[{extra}]"')
