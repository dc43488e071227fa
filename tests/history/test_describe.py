"""What a host knows of a person: kept like an event, and gone like one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rerank import Event, GuestSession, Item, KeyFile, Reranker, Retention
from edge_rerank.errors import (
    ClosedError,
    ConsentRequired,
    HistoryCorrupt,
    InvalidRequest,
    RecordingPaused,
)
from edge_rerank.formats.attributes import Values
from edge_rerank.history import transfer
from edge_rerank.history.description import ATTRIBUTES
from edge_rerank.history.history import History
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber

KEY = bytes(range(32))
KNOWN: Values = {
    "age_group": "30-39",
    "region": "CN-31",
    "language": "zh",
    "visits": 12,
    "size": 1.5,
}


def opened(path: Path | None = None, **options: Any) -> History:
    history = History.open(path, None if path is None else KEY, **options)
    history.consent("alice", True)
    return history


def actions(history: History) -> list[tuple[str, int | None]]:
    return [(entry.action.value, entry.count) for entry in history.audit_log()]


def test_what_is_said_is_known_and_the_last_word_counts(tmp_path: Path) -> None:
    with opened(tmp_path / "me.db") as history:
        history.describe("alice", KNOWN)
        assert history.description("alice") == KNOWN
        history.describe("alice", {"age_group": "40-49", "region": None, "unknown": None})
    with History.open(tmp_path / "me.db", KEY) as history:
        found = history.description("alice")
        assert found == {"age_group": "40-49", "language": "zh", "visits": 12, "size": 1.5}
        assert type(found["visits"]) is int
        with pytest.raises(TypeError):
            found["age_group"] = "0-9"  # type: ignore[index]
        history.describe("alice", dict.fromkeys(found))
        assert history.description("alice") == {}
        assert history.access("alice").states == ()
        assert history.description("nobody") == {}
        assert history.verify().ok


def test_what_was_given_is_not_changed() -> None:
    given = {"contact": "anna@example.org", "age_group": None}
    with opened() as history:
        history.describe("alice", given)
        assert given == {"contact": "anna@example.org", "age_group": None}


def test_no_byte_of_it_is_in_any_file_and_none_that_was_replaced(tmp_path: Path) -> None:
    with opened(tmp_path / "me.db") as history:
        history.describe("alice", {"peculiarity": "unmistakable"})
        vault = history._store._vault
        (before,) = vault.file.execute("SELECT sealed FROM states").fetchone()
        history.describe("alice", {"peculiarity": "another"})
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            assert b"peculiarity" not in content
            assert b"unmistakable" not in content
            assert before[6:30] not in content


def test_consent_covers_it() -> None:
    with History.open() as history:
        with pytest.raises(ConsentRequired):
            history.describe("alice", KNOWN)
        assert history.access("alice").pseudonym is None
        history.consent("alice", True)
        history.describe("alice", KNOWN)
        history.consent("alice", False)
        assert history.description("alice") == {}
        with pytest.raises(ConsentRequired):
            history.describe("alice", {"age_group": "40-49"})
        assert history.access("alice").attributes == KNOWN
        history.consent("alice", True)
        assert history.description("alice") == KNOWN
        history.pause("alice")
        with pytest.raises(RecordingPaused):
            history.describe("alice", {"age_group": "40-49"})
        assert history.description("alice") == KNOWN


def test_personal_data_is_taken_out() -> None:
    with opened() as history:
        history.describe(
            "alice",
            {
                "mail": "to anna@example.org",
                "phone": 13912345678,
                "same": 13912345678.0,
                "long": "a@b.cc " * 18,
                **KNOWN,
            },
        )
        found = dict(history.description("alice"))
        assert found.pop("mail") == "to [email]"
        assert found.pop("phone") == found.pop("same") == "[phone]"
        assert str(found.pop("long")) == ("[email] " * 18)[:128]
        assert found == KNOWN
        for name in ("phone_13912345678", "13912345678"):
            with pytest.raises(InvalidRequest, match="no personal data") as caught:
                history.describe("alice", {name: "x"})
            assert "139" not in str(caught.value)
    with opened(scrubber=Scrubber(keep=["phone"])) as history:
        history.describe("alice", {"phone": 13912345678})
        assert history.description("alice") == {"phone": 13912345678}
        assert b"phone" in (history._store.read_note("kept kinds") or b"")


@pytest.mark.parametrize(
    "given",
    [
        None,
        "secret",
        [("secret", "x")],
        {"": "x"},
        {"secret ": "x"},
        {"_secret": "x"},
        {"secret\n": "x"},
        {"s" * 65: "x"},
        {7: "x"},
        {"secret": ""},
        {"secret": "  "},
        {"secret": "x" * 129},
        {"secret": "x\ny"},
        {"secret": True},
        {"secret": b"x"},
        {"secret": ["x"]},
        {"secret": float("nan")},
        {"secret": float("inf")},
        {"secret": 10**13},
        {"secret": -1e13},
        {f"secret{n}": "x" for n in range(33)},
    ],
    ids=repr,
)
def test_what_is_malformed_is_refused_and_not_repeated(given: Any) -> None:
    with opened() as history:
        history.describe("alice", {"age_group": "30-39"})
        with pytest.raises(InvalidRequest, match="expected") as caught:
            history.describe("alice", given)
        assert "secret" not in str(caught.value)
        assert history.description("alice") == {"age_group": "30-39"}


def test_there_is_an_end_to_what_is_kept_of_a_person() -> None:
    with opened() as history:
        for number in range(32):
            history.describe("alice", {f"n{number}": "v" * 128})
        with pytest.raises(InvalidRequest, match="at most 32 of a person, got 33"):
            history.describe("alice", {"one_more": "v"})
        history.describe("alice", {"n0": None, "one_more": "v"})
        assert len(history.description("alice")) == 32
    with opened() as history:
        with pytest.raises(InvalidRequest, match="at most 16384 bytes"):
            history.describe(
                "alice", {"n" * 62 + f"{n:02d}": "\N{GRINNING FACE}" * 128 for n in range(32)}
            )
        assert history.description("alice") == {}


def test_erasing_takes_it(tmp_path: Path) -> None:
    with opened(tmp_path / "me.db") as history:
        history.describe("alice", KNOWN)
        history.consent("bob", True)
        history.describe("bob", {"age_group": "0-9"})
        history.forget("alice")
        history.consent("alice", True)
        assert history.description("alice") == {}
        assert history.access("alice").attributes == {}
        assert history.description("bob") == {"age_group": "0-9"}


def test_a_change_is_noted_and_saying_it_again_is_not() -> None:
    with opened() as history:
        history.describe("alice", KNOWN)
        history.describe("alice", {"age_group": "30-39"})
        history.describe("alice", {})
        history.describe("alice", {"nothing": None})
        history.describe("alice", {"age_group": None})
        assert actions(history)[2:] == [("described", 5), ("described", 4)]
        own = [entry.action.value for entry in history.access("alice").audit]
        assert own.count("described") == 2
        history.description("alice")
        assert actions(history)[-1][0] == "accessed"


def test_what_was_not_said_again_goes_when_its_time_is_over() -> None:
    now = [0.0]
    store = HistoryStore.open(None, None, retention=Retention(30), _clock=lambda: now[0])
    with History(store) as history:
        history.consent("alice", True)
        history.describe("alice", KNOWN)
        for _ in range(25):
            now[0] += 86_400
            store.tend()
        history.describe("alice", {"age_group": "30-39"})  # says the same: counted from now
        for _ in range(25):
            now[0] += 86_400
            assert history.description("alice") == KNOWN
        for _ in range(7):
            now[0] += 86_400
            history.description("alice")
        assert history.description("alice") == {}
        assert history.access("alice").states == ()


def test_an_export_shows_it_and_is_restored_elsewhere(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    transfer.generate_recipient_key(private, public)
    with opened() as history, opened() as other:
        history.record(Event("click", Item("i"), timestamp=9), user="alice")
        history.describe("alice", KNOWN)
        history.set_state("alice", "head", b"learnt")
        document = json.loads(history.access("alice").to_json())
        assert document["attributes"] == KNOWN
        assert [one["name"] for one in document["states"]] == ["head"]
        history.export("alice", public.read_bytes(), tmp_path / "sealed")
        data = transfer.import_sealed(tmp_path / "sealed", private.read_bytes()).decode()
        other.describe("alice", {"age_group": "40-49"})
        assert other.restore(data, user="alice") == 1
        # What the host of the other device has said meanwhile stays.
        assert other.description("alice") == {**KNOWN, "age_group": "40-49"}
        assert other.restore(data, user="alice") == 0
        del document["attributes"], document["states"]  # as they were before there were any
        assert other.restore(json.dumps(document), user="alice") == 0
        document["attributes"] = {"age_group": ["secret"]}
        with pytest.raises(InvalidRequest, match="malformed"):
            other.restore(json.dumps(document), user="alice")


def test_rekeying_and_rotation_keep_it(tmp_path: Path) -> None:
    key = KeyFile.create(tmp_path / "key")
    with History.open(tmp_path / "me.db", key) as history:
        history.consent("alice", True)
        history.describe("alice", KNOWN)
        history.rotate_key()
        history.rekey()
        assert history.description("alice") == KNOWN
    with History.open(tmp_path / "me.db", key) as history:
        assert history.description("alice") == KNOWN


def test_a_state_that_is_no_description_is_damage() -> None:
    for content in (b"", b"[]", b"\xff", b'{"a": [1]}', b'{"a": NaN}', b"[" * 10_000):
        with opened() as history:
            history.set_state("alice", ATTRIBUTES, content)
            with pytest.raises(HistoryCorrupt):
                history.description("alice")


def test_neither_errors_nor_logs_nor_reprs_tell_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with opened() as history:
        history.describe("alice", {"secret": "unmistakable"})
        data = history.access("alice")
        assert "unmistakable" not in repr(data) + repr(data.states) + caplog.text


def of_reranker(reranker: Reranker) -> tuple[Callable[..., Any], Callable[[], Any], Any]:
    reranker.consent("alice", True)
    return (
        lambda given: reranker.describe("alice", given),
        lambda: reranker.profile("alice"),
        reranker,
    )


def of_guest(reranker: Reranker) -> tuple[Callable[..., Any], Callable[[], Any], GuestSession]:
    session = reranker.guest_session()
    return session.describe, session.profile, session


@pytest.mark.parametrize("made", [of_reranker, of_guest])
def test_the_door_and_a_guest_session_take_it_and_the_profile_shows_it(made: Any) -> None:
    with Reranker.open() as reranker:
        describe, profile, door = made(reranker)
        describe(KNOWN)
        shown = profile()
        assert shown.attributes == KNOWN
        assert json.loads(shown.to_json())["attributes"] == KNOWN
        assert "zh" not in repr(shown)
        door.consent(*(["alice"] if door is reranker else []), False)
        with pytest.raises(ConsentRequired):
            describe(KNOWN)
        assert profile().attributes == KNOWN
        door.close()
        with pytest.raises(ClosedError):
            describe(KNOWN)
