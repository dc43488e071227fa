"""The compliance report: per requirement of GDPR and PIPL, what was checked and what is owed.

It inspects a snapshot of one real history file, how its key is kept, and this process. It is
evidence for whoever answers for the processing, not legal advice: what no program can see (the
purpose, the notice, the contracts) it lists as owed by the host.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from edge_rerank.compliance import checks, trials
from edge_rerank.compliance.findings import Check, Finding, Subject, Verdict


@dataclass(frozen=True, slots=True)
class Requirement:
    """One article, and what it asks for in a few words.

    Attributes:
        law: "GDPR" or "PIPL".
        article: its number, with the paragraph where one is meant.
        asks: what it asks for.
        owed: what the host does that no program can see.
    """

    law: str
    article: str
    asks: str
    owed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A requirement with what was found; its verdict is the worst finding's."""

    requirement: Requirement
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Failed before owed before passed."""
        order = tuple(Verdict)
        return min((finding.verdict for finding in self.findings), key=order.index)


@dataclass(frozen=True, slots=True)
class ComplianceReport:
    """Every requirement with its findings.

    Attributes:
        history: name of the inspected file, without its folder.
        made: when, UTC, ISO 8601 to the second.
        sections: in the order of :data:`REQUIREMENTS`.
    """

    history: str
    made: str
    sections: tuple[Section, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed; what is owed does not count against the store."""
        return all(section.verdict is not Verdict.FAILED for section in self.sections)

    def to_json(self) -> str:
        """One JSON object: ``history``, ``made``, ``passed``, ``sections``."""
        sections = [
            {
                "law": section.requirement.law,
                "article": section.requirement.article,
                "asks": section.requirement.asks,
                "verdict": section.verdict.value,
                "findings": [asdict(finding) for finding in section.findings],
                "owed_by_host": list(section.requirement.owed),
            }
            for section in self.sections
        ]
        members = {
            "history": self.history,
            "made": self.made,
            "passed": self.passed,
            "sections": sections,
        }
        return json.dumps(members, ensure_ascii=False, indent=2)


REQUIREMENTS: tuple[tuple[Requirement, tuple[Check, ...]], ...] = (
    (
        Requirement(
            "GDPR",
            "5",
            "lawful, for a purpose, as little as needed, no longer than needed, secure, provable",
            ("write down the purpose and legal basis", "tell people in plain words"),
        ),
        (
            checks.data_kept,
            checks.consent,
            checks.minimisation,
            checks.retention,
            checks.sealing,
            checks.audit_log,
            checks.aggregates,
        ),
    ),
    (
        Requirement(
            "GDPR",
            "7",
            "consent that can be proven and withdrawn as easily as it was given",
            ("ask before recording, by purpose, unticked", "put withdrawal where asking was"),
        ),
        (checks.consent, trials.no_record_without_consent, trials.withdrawal, checks.audit_log),
    ),
    (
        Requirement(
            "GDPR",
            "15",
            "people see everything stored about them",
            ("offer profile and export in the application", "answer within a month"),
        ),
        (checks.data_kept, trials.access, checks.sealing),
    ),
    (
        Requirement(
            "GDPR",
            "17",
            "people have it erased",
            ("offer forget() in the application", "erase your own backups and key copies"),
        ),
        (trials.erasure, checks.erasure, checks.copies, checks.roll_back),
    ),
    (
        Requirement(
            "GDPR",
            "20",
            "people take it along in a common format",
            ("offer the export; seal it with the recipient's key when it travels",),
        ),
        (trials.portability, trials.sealed_export),
    ),
    (
        Requirement(
            "GDPR",
            "25",
            "data protection by design and by default",
            ("leave the defaults on, or document why not",),
        ),
        (
            checks.minimisation,
            checks.retention,
            checks.telemetry,
            trials.no_record_without_consent,
            trials.scrubbing,
        ),
    ),
    (
        Requirement(
            "GDPR",
            "32",
            "encryption, pseudonyms, integrity, resilience",
            ("encrypt the disk and swap", "update the system", "report breaches in 72 hours"),
        ),
        (
            checks.history_file,
            checks.key,
            checks.key_age,
            checks.copies,
            checks.sealing,
            checks.roll_back,
            checks.sqlite,
            checks.telemetry,
        ),
    ),
    (
        Requirement(
            "PIPL",
            "24",
            "automated recommendations offer a way without personal traits",
            ("offer a switch that ends personalisation", "explain reasons on request"),
        ),
        (trials.ranking_without_history, trials.withdrawal),
    ),
    (
        Requirement(
            "PIPL",
            "45",
            "people consult, copy and transfer their information",
            ("offer profile and export in the application",),
        ),
        (checks.data_kept, trials.access, trials.portability, trials.sealed_export),
    ),
    (
        Requirement(
            "PIPL",
            "47",
            "deletion when the purpose is met, the time is over or consent is withdrawn",
            ("erase on withdrawal unless the law says otherwise",),
        ),
        (checks.retention, checks.consent, trials.erasure, checks.erasure),
    ),
    (
        Requirement(
            "PIPL",
            "51",
            "classified management, encryption, de-identification, access control, training",
            ("train staff and limit access to the device", "keep an incident plan"),
        ),
        (
            checks.history_file,
            checks.key,
            checks.copies,
            checks.sealing,
            checks.minimisation,
            checks.audit_log,
        ),
    ),
)


def report_on(subject: Subject) -> ComplianceReport:
    """Run every check on one history.

    Args:
        subject: see :func:`edge_rerank.compliance.inspection.look`.
    """
    done: dict[Check, tuple[Finding, ...]] = {}

    def run(several: Iterable[Check]) -> tuple[Finding, ...]:
        for check in several:
            if check not in done:
                done[check] = tuple(check(subject))
        return tuple(finding for check in several for finding in done[check])

    sections = tuple(Section(requirement, run(several)) for requirement, several in REQUIREMENTS)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return ComplianceReport(subject.history.name, made, sections)
