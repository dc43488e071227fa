"""The process that an object belongs to: a child that was forked from it is refused.

A child of ``fork()`` gets a copy of every object, and none of what makes it work: neither the
locks on a file, nor the threads of a model, nor a say in what its parent writes.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Protocol
from weakref import WeakSet

from edge_rerank.errors import ForkedError


class OwnProcess:
    """The process in which an object was made.

    Args:
        what: names the object in the error, such as "the history".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._pid = os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is that process."""
        return os.getpid() == self._pid

    def check(self) -> None:
        """Refuse any other process.

        Raises:
            ForkedError: in a child.
        """
        if os.getpid() != self._pid:
            raise ForkedError(
                f"{self._what} was opened before a fork and belongs to the parent process: "
                "open it in the process that uses it"
            )


class OwnLock(OwnProcess):
    """A lock that a thread may take again, and that only its own process may take.

    A child would wait for ever for one that another thread of its parent held.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self._lock = threading.RLock()

    def checked(self) -> threading.RLock:
        """The lock, to be taken by ``with``.

        That lets go of it without calling a function of ours, in which an interrupt could leave
        it taken for ever.

        Raises:
            ForkedError: in a child.
        """
        self.check()
        return self._lock


class Inherited(Protocol):
    """Something that a child must not clean up, for it is the parent's."""

    def leave_to_parent(self) -> None:
        """Let go in a child that was just forked, without touching what is shared."""


_INHERITED: WeakSet[Inherited] = WeakSet()


def when_forked(one: Inherited) -> None:
    """Have ``one.leave_to_parent()`` called in every child that is forked from now on."""
    _INHERITED.add(one)


def keep_for_ever(value: object) -> None:
    """Add a reference that nothing takes back, so that ``value`` is not even freed at exit."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def _leave_to_parent() -> None:
    for one in list(_INHERITED):
        one.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
