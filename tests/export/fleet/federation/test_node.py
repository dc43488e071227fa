"""A courier as a node of Flower's: what comes by its connection, and what goes; needs Flower."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import edge_rerank_export.fleet.federation  # noqa: F401 - silences Flower, which looks when it is imported

pytest.importorskip("flwr")

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.task_identity import TaskIdentity

from edge_rerank import FleetRound
from edge_rerank_export.cli import EXIT_INTERRUPTED, main
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.fleet.federation.device import node as device_node
from edge_rerank_export.fleet.federation.device.courier import carry
from edge_rerank_export.fleet.federation.device.node import OFTEN_S, Link, run_node
from edge_rerank_export.fleet.federation.wire import SEALED, ask

TERMS = FleetRound(1, b"k" * 32).to_json()
LINK = Link("127.0.0.1:1", insecure=True)


def question(**members: Any) -> Message:
    """A round's, with a prior of one file."""
    TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
    config = ConfigRecord(members)
    if not members:
        ask(config, TERMS, {"prior.npy": b"numbers"})
    message = Message(RecordDict({"config": config}), dst_node_id=7, message_type="train")
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


class SuperLink:
    """Flower's connection to one that has these questions, and keeps what was answered.

    A question that is an exception is raised where the node asks for one.
    """

    def __init__(self, *questions: Message | BaseException) -> None:
        self.waiting = list(questions)
        self.objects: dict[str, bytes] = {}
        self.answers: list[tuple[Message, set[str]]] = []
        self.pushed: dict[str, bytes] = {}
        self.confirmed: list[str] = []
        self.left = False
        self.refuses = 0
        self.refused = False

    @contextmanager
    def __call__(self, *arguments: object) -> Iterator[tuple[Any, ...]]:
        self.arguments = arguments
        if self.refused:
            sys.exit(1)  # as Flower does
        try:
            yield (
                7, self._receive, self._send, self._forbidden, self._forbidden,
                lambda run, name: self.objects[name], self._push,
                lambda run, name: self.confirmed.append(name),
            )  # fmt: skip
        except Exception:
            pass  # as Flower's does
        finally:
            self.left = True

    def _receive(self) -> tuple[Message, Any] | None:
        if not self.waiting:
            return None
        message = self.waiting.pop(0)
        if isinstance(message, BaseException):
            raise message
        self.objects |= {
            name: one.deflate() for name, one in get_all_nested_objects(message).items()
        }
        return remove_content_from_message(message), get_object_tree(message)

    def _send(self, message: Message, tree: Any, seconds: float) -> tuple[set[str], str]:
        if self.refuses:
            self.refuses -= 1
            raise OSError("line is down")
        names = set(get_all_nested_objects(message))
        self.answers.append((message, names))
        return names, "session"

    def _push(self, run: int, session: str, name: str, content: bytes) -> None:
        assert session == "session"
        self.pushed[name] = content

    def _forbidden(self, *arguments: object) -> object:
        raise AssertionError("the device asked for what it would run")


@pytest.fixture
def superlink(monkeypatch: pytest.MonkeyPatch) -> SuperLink:
    link = SuperLink()
    monkeypatch.setattr(device_node, "http_request_response", link)
    return link


def test_terms_go_in_and_sealed_bytes_out(superlink: SuperLink, tmp_path: Path) -> None:
    superlink.waiting = [question()]
    seen: list[str] = []

    def application() -> None:
        while not (tmp_path / "round.json").exists():
            time.sleep(0.02)
        seen.append((tmp_path / "round.json").read_text())
        assert (tmp_path / "prior" / "prior.npy").read_bytes() == b"numbers"
        (tmp_path / ".answer").write_bytes(b"sealed")
        (tmp_path / ".answer").rename(tmp_path / "answer.sealed")

    thread = threading.Thread(target=application)
    thread.start()
    run_node(LINK, partial(carry, tmp_path, seconds=20), rounds=1)
    thread.join()
    assert seen == [TERMS]
    ((message, names),) = superlink.answers
    (config,) = message.content.config_records.values()
    assert dict(config) == {SEALED: b"sealed"}
    assert set(superlink.pushed) == names
    assert len(superlink.confirmed) == 1
    assert superlink.left
    assert not (tmp_path / "answer.sealed").exists()


