"""Verification: a look at every byte of an open history file."""

from __future__ import annotations

from edge_rerank.errors import HistoryCorrupt, HistoryError
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.receipts import Verification
from edge_rerank.history.vault.root import BUCKETS
from edge_rerank.history.vault.vault import Vault


def verify_vault(vault: Vault) -> Verification:
    """Check everything, note what is wrong, and go on with the rest."""
    findings: list[str] = []
    people = events = entries = 0

    def note(error: HistoryError) -> None:
        if str(error) not in findings:
            findings.append(str(error))

    try:
        with typed_errors():
            findings += _file_findings(vault)
            vault.notes.verify(vault.root, again=True)
    except HistoryError as error:
        note(error)
    vault.catch_up()
    if vault.anchor_behind:
        findings.append("the anchor could not be written: it is behind the file")
    for bucket in range(BUCKETS):
        try:
            with typed_errors():
                if vault.people.sums.is_broken(vault.root, bucket):
                    note(HistoryCorrupt("sums over people were changed: repair() makes them anew"))
                vault.people.verify_bucket(vault.root, bucket, again=True)
                if vault.people.unsure(bucket):
                    note(HistoryCorrupt("a person's record was added, removed or replaced"))
                whole, damaged = vault.people.survivors(vault.root, bucket)
                people += len(whole) + damaged
                if damaged:
                    note(HistoryCorrupt("a person's record cannot be opened"))
        except HistoryError as error:
            note(error)
            continue
        for person in whole:
            try:
                with typed_errors():
                    vault.rows.verify(person, again=True)
                    events += len(vault.rows.load(person))
                    vault.states.verify(person)
            except HistoryError as error:
                note(error)
    try:
        with typed_errors():
            entries = len(vault.audit.entries(vault.root))
    except HistoryError as error:
        note(error)
    return Verification(
        people=people,
        events=events,
        audit_entries=entries,
        generation=vault.root.generation,
        anchored=vault.anchored,
        findings=tuple(findings),
    )


def _file_findings(vault: Vault) -> list[str]:
    """What SQLite finds, and what belongs to nobody."""
    findings = []
    report = vault.file.execute("PRAGMA integrity_check").fetchall()
    if report != [("ok",)]:
        findings.append(f"SQLite finds {len(report)} faults in its pages or indexes")
    orphans = {"events": vault.rows.orphans(), "parts of states": vault.states.orphans()}
    findings += [f"{count} {what} belong to nobody" for what, count in orphans.items() if count]
    return findings
