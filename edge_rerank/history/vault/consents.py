"""Consents: what a person agreed to, by purpose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_rerank.errors import InvalidRequest

PERSONALISATION = "personalisation"
"""The purpose without whose consent nothing is recorded and no history is read."""

MAX_PURPOSES = 16
_PURPOSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer.

    Attributes:
        granted: whether the person agreed.
        at: UTC seconds of the answer.
    """

    granted: bool
    at: int


def check_purpose(purpose: object) -> str:
    """Return ``purpose`` if it can name one.

    Raises:
        InvalidRequest: when it is not 1 to 64 ASCII letters, digits, dots, dashes or
            underscores, beginning with a letter or a digit.
    """
    if not isinstance(purpose, str) or not _PURPOSE.fullmatch(purpose):
        raise InvalidRequest("purpose: expected 1 to 64 of A-Z a-z 0-9 . _ -, got something else")
    return purpose


def decide(
    decisions: Mapping[str, Decision], purpose: str, decision: Decision
) -> Mapping[str, Decision]:
    """The decisions with one more or another one.

    Raises:
        InvalidRequest: when there would be more than :data:`MAX_PURPOSES`.
    """
    after = {**decisions, purpose: decision}
    if len(after) > MAX_PURPOSES:
        raise InvalidRequest(f"purpose: expected at most {MAX_PURPOSES} different ones, got more")
    return after
