"""A courier as a node of Flower's, in one process that runs nothing it is sent.

Flower's own SuperNode serves an API, starts a process that asks there for work and, for every
answer, one more, in which runs what the server handed out; where that is not up within half a
minute, another is started beside it. Here a round comes and an answer goes in one process, by the
connection that a SuperNode has. It is internal to Flower, whose version is therefore pinned.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import (
    pull_and_inflate_object_from_tree,
    push_objects,
)
from flwr.supercore.run import RunNotRunningException
from flwr.supernode.fleet_http_connection import http_request_response

from edge_rerank._files import reason_of
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.fleet.federation.wire import answered, asked

Carry = Callable[[str, dict[str, bytes]], bytes | None]
"""Takes a round's terms and the files of its prior, and gives a sealed answer or none."""

OFTEN_S = 3.0
"""Between two questions for a round, as Flower's own nodes wait."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a fleet's SuperLink is, and how each knows the other.

    Attributes:
        address: ``HOST:PORT``.
        certificates: file of the root certificates in PEM; ``None`` for the system's.
        insecure: without TLS.
        key: file of the node's private key on an elliptic curve, in OpenSSH's form; ``None`` for
            a new one, by which any SuperLink that asks for none takes the node in.
    """

    address: str
    certificates: Path | None = None
    insecure: bool = False
    key: Path | None = None

    def open(self) -> AbstractContextManager[tuple[Any, ...]]:
        """Flower's connection, under which the node is known to the SuperLink.

        Raises:
            RecipeError: when a file cannot be used, or keys are to go without TLS.
        """
        if self.insecure and (self.key is not None or self.certificates is not None):
            raise RecipeError("insecure: expected neither certificates nor a key beside it")
        key = None if self.key is None else _key(self.key)
        keys = None if key is None else (key, key.public_key())
        roots = None if self.certificates is None else _certificates(self.certificates)
        connection: AbstractContextManager[tuple[Any, ...]] = http_request_response(
            self.address, self.insecure, roots, keys
        )
        return connection


def run_node(
    link: Link,
    carry: Carry,
    *,
    rounds: int | None = None,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Carry rounds until it is interrupted; who is there no more is signed off.

    Args:
        link: to the SuperLink, which is waited for while it is not there.
        carry: to the device's application and back, see :func:`~.courier.carry`.
        rounds: to carry; ``None`` for all.
        wait: waits so many seconds.

    Raises:
        RecipeError: when a file cannot be used, or the SuperLink does not take the node in, or
            knows it no more.
    """
    try:
        _carry_rounds(link, carry, rounds, wait)
    except SystemExit:  # so Flower says it, and ends the process soon whatever is done here
        raise RecipeError("superlink: expected to be taken in, was refused") from None


def _carry_rounds(
    link: Link, carry: Carry, left: int | None, wait: Callable[[float], object]
) -> None:
    with link.open() as connection:
        node = _Node(connection)
        try:
            while left is None or left > 0:
                if not node.carried(carry):
                    wait(OFTEN_S)
                elif left is not None:
                    left -= 1
        except Exception as error:  # whatever Flower's connection raises; it would hide it
            raised = type(error).__name__
        else:
            return
    raise RecipeError(f"superlink: the connection ended: {raised}")


class _Node:
    """A node that is known to a SuperLink, by the calls of Flower's connection."""

    def __init__(self, connection: tuple[Any, ...]) -> None:
        # Two calls give what the server would have the device run: it is left there.
        _, receive, send, _, _, pull, push, confirm = connection
        self._receive: Callable[[], tuple[Message, Any] | None] = receive
        self._send: Callable[[Message, Any, float], tuple[set[str], str]] = send
        self._pull: Callable[[int, str], bytes] = pull
        self._push: Callable[[int, str, str, bytes], None] = push
        self._confirm: Callable[[int, str], None] = confirm

    def carried(self, carry: Carry) -> bool:
        """Carry the round that waits, if one does; whether there was one.

        One that ended meanwhile, or breaks on its way, is not carried any further.
        """
        try:
            if (received := self._receive()) is None:
                return False
        except RunNotRunningException:
            return False
        head, tree = received
        began = time.monotonic()
        try:
            message = self._pulled(head.metadata.run_id, tree)
            self._reply(_answer(message, carry), began)
        except RunNotRunningException:
            _log.info("a round ended before it was answered")
        except Exception as error:  # of one round, which says nothing of others
            _log.warning("a round could not be carried: %s", type(error).__name__)
        return True

    def _pulled(self, run: int, tree: Any) -> Message:
        message = pull_and_inflate_object_from_tree(
            tree, partial(self._pull, run), partial(self._confirm, run), return_type=Message
        )
        # Its own id is not among what a message says.
        message.metadata.__dict__["_message_id"] = tree.object_id
        return message

    def _reply(self, message: Message, began: float) -> None:
        message.metadata.__dict__["_message_id"] = message.object_id
        with no_object_id_recompute():
            tree = get_object_tree(message)
            wanted, session = self._send(message, tree, time.monotonic() - began)
            push = partial(self._push, message.metadata.run_id, session)
            push_objects(get_all_nested_objects(message), push, object_ids_to_push=wanted)


def _answer(message: Message, carry: Carry) -> Message:
    """The answer of the application, or that there is none: why says nothing of the person."""
    try:
        sealed = carry(*asked(message))
    except (RecipeError, OSError) as error:
        _log.warning("a round could not be carried: %s", type(error).__name__)
        sealed = None
    if sealed is not None:
        return answered(message, sealed)
    return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "no answer"), reply_to=message)


def _key(path: Path) -> EllipticCurvePrivateKey:
    try:
        key = load_ssh_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RecipeError(f"key: cannot be read: {reason_of(error)}") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise RecipeError("key: expected one on an elliptic curve, see ssh-keygen -t ecdsa")
    return key


def _certificates(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(f"certificates: cannot be read: {reason_of(error)}") from error
