"""Trials of the compliance report: checks that try something, on made-up people.

Each runs the code that serves the real store, in memory or in a temporary folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge_rerank.compliance.findings import Finding, Subject, Verdict
from edge_rerank.errors import ConsentRequired, EdgeRerankError, HistoryKeyError
from edge_rerank.formats.attributes import Values
from edge_rerank.history import transfer
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.types import Event, Item

_USER = "trial"
_NOW = 1_700_000_000.0
_EVENTS = (
    Event("click", Item("1", "a trial"), timestamp=_NOW - 60),
    Event("view", Item("2", "another"), timestamp=_NOW - 30, dwell_s=12.0, scroll=0.5),
    Event("search", query="trial words", timestamp=_NOW - 10),
)
_ATTRIBUTES: Values = {"age_group": "30-39", "floor": 2}
_SAMPLES = {
    Kind.ACCESS_TOKEN: "ghp_" + "a1B2c3D4e5" * 3,
    Kind.EMAIL: "trial@example.com",
    Kind.IP_ADDRESS: "192.0.2.1",
    Kind.IBAN: "DE89 3704 0044 0532 0130 00",
    Kind.PAYMENT_CARD: "4111 1111 1111 1111",
    Kind.NATIONAL_ID: "078-05-1120",
    Kind.PHONE: "+1 415 555 0100",
}

Trial = Callable[[], str]
"""Returns the evidence; an ``AssertionError`` says what did not hold."""


def _trial(name: str) -> Callable[[Trial], Callable[[Subject], Iterator[Finding]]]:
    def decorate(trial: Trial) -> Callable[[Subject], Iterator[Finding]]:
        @wraps(trial)
        def check(subject: Subject) -> Iterator[Finding]:
            del subject
            remedy = "do not use this installation: it does not do what it promises"
            try:
                yield Finding(name, Verdict.PASSED, f"tried: {trial()}")
            except _DoesNotHold as error:
                yield Finding(name, Verdict.FAILED, f"tried: {error}", remedy)
            except EdgeRerankError as error:
                yield Finding(name, Verdict.FAILED, f"tried: {type(error).__name__}", remedy)

        return check

    return decorate


class _DoesNotHold(Exception):  # noqa: N818 - private, becomes a finding
    """A trial went wrong."""


@_trial("no consent, no record")
def no_record_without_consent() -> str:
    """Recording for someone who has not agreed."""
    with History.open() as history:
        if not _refuses(history) or history.all_events(_USER):
            raise _DoesNotHold("something was recorded without consent")
    return "recording without consent was refused, and nothing was stored"


@_trial("withdrawal")
def withdrawal() -> str:
    """Withdrawing consent between two calls."""
    with _recorded(History.open()) as history:
        history.consent(_USER, False)
        if not _refuses(history) or history.events(_USER) or history.description(_USER):
            raise _DoesNotHold("a withdrawal did not hold at the next call")
    return "after a withdrawal the next call recorded nothing and read nothing"


@_trial("ranking without history")
def ranking_without_history() -> str:
    """What the ranker is given of someone who has not agreed."""
    with _recorded(History.open()) as history:
        history.consent(_USER, False)
        if history.events(_USER) or history.description(_USER):
            raise _DoesNotHold("the ranker was given a history")
    return "without consent the ranker is given an empty history, and ranks without it"


@_trial("access")
def access() -> str:
    """Reading back everything stored about a person."""
    with _recorded(History.open()) as history:
        data = history.access(_USER)
        if tuple(stored.event for stored in data.events) != _EVENTS:
            raise _DoesNotHold("what was stored was not what was read")
        if data.attributes != _ATTRIBUTES:
            raise _DoesNotHold("the attributes that were stored were not those that were read")
    return f"all {len(_EVENTS)} stored events and all attributes were read back"


@_trial("erasing someone")
def erasure() -> str:
    """Erasing a person, and then opening an old copy of the file with the new key."""
    with tempfile.TemporaryDirectory() as folder:
        path, copy, key = (Path(folder) / name for name in ("history", "copy", "key"))
        with _recorded(History.open(path, KeyFile.create(key))):
            pass
        shutil.copy(path, copy)
        with History.open(path, KeyFile(key)) as history:
            receipt = history.forget(_USER)
            left = history.all_events(_USER) or history.stored_description(_USER)
            if receipt.events != len(_EVENTS) or left:
                raise _DoesNotHold("rows were left")
        try:
            History.open(copy, KeyFile(key)).close()
        except HistoryKeyError:
            return "rows and key were erased, and an old copy stayed closed to the new key"
    raise _DoesNotHold("an old copy opened with the new key")


@_trial("portability")
def portability() -> str:
    """Exporting a person's events and importing them elsewhere."""
    with (
        _recorded(History.open()) as history,
        History.open() as other,
    ):
        other.consent(_USER, True)
        other.restore(history.access(_USER).to_json(), user=_USER)
        restored = other.all_events(_USER), other.description(_USER)
        if restored != (history.all_events(_USER), _ATTRIBUTES):
            raise _DoesNotHold("what was imported was not what was exported")
    return "an export as JSON was restored into another store without loss"


@_trial("sealed export")
def sealed_export() -> str:
    """Exporting a person's history for a recipient."""
    own, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    with (
        tempfile.TemporaryDirectory() as folder,
        _recorded(History.open()) as history,
    ):
        path = Path(folder) / "export"
        history.export(_USER, own.public_key().public_bytes_raw(), path)
        sealed = path.read_bytes()
        noted = history.audit_log()[-1].action is AuditAction.RELEASED
    opened = transfer.open_sealed(sealed, own.private_bytes_raw())
    if opened is None or transfer.open_sealed(sealed, other.private_bytes_raw()) is not None:
        raise _DoesNotHold("the recipient's key alone must open it")
    if not noted:
        raise _DoesNotHold("the audit log does not know of it")
    return "a sealed export opened with the recipient's X25519 key and no other, and was noted"


@_trial("scrubbing")
def scrubbing() -> str:
    """One made-up example of each kind of personal data."""
    scrubber = Scrubber()
    missed = [kind for kind, text in _SAMPLES.items() if kind not in scrubber.scrub(text).found]
    if missed:
        raise _DoesNotHold(f"not found: {', '.join(missed)}")
    return f"an example of each of {len(_SAMPLES)} kinds was taken out"


def _recorded(history: History) -> History:
    history.consent(_USER, True)
    history.record(_EVENTS, user=_USER)
    history.describe(_USER, _ATTRIBUTES)
    return history


def _refuses(history: History) -> bool:
    return _refused(lambda: history.record(_EVENTS, user=_USER)) and _refused(
        lambda: history.describe(_USER, _ATTRIBUTES)
    )


def _refused(keep: Callable[[], object]) -> bool:
    try:
        keep()
    except ConsentRequired:
        return True
    return False
