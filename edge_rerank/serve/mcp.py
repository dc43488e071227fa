"""A tool for assistants, by the Model Context Protocol: an order and ids, and nothing else.

Needs the extra ``mcp``. What a tool answers goes to the assistant's model, often in a cloud, so it
takes a consent of its own, to the purpose "assistant", given by the one person whom the server was
started for; an assistant cannot name another. Neither history nor reasons nor scores go out. An
order says something all the same: whoever may ask often enough, with candidates made for it,
learns what a person likes. That is what the consent is to.
"""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

import edge_rerank
from edge_rerank.errors import ConsentRequired, EdgeRerankError, InvalidRequest
from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.serve.refusals import refusal_of
from edge_rerank.types import MAX_CATEGORIES, Item

if TYPE_CHECKING:
    from edge_rerank.reranker import Reranker

PURPOSE = "assistant"
"""What the person agrees to before an order leaves for a model."""


class Candidate(TypedDict):
    """Something to put in order."""

    id: Annotated[str, Field(description="what the order names it by", max_length=512)]
    text: Annotated[str, Field(description="a title, or a title and a short description")]
    categories: NotRequired[
        Annotated[
            list[str], Field(description="from general to specific", max_length=MAX_CATEGORIES)
        ]
    ]


class Order(TypedDict):
    """An order."""

    ids: Annotated[list[str], Field(description="of the items, the best first")]


Candidates = Annotated[
    list[Candidate], Field(description="what to order, each id once", max_length=MAX_CANDIDATES)
]
RULES = ("block", "caps", "collapse", "diversity", "pin", "spread")
"""Of a list policy, those that go by the items alone. ``had``, ``calibrate``, ``fatigue`` and
``rotate`` would tell what somebody had, likes or was shown; ``floor``, ``decay`` and ``fresh`` how
far scores are apart, by what falls below them; and what is explored is learnt from by nobody."""

Policy = Annotated[
    dict[str, Any] | None,
    Field(
        description="rules for the list, as "
        '{"block": {"words": ["casino"]}, "pin": {"id": 1}, "collapse": {}, '
        '"diversity": {"strength": 0.3}, "caps": [{"key": "category", "most": 2}], '
        '"spread": [{"key": "subcategory", "distance": 3}]}; keys are an item\'s first and last '
        "category; what is blocked, a near-duplicate or beyond a cap that is hard is left out"
    ),
]
Query = Annotated[str | None, Field(description="what is asked for, if anything is")]


def server_of(reranker: Reranker, *, user: str | None = None) -> MCPServer:
    """A server with the one tool.

    Args:
        reranker: what ranks; not closed here.
        user: the person at the machine; without one nobody's history is looked at.
    """
    server = MCPServer("edge-rerank", version=edge_rerank.__version__, log_level="CRITICAL")

    @server.tool(
        title="Order by relevance and taste",
        description="Put items in the order that fits a query and the person at this machine. "
        "Gives back ids, the best first. Runs on the machine.",
    )
    def rank(items: Candidates, query: Query = None, policy: Policy = None) -> Order:
        try:
            _check_consent(reranker, user)
            candidates = [Item(one["id"], one["text"], one.get("categories", ())) for one in items]
            ranking = reranker.rank(
                candidates, user, query=query, policy=_policy_of(policy), shown=False
            )  # to a model
        except EdgeRerankError as error:
            refusal = refusal_of(error)
            raise ToolError(f"{refusal.type}: {refusal.message}") from None
        return Order(ids=[ranked.item.id for ranked in ranking])

    return server


def serve_mcp(reranker: Reranker, *, user: str | None = None) -> None:
    """Serve on standard input and output until the input ends or a signal comes.

    Args:
        reranker: what ranks; not closed here.
        user: see :func:`server_of`.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server_of(reranker, user=user).run("stdio")


def _policy_of(record: dict[str, Any] | None) -> ListPolicy | None:
    """The rules that an assistant asks for; those of the reranker if ``None``.

    Raises:
        InvalidRequest: when they are malformed, or none of :data:`RULES`.
    """
    if record is None:
        return None
    if not record.keys() <= set(RULES):
        raise InvalidRequest(f"policy: expected only {', '.join(RULES)}; got another member")
    return ListPolicy.from_dict(record)


def _check_consent(reranker: Reranker, user: str | None) -> None:
    """See that the person agrees, each time anew.

    Raises:
        ConsentRequired: when they do not.
    """
    if user is not None and not reranker.history.consents(user).get(PURPOSE):
        raise ConsentRequired(f'the person has not agreed to the purpose "{PURPOSE}"')
