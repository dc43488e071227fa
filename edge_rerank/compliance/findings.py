"""Findings of the compliance report, and the subject that its checks look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_rerank.compliance.facts import AnchorState, Facts
from edge_rerank.compliance.keeping import Keeping
from edge_rerank.compliance.places import Copies


class Verdict(StrEnum):
    """The outcome of a check, worst first."""

    FAILED = "failed"
    OWED = "owed"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    Attributes:
        check: short name, stable over versions.
        verdict: failed, owed by the host, or passed.
        evidence: what was looked at and what was seen.
        remedy: what the host does about it; empty when the check passed.
    """

    check: str
    verdict: Verdict
    evidence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is inspected.

    Attributes:
        history: the history file.
        keeping: how its key is kept.
        anchor: the anchor's file; ``None`` where there is none or it is no file.
        anchor_state: what the anchor says of the file.
        copies: of history and key, nearby.
        facts: what the opened history says of itself; ``None`` when it could not be opened.
        refusal: why not.
    """

    history: Path
    keeping: Keeping
    anchor: Path | None
    anchor_state: AnchorState
    copies: Copies
    facts: Facts | None
    refusal: str = ""


Check = Callable[[Subject], Iterator[Finding]]
