"""Checks of the compliance report; each gives its verdict and its evidence.

Checks read: the files, what the opened store says of itself, and the running process. What
only trying shows (erasure, access, consent) is tried on a second store in memory with the
same code. No check repeats an identifier, a query or a text.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_rerank import _telemetry
from edge_rerank.privacy.kinds import Kind

OLDEST_SQLITE = (3, 39, 2)
"""The first without CVE-2022-35737 (memory corruption by long arguments)."""

GOOD_SQLITE = (3, 51, 3)
"""The first without the WAL-reset bug, which one exclusive connection does not meet."""


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
class Facts:
    """What the opened store says of itself.

    Attributes:
        people: how many it knows.
        events: how many it holds about them.
        without_consent: people with events who never agreed to personalisation.
        withdrawn: people with events who have withdrawn their consent.
        retention_days: how long events are kept; ``None`` for ever.
        retention_events: how many are kept a person; ``None`` for any number.
        expired: people with events that are past their time and still there.
        damage: what verifying every row, head and audit entry found; empty for nothing.
        audit_entries: how many the audit log has.
        rotation_due: whether something was erased and the key not replaced since.
        key_replaceable: whether erasure can replace the key by itself.
        anchored: whether an anchor outside the file guards against its roll-back.
        kept_kinds: kinds of personal data that the host has left in; ``None`` if not noted.
        epsilon_left: of the lifetime budget of aggregates.
    """

    people: int
    events: int
    without_consent: int
    withdrawn: int
    retention_days: float | None
    retention_events: int | None
    expired: int
    damage: str
    audit_entries: int
    rotation_due: bool
    key_replaceable: bool
    anchored: bool
    kept_kinds: frozenset[Kind] | None
    epsilon_left: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What is inspected: the history file, its key file if there is one, and the facts."""

    history: Path
    key_file: Path | None
    facts: Facts


Check = Callable[[Subject], Iterator[Finding]]