def test_who_says_nothing_says_so_and_is_asked_again(superlink: SuperLink, tmp_path: Path) -> None:
    superlink.waiting = [question(), question()]
    run_node(LINK, partial(carry, tmp_path, seconds=0.1, wait=lambda s: None), rounds=2)
    assert [message.has_error() for message, _ in superlink.answers] == [True, True]
    assert {message.error.reason for message, _ in superlink.answers} == {"no answer"}


@pytest.mark.parametrize(
    "members", [{"other": 1}, {"round": 5}, {"round": TERMS, "prior/../x": b""}]
)
def test_a_question_of_something_else_is_not_answered(
    superlink: SuperLink, tmp_path: Path, members: dict[str, Any]
) -> None:
    superlink.waiting = [question(**members), question()]
    asked: list[str] = []

    def answer(terms: str, prior: dict[str, bytes]) -> bytes | None:
        asked.append(terms)
        if any("/" in name for name in prior):
            return carry(tmp_path, terms, prior, seconds=0.1)
        return b"sealed"

    run_node(LINK, answer, rounds=2)
    assert [message.has_error() for message, _ in superlink.answers] == [True, False]
    assert asked[-1] == TERMS


def test_one_round_that_breaks_leaves_the_next_as_it_is(superlink: SuperLink) -> None:
    superlink.waiting = [question(), RunNotRunningException(), question()]
    superlink.refuses = 1
    waited: list[float] = []
    run_node(LINK, lambda terms, prior: b"sealed", rounds=2, wait=waited.append)
    assert len(superlink.answers) == 1
    assert waited == [OFTEN_S]


def test_a_superlink_that_knows_the_node_no_more_ends_it(superlink: SuperLink) -> None:
    superlink.waiting = [PermissionError("node 7 of somebody")]
    with pytest.raises(RecipeError, match="the connection ended: PermissionError") as raised:
        run_node(LINK, lambda terms, prior: b"sealed")
    assert "somebody" not in str(raised.value)
    assert superlink.left


def test_a_node_that_is_refused_says_so(superlink: SuperLink) -> None:
    superlink.refused = True
    with pytest.raises(RecipeError, match="expected to be taken in"):
        run_node(LINK, lambda terms, prior: b"sealed", rounds=1)


def test_who_is_interrupted_signs_off(superlink: SuperLink, tmp_path: Path) -> None:
    superlink.waiting = [KeyboardInterrupt()]
    arguments = ["federate", "client", "--exchange", str(tmp_path), "--superlink", "x:1"]
    assert main(arguments) == EXIT_INTERRUPTED
    assert superlink.left
    assert superlink.arguments == ("x:1", False, None, None)


def key_file(folder: Path, key: Any) -> Path:
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (folder / "node.key").write_bytes(raw)
    return folder / "node.key"


def test_the_superlink_is_trusted_by_the_roots_and_knows_the_key(
    superlink: SuperLink, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(b"roots")
    private = ec.generate_private_key(ec.SECP384R1())
    with Link("x:1", tmp_path / "ca.pem", key=key_file(tmp_path, private)).open():
        pass
    address, insecure, roots, keys = superlink.arguments
    assert (address, insecure, roots) == ("x:1", False, b"roots")
    assert isinstance(keys, tuple)
    assert keys[0].private_numbers() == private.private_numbers()
    assert keys[1].public_numbers() == private.public_key().public_numbers()


def test_keys_and_certificates_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    other = key_file(tmp_path, ed25519.Ed25519PrivateKey.generate())
    missing = tmp_path / "missing"
    for link, reason in (
        (Link("x:1", insecure=True, key=other), "insecure: expected neither"),
        (Link("x:1", missing, insecure=True), "insecure: expected neither"),
        (Link("x:1", missing), "certificates: cannot be read: No such file or directory"),
        (Link("x:1", key=missing), "key: cannot be read: No such file or directory"),
        (Link("x:1", key=other), "key: expected one on an elliptic curve"),
    ):
        with pytest.raises(RecipeError, match=reason):
            link.open()
