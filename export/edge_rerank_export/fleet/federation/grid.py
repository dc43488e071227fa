"""Devices in one process, as a grid of Flower's, and all that goes over its wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

Device = Callable[[Message], Message | list[Message]]
"""Answers a message, once or, where it does not keep to the rules, several times."""


class MemoryGrid(Grid):
    """A grid whose nodes are functions.

    Args:
        devices: by the node's number.

    Attributes:
        wire: the bytes of every answer, in the order in which they came.
    """

    def __init__(self, devices: Mapping[int, Device]) -> None:
        self._devices = devices
        # Of every message; a SuperLink sets them.
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
        self.wire: list[bytes] = []

    def get_node_ids(self) -> Iterable[int]:
        """Numbers of the devices."""
        return list(self._devices)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Ask each device and note what it answers."""
        del timeout
        answers = []
        for message in messages:
            answer = self._devices[message.metadata.dst_node_id](message)
            answers += answer if isinstance(answer, list) else [answer]
        for one in answers:
            if one.has_content():
                for record in one.content.values():
                    self.wire += [
                        value if isinstance(value, bytes) else repr(value).encode()
                        for value in record.values()
                    ]
        return answers

    def set_run(self, run: Any) -> None:
        """There is one run."""

    @property
    def run(self) -> Any:
        """There is none that has a name."""
        raise NotImplementedError

    def create_message(self, *arguments: Any, **options: Any) -> Message:
        """Messages are made by themselves."""
        raise NotImplementedError

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Nobody waits for another."""
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Nobody waits for another."""
        raise NotImplementedError
