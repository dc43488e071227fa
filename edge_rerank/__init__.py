"""Personalised reranking on the person's own device.

The one door is :class:`Reranker`; see the README for a run from event to reordered list.
"""

from edge_rerank import _telemetry  # isort: skip - must precede any import of onnxruntime

from edge_rerank import errors
from edge_rerank.guest import GuestSession
from edge_rerank.history.import_log import ImportSummary
from edge_rerank.profile import Profile
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import (
    Degradation,
    Event,
    EventType,
    Item,
    RankedItem,
    Reason,
    ReasonCode,
)

__version__ = "0.1.0"

__all__ = [
    "Degradation",
    "Event",
    "EventType",
    "GuestSession",
    "ImportSummary",
    "Item",
    "Profile",
    "RankedItem",
    "Ranking",
    "Reason",
    "ReasonCode",
    "Reranker",
    "errors",
]

del _telemetry
