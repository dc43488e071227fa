"""Traces of people in memory, and that none is left of who was forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Memory(Protocol):
    """Whatever keeps something that was derived from a person's words or history."""

    def forget(self, user: str | None = None) -> None:
        """Drop it, of one person if it is known whose it is, or of everybody."""
        ...


class Traces:
    """All memories of an engine. Safe from several threads.

    Args:
        memories: what is to be dropped.
    """

    def __init__(self, *memories: Memory) -> None:
        self._memories = list(memories)
        self._forgotten = 0

    def add(self, memory: Memory) -> None:
        """One more."""
        self._memories.append(memory)

    def forget(self, user: str | None = None) -> None:
        """Drop what was derived from a person, or from everybody."""
        self._forgotten += 1
        self._drop(user)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around what reads a history and ranks: if anyone is forgotten meanwhile, again after it.

        What was computed from the history that was read before would else be kept.
        """
        before = self._forgotten
        try:
            yield
        finally:
            if self._forgotten != before:
                self._drop()

    def _drop(self, user: str | None = None) -> None:
        for memory in self._memories:
            memory.forget(user)