def files(subject: Subject) -> Iterator[Finding]:
    """Who may read the history and change the folder it lies in."""
    check = "history file"
    if os.name != "posix":
        yield Finding(check, Verdict.OWED, "this system has no POSIX modes", "check its ACL")
        return
    paths = [Path(f"{subject.history}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths if path.exists()}
    loose = [f"{name} has mode {mode:04o}" for name, mode in modes.items() if mode & 0o077]
    folder = subject.history.resolve().parent.stat()
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        loose.append("anyone may replace files in its folder")
    if subject.history.stat().st_uid != os.getuid():
        loose.append("it belongs to another user")
    if subject.history.is_symlink():
        loose.append("it is a symbolic link")
    if loose:
        yield Finding(check, Verdict.FAILED, "; ".join(loose), "chmod 600 the file, 700 its folder")
    else:
        yield Finding(check, Verdict.PASSED, "readable and writable by its owner only")


def key_file(subject: Subject) -> Iterator[Finding]:
    """Where the key lies, and who may read it."""
    name = "key"
    path = subject.key_file
    if path is None:
        yield Finding(
            name,
            Verdict.OWED,
            "the key does not come from a file, so its place was not inspected",
            "keep it in a keyring, TPM or KMS, apart from every backup of the history",
        )
        return
    wrong = []
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        wrong.append(f"mode {mode:04o}")
    if path.resolve().parent == subject.history.resolve().parent:
        wrong.append("it lies in the folder of the history, and so in the same backups")
    if wrong:
        remedy = "chmod 600 it, and move it to another volume or a keyring"
        yield Finding(name, Verdict.FAILED, "; ".join(wrong), remedy)
    else:
        yield Finding(name, Verdict.PASSED, f"file of mode {mode:04o} in another folder")


def sealing(subject: Subject) -> Iterator[Finding]:
    """Whether everything opens, and nothing was changed."""
    facts = subject.facts
    if facts.damage:
        yield Finding("sealing", Verdict.FAILED, facts.damage, "restore the file from a backup")
    else:
        seen = f"{facts.events} events of {facts.people} people opened under their own keys"
        yield Finding("sealing", Verdict.PASSED, f"{seen} (XAES-256-GCM); every sum fits")


def roll_back(subject: Subject) -> Iterator[Finding]:
    """Whether an old copy of the whole file would be noticed."""
    if subject.facts.anchored:
        yield Finding("roll-back", Verdict.PASSED, "an anchor outside the file is in use")
    else:
        yield Finding(
            "roll-back",
            Verdict.OWED,
            "no anchor: an old copy of the whole file, with its key, would be accepted",
            "give anchor= a file on another volume, or a counter of the host's",
        )


def sqlite(subject: Subject) -> Iterator[Finding]:
    """The version of SQLite, and the free pages of the file."""
    del subject
    version = sqlite3.sqlite_version_info
    text = f"SQLite {sqlite3.sqlite_version}"
    if version < OLDEST_SQLITE:
        yield Finding("sqlite", Verdict.FAILED, f"{text} has known flaws", "update SQLite")
    elif version < GOOD_SQLITE:
        good = ".".join(map(str, GOOD_SQLITE))
        yield Finding(
            "sqlite",
            Verdict.OWED,
            f"{text}; one exclusive connection avoids the WAL-reset bug that {good} mended",
            f"update SQLite to {good} when the system offers it",
        )
    else:
        yield Finding("sqlite", Verdict.PASSED, text)


def telemetry(subject: Subject) -> Iterator[Finding]:
    """Whether onnxruntime was kept from reporting usage."""
    del subject
    if _telemetry.TELEMETRY_OFF and os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        evidence = "ORT_DISABLE_TELEMETRY=1 was set before onnxruntime was loaded"
        yield Finding("telemetry", Verdict.PASSED, evidence)
    else:
        yield Finding(
            "telemetry",
            Verdict.FAILED,
            "onnxruntime may report usage from this process",
            "import edge_rerank first, or set ORT_DISABLE_TELEMETRY=1 for the process",
        )


def retention(subject: Subject) -> Iterator[Finding]:
    """Whether events are kept for a stated time only."""
    facts = subject.facts
    if facts.retention_days is None:
        yield Finding(
            "retention",
            Verdict.FAILED,
            "events are kept for ever",
            "set a retention by age that fits the purpose",
        )
        return
    limit = f"events are kept {facts.retention_days:g} days"
    if facts.retention_events is not None:
        limit += f", at most {facts.retention_events} a person"
    if facts.expired:
        evidence = f"{limit}; {facts.expired} people have events past that"
        yield Finding("retention", Verdict.FAILED, evidence, "open the store more often")
    else:
        yield Finding("retention", Verdict.PASSED, f"{limit}; none is past that")


def consent(subject: Subject) -> Iterator[Finding]:
    """Whether everyone with events has agreed."""
    facts = subject.facts
    if facts.without_consent:
        yield Finding(
            "consent",
            Verdict.FAILED,
            f"people with events who never agreed: {facts.without_consent}",
            "erase them",
        )
    elif facts.withdrawn:
        yield Finding(
            "consent",
            Verdict.OWED,
            f"people who have withdrawn and whose events are still there: {facts.withdrawn}",
            "erase them unless another legal basis is documented",
        )
    else:
        yield Finding("consent", Verdict.PASSED, "everyone with events has agreed, by purpose")


def erasure(subject: Subject) -> Iterator[Finding]:
    """Whether old copies of the file are closed to what was erased since."""
    facts = subject.facts
    if facts.rotation_due:
        yield Finding(
            "erasure",
            Verdict.FAILED,
            "something was erased and the key has not been replaced since",
            "call rotate_key() with a new key and destroy the old one",
        )
    elif facts.key_replaceable:
        evidence = "every erasure replaces the key; none is pending"
        yield Finding("erasure", Verdict.PASSED, evidence)
    else:
        yield Finding(
            "erasure",
            Verdict.OWED,
            "none is pending, but the host holds the key itself",
            "after each erasure call rotate_key() and destroy the old key",
        )


def minimisation(subject: Subject) -> Iterator[Finding]:
    """Which kinds of personal data are left in queries and texts."""
    kept = subject.facts.kept_kinds
    if kept is None:
        evidence = "the store has not noted what is taken out of queries"
        yield Finding(
            "minimisation", Verdict.OWED, evidence, "record through a Reranker or a History"
        )
    elif kept:
        yield Finding(
            "minimisation",
            Verdict.OWED,
            f"left in queries and texts by the host: {', '.join(sorted(kept))}",
            "document why they are needed, or stop keeping them",
        )
    else:
        evidence = f"taken out before sealing: {', '.join(Kind)}; time kept to the second"
        yield Finding("minimisation", Verdict.PASSED, evidence)


def audit_log(subject: Subject) -> Iterator[Finding]:
    """Whether consent, access and erasure left a trace that no one edited."""
    entries = subject.facts.audit_entries
    if subject.facts.damage:
        yield Finding("audit log", Verdict.FAILED, "see sealing", "see sealing")
    elif not entries and subject.facts.people:
        yield Finding("audit log", Verdict.FAILED, "empty, though there are people", "investigate")
    else:
        yield Finding("audit log", Verdict.PASSED, f"{entries} entries, chained and sealed")


def aggregates(subject: Subject) -> Iterator[Finding]:
    """What is left of the budget of counts."""
    left = subject.facts.epsilon_left
    evidence = f"ε of {left:g} left for the life of the file; 20 people or more behind a count"
    yield Finding("aggregates", Verdict.PASSED, evidence)
