"""Errors as other programs see them: a code of JSON-RPC, a status of HTTP, a name and a message.

Messages come from :mod:`edge_rerank.errors`, which hold no text, query or id. What else goes wrong
is told by its class to the log and by nothing to the caller: a foreign message may hold anything.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from json import JSONDecodeError

from edge_rerank.errors import (
    ClosedError,
    ConsentRequired,
    EdgeRerankError,
    HistoryError,
    InferenceError,
    InvalidInput,
    PackError,
)

logger = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_CALL = -32600
UNKNOWN_METHOD = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
BUSY = -32005
TOO_LARGE = -32006

_ANSWERS: tuple[tuple[type[EdgeRerankError], int, int], ...] = (
    (InvalidInput, INVALID_PARAMS, 422),
    (ConsentRequired, -32001, 403),
    (HistoryError, -32002, 503),
    (InferenceError, -32003, 424),
    (PackError, -32003, 424),
    (ClosedError, -32004, 410),
)
"""Code and status by class; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was not answered.

    Attributes:
        code: of JSON-RPC.
        status: of HTTP.
        type: name of the error's class in Python, or one of ours.
        message: what was expected and what came.
    """

    code: int
    status: int
    type: str
    message: str


class Refused(Exception):  # noqa: N818 - it carries a refusal
    """A call that the server itself refuses, before or instead of ranking."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refusal_of(error: Exception) -> Refusal:
    """What to answer where ``error`` was raised."""
    if isinstance(error, Refused):
        return error.refusal
    name = type(error).__name__
    for kind, code, status in _ANSWERS:
        if isinstance(error, kind):
            return Refusal(code, status, name, str(error))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "nowhere"
    logger.error("a call failed: %s in %s", name, place)
    return Refusal(INTERNAL_ERROR, 500, "InternalError", "the server failed: its log says where")


def parse_error(error: Exception) -> Refused:
    """What came is no JSON; where ``error``, its parser's, says so, from which place on."""
    where = ""
    if isinstance(error, JSONDecodeError):
        where = f", got something else at line {error.lineno}, column {error.colno}"
    elif isinstance(error, UnicodeDecodeError):
        where = f", got something else at byte {error.start}"
    return Refused(Refusal(PARSE_ERROR, 400, "ParseError", f"expected JSON in UTF-8{where}"))


def invalid_call(message: str) -> Refused:
    """What came is JSON, but no request of JSON-RPC."""
    return Refused(Refusal(INVALID_CALL, 400, "InvalidCall", message))


def unknown_method() -> Refused:
    """There is no such method."""
    message = "method: expected one of the server's page, got another"
    return Refused(Refusal(UNKNOWN_METHOD, 404, "UnknownMethod", message))


def busy(message: str) -> Refused:
    """The server does as much as it takes on at a time."""
    return Refused(Refusal(BUSY, 429, "Busy", message))


def stopping() -> Refused:
    """The server was asked to stop, and the call took longer than it then waits."""
    message = "the server stops: the call took too long, and what it was to change it may have"
    return Refused(Refusal(INTERNAL_ERROR, 503, "Stopping", message))


def too_large(most: int) -> Refused:
    """The request is larger than what is read."""
    message = f"request: expected at most {most} bytes, got more"
    return Refused(Refusal(TOO_LARGE, 413, "TooLarge", message))
