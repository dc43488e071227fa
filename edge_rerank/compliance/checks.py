"""Checks of the compliance report; each gives its verdict and its evidence.

Checks read: the files, a snapshot of what the history says of itself, and the running process.
What only trying shows (erasure, access, consent) is tried on a second store in memory with the
same code. No check repeats an identifier, a query or a text.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

from edge_rerank import _telemetry
from edge_rerank.compliance.facts import AnchorState, Facts
from edge_rerank.compliance.findings import Check, Finding, Subject, Verdict
from edge_rerank.compliance.keeping import KeyKind
from edge_rerank.compliance.places import SIDECARS, looseness
from edge_rerank.history.vault.sqlite import FLAWS, sqlite_facts
from edge_rerank.privacy.kinds import Kind

USUAL_RETENTION_DAYS = 395.0
"""13 months, the default: a year's habits and a month to compare them with the next one's."""

MAX_RETENTION_DAYS = 760.0
"""25 months: what the French CNIL recommends as the most for data that trackers collect."""

MAX_UNROTATED_DAYS = 7.0
"""Days after an erasure within which a host that holds the key itself replaces it.

Half of it would do for who erases by hand; the law's month (GDPR 12(3)) is for the whole answer.
"""

MAX_KEY_AGE_DAYS = 730.0
"""Two years: how long NIST SP 800-57 part 1 lets a key that wraps others be used."""


def history_file(subject: Subject) -> Iterator[Finding]:
    """Who may read the history and change the folder it lies in."""
    check = "history file"
    if os.name != "posix":
        yield Finding(check, Verdict.OWED, "this system has no POSIX modes", "check its ACL")
        return
    sidecars = [Path(f"{subject.history.resolve()}{suffix}") for suffix in SIDECARS[1:]]
    paths = [subject.history, *filter(Path.exists, sidecars)]
    wrong = dict.fromkeys(one for path in paths for one in looseness(path))
    if wrong:
        remedy = "chmod 600 the file and 700 its folder, outside of repositories, under one name"
        yield Finding(check, Verdict.FAILED, "; ".join(wrong), remedy)
    else:
        yield Finding(check, Verdict.PASSED, "readable and writable by its owner only")


def key(subject: Subject) -> Iterator[Finding]:
    """Where the key comes from, who may read it, and whether it can be guessed."""
    check = "key"
    keeping, path = subject.keeping, subject.keeping.path
    wrong = [keeping.weakness] if keeping.weakness else []
    if path is not None:
        if os.name == "posix":
            wrong += looseness(path)
        if path.resolve().is_relative_to(subject.history.resolve().parent):
            wrong.append("it lies in the folder of the history, and so in the same backups")
    if wrong:
        remedy = (
            "make a random key, chmod 600 its file, and keep it on another volume or in a keyring"
        )
        yield Finding(check, Verdict.FAILED, "; ".join(wrong), remedy)
    elif path is not None:
        if subject.history.resolve().is_relative_to(path.resolve().parent):
            evidence = f"{keeping.kind}, in a folder above the history's"
            remedy = "see that no backup takes that folder as a whole"
            yield Finding(check, Verdict.OWED, evidence, remedy)
        else:
            evidence = f"{keeping.kind}, which its owner alone can read, in another folder"
            yield Finding(check, Verdict.PASSED, evidence)
    elif keeping.kind is KeyKind.KEYRING:
        yield Finding(check, Verdict.PASSED, f"it lies in {keeping.kind}")
    else:
        evidence = f"it comes from {keeping.kind}, so its place was not inspected"
        remedy = "keep it in a keyring, TPM or KMS, apart from every backup of the history"
        yield Finding(check, Verdict.OWED, evidence, remedy)


def copies(subject: Subject) -> Iterator[Finding]:
    """Whether copies of the history or its key lie about: erasure does not reach those."""
    found = subject.copies
    seen = [
        f"{what}: {', '.join(sorted(names)[:3])}{' and more' if len(names) > 3 else ''}"
        for what, names in (("of the history", found.history), ("of the key", found.key))
        if names
    ]
    amount = f"{found.looked_at} files in and around the folders of history and key"
    if seen:
        remedy = "erase them: forget() and expiry do not reach copies"
        evidence = f"copies {'; '.join(seen)}, as seen from the history's folder"
        yield Finding("copies", Verdict.FAILED, evidence, remedy)
    elif not found.complete:
        evidence = f"none among the nearest {amount}; the others were not looked at"
        yield Finding("copies", Verdict.OWED, evidence, "give history and key folders of their own")
    else:
        yield Finding("copies", Verdict.PASSED, f"none among {amount}")


def _of_the_history(name: str) -> Callable[[Callable[[Facts], Iterator[Finding]]], Check]:
    """A check of what the opened history says; it fails where none could be opened."""

    def decorate(look: Callable[[Facts], Iterator[Finding]]) -> Check:
        @wraps(look)
        def check(subject: Subject) -> Iterator[Finding]:
            if subject.facts is None:
                remedy = "restore the file from a backup, or erase it"
                evidence = f"the history could not be opened: {subject.refusal}"
                yield Finding(name, Verdict.FAILED, evidence, remedy)
            else:
                yield from look(subject.facts)

        return check

    return decorate


@_of_the_history("data kept")
def data_kept(facts: Facts) -> Iterator[Finding]:
    """Which kinds of data lie in the history, and of how many people."""
    kinds = [
        f"events ({facts.events})",
        f"attributes that the application stated (of {facts.described} people)",
        f"what was learnt from the events (of {facts.learnt} people)",
        f"decisions on consent, and pseudonyms (of {facts.people} people)",
    ]
    yield Finding("data kept", Verdict.PASSED, "; ".join(kinds))


@_of_the_history("sealing")
def sealing(facts: Facts) -> Iterator[Finding]:
    """Whether everything opens, and nothing was changed."""
    if facts.damage:
        yield Finding("sealing", Verdict.FAILED, facts.damage, "restore the file from a backup")
    else:
        seen = f"{facts.events} events of {facts.people} people opened under their own keys"
        yield Finding("sealing", Verdict.PASSED, f"{seen} (XAES-256-GCM); every sum fits")


def roll_back(subject: Subject) -> Iterator[Finding]:
    """Whether an old copy of the whole file would be noticed."""
    check, state = "roll-back", subject.anchor_state
    remedy = "give anchor= a file on another volume, or a counter of the host's"
    if state in _BAD_ANCHORS:
        evidence, remedy = _BAD_ANCHORS[state]
        yield Finding(check, Verdict.FAILED, evidence, remedy)
    elif state is AnchorState.NONE:
        evidence = "no anchor: an old copy of the whole file, with its key, would be accepted"
        yield Finding(check, Verdict.OWED, evidence, remedy)
    elif wrong := _anchor_place(subject):
        yield Finding(check, Verdict.FAILED, wrong, remedy)
    elif state is AnchorState.UNUSED:
        evidence = "the anchor holds nothing yet: the history has not been opened with it"
        yield Finding(check, Verdict.OWED, evidence, "open the history with it once")
    else:
        yield Finding(check, Verdict.PASSED, "an anchor outside the file agrees with it")


_BAD_ANCHORS = {
    AnchorState.DROPPED: (
        "the history has had an anchor and was inspected without: an old copy would be accepted",
        "inspect and open it with its anchor",
    ),
    AnchorState.GONE: (
        "the anchor is gone, and with it what would show an old copy",
        "see that the file is the newest, open it without, and give History.anchor_to() a new one",
    ),
    AnchorState.UNREAD: (
        "the history could not be opened, so its anchor was not compared",
        "see sealing",
    ),
    AnchorState.DISAGREES: (
        "the file is older than its anchor says, or another one",
        "put the newest file back",
    ),
}


def _anchor_place(subject: Subject) -> str:
    """What is wrong with where the anchor lies; empty for nothing."""
    path = subject.anchor
    if path is None or not path.exists():
        return ""
    wrong = []
    if path.resolve().is_relative_to(subject.history.resolve().parent):
        wrong.append("the anchor lies in the folder of the history, and goes back with it")
    if os.name == "posix" and path.stat().st_mode & 0o022:
        wrong.append("others may change the anchor")
    return "; ".join(wrong)


def sqlite(subject: Subject) -> Iterator[Finding]:
    """The version of SQLite that this process has loaded."""
    del subject
    facts = sqlite_facts(sqlite3.sqlite_version_info)
    if not facts.flaws:
        yield Finding("sqlite", Verdict.PASSED, f"SQLite {facts.version}")
        return
    (_, worst), *_ = FLAWS
    verdict = Verdict.FAILED if worst in facts.flaws else Verdict.OWED
    evidence = f"SQLite {facts.version} by its number has {', '.join(facts.flaws)}"
    remedy = f"update SQLite to {facts.mended}, or see that the system has mended this one"
    yield Finding("sqlite", verdict, evidence, remedy)


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


@_of_the_history("retention")
def retention(facts: Facts) -> Iterator[Finding]:
    """Whether events are kept for a stated time only."""
    if facts.retention_days is None:
        yield Finding(
            "retention",
            Verdict.FAILED,
            "events and attributes are kept for ever",
            "set a retention by age that fits the purpose",
        )
        return
    limit = f"events and attributes are kept {facts.retention_days:g} days"
    if facts.retention_events is not None:
        limit += f", at most {facts.retention_events} events a person"
    if facts.expired:
        evidence = f"{limit}; {facts.expired} people have some past that"
        yield Finding("retention", Verdict.FAILED, evidence, "open the history more often")
    elif facts.retention_days > MAX_RETENTION_DAYS:
        evidence = f"{limit}; expected {MAX_RETENTION_DAYS:g} at most"
        yield Finding("retention", Verdict.FAILED, evidence, "keep them for a shorter time")
    elif facts.retention_days > USUAL_RETENTION_DAYS:
        remedy = f"document why more than {USUAL_RETENTION_DAYS:g} days are needed"
        yield Finding("retention", Verdict.OWED, limit, remedy)
    else:
        yield Finding("retention", Verdict.PASSED, f"{limit}; none is past that")


@_of_the_history("consent")
def consent(facts: Facts) -> Iterator[Finding]:
    """Whether everyone of whom something is kept has agreed."""
    if facts.without_consent:
        yield Finding(
            "consent",
            Verdict.FAILED,
            f"people with events or attributes who never agreed: {facts.without_consent}",
            "erase them",
        )
    elif facts.withdrawn:
        yield Finding(
            "consent",
            Verdict.OWED,
            f"people who have withdrawn and whose data are still there: {facts.withdrawn}",
            "erase them unless another legal basis is documented",
        )
    else:
        yield Finding("consent", Verdict.PASSED, "everyone who is known has agreed, by purpose")


@_of_the_history("erasure")
def erasure(facts: Facts) -> Iterator[Finding]:
    """Whether old copies of the file are closed to what was erased since."""
    check, remedy = "erasure", "call rotate_key() with a new key and destroy the old one"
    days = facts.unrotated_days
    if facts.rotation_due and facts.key_replaceable:
        evidence = "something was erased and the key has not been replaced since"
        yield Finding(check, Verdict.FAILED, evidence, remedy)
    elif days is not None:
        evidence = f"someone was erased {days:.0f} days ago and the key not replaced since"
        late = days > MAX_UNROTATED_DAYS
        if late:
            evidence += f"; expected within {MAX_UNROTATED_DAYS:.0f}"
        yield Finding(check, Verdict.FAILED if late else Verdict.OWED, evidence, remedy)
    elif facts.removals:
        evidence = f"single events went {facts.removals} times, and old copies still hold them"
        remedy = "where there may be copies, call rekey() and destroy the old key"
        yield Finding(check, Verdict.OWED, evidence, remedy)
    elif facts.key_replaceable:
        evidence = f"{facts.erasures} people erased, the key replaced after the last of them"
        nobody = "nobody was erased yet; from this source erasing replaces the key"
        yield Finding(check, Verdict.PASSED, evidence if facts.erasures else nobody)
    else:
        evidence = f"none of {facts.erasures} is pending, but the host holds the key itself"
        yield Finding(check, Verdict.OWED, evidence, f"after each erasure {remedy}")


@_of_the_history("key age")
def key_age(facts: Facts) -> Iterator[Finding]:
    """How long the key has been the same."""
    days = facts.key_age_days
    evidence = f"the key is {max(days, 0):.0f} days old"
    if days > MAX_KEY_AGE_DAYS:
        evidence += f"; expected {MAX_KEY_AGE_DAYS:.0f} at most"
        yield Finding("key age", Verdict.FAILED, evidence, "call rotate_key()")
    else:
        yield Finding("key age", Verdict.PASSED, evidence)


@_of_the_history("minimisation")
def minimisation(facts: Facts) -> Iterator[Finding]:
    """Which kinds of personal data are left in queries and texts."""
    kept = facts.kept_kinds
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


@_of_the_history("audit log")
def audit_log(facts: Facts) -> Iterator[Finding]:
    """Whether consent, access and erasure left a trace that no one edited."""
    entries = facts.audit_entries
    if facts.damage:
        yield Finding("audit log", Verdict.FAILED, "see sealing", "see sealing")
    elif not entries and facts.people:
        yield Finding("audit log", Verdict.FAILED, "empty, though there are people", "investigate")
    else:
        yield Finding("audit log", Verdict.PASSED, f"{entries} entries, chained and sealed")


@_of_the_history("aggregates")
def aggregates(facts: Facts) -> Iterator[Finding]:
    """What is left of the budget of counts."""
    left = facts.epsilon_left
    evidence = f"ε of {left:g} left for the life of the file; 20 people or more behind a count"
    yield Finding("aggregates", Verdict.PASSED, evidence)
