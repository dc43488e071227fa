"""Guest sessions by random ids: bounded in number, wiped when idle."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_rerank.errors import ClosedError
from edge_rerank.guest import GuestSession
from edge_rerank.serve.known_items import KnownItems
from edge_rerank.serve.refusals import busy

MAX_GUESTS = 64
IDLE_S = 900.0
"""Seconds without a call after which a session is wiped."""

_ID_BYTES = 24


class Visitor:
    """One guest session, and the items that it was shown."""

    def __init__(self, session: GuestSession, now: float) -> None:
        self.session = session
        self.known = KnownItems()
        self.last_used = now
        self.calls = 0

    def wipe(self) -> None:
        """Forget the visitor."""
        self.session.close()
        self.known.clear()


class Guests:
    """The sessions that are open. Safe from several threads.

    Args:
        open_session: opens one.
        idle_s: seconds without a call after which one is wiped, by a thread of its own.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        open_session: Callable[[], GuestSession],
        *,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.idle_s = idle_s
        self._open_session = open_session
        self._clock = clock
        self._visitors: dict[str, Visitor] = {}
        self._changed = threading.Condition()
        self._watch: threading.Thread | None = None
        self._closed = False

    def open(self) -> str:
        """Open a session and return its id.

        Raises:
            Refused: when too many are open.
        """
        with self._changed:
            if self._closed:
                raise ClosedError("the server is closed")
            if len(self._visitors) >= MAX_GUESTS:
                raise busy(f"guests: expected at most {MAX_GUESTS} open sessions")
            guest = secrets.token_urlsafe(_ID_BYTES)
            self._visitors[guest] = Visitor(self._open_session(), self._clock())
            if self._watch is None:
                self._watch = threading.Thread(
                    target=self._wipe_idle, name="edge-rerank-guests", daemon=True
                )
                self._watch.start()
            return guest

    @contextmanager
    def use(self, guest: str) -> Iterator[Visitor]:
        """The visitor of an id, not idle while the block runs.

        Raises:
            ClosedError: when there is no such session any more.
        """
        with self._changed:
            visitor = self._visitors.get(guest)
            if visitor is None:
                raise ClosedError("guest: expected an open session, got one that is over")
            visitor.calls += 1
        try:
            yield visitor
        finally:
            with self._changed:
                visitor.calls -= 1
                visitor.last_used = self._clock()

    def close(self, guest: str) -> None:
        """Wipe a session.

        Raises:
            ClosedError: when there is no such session any more.
        """
        with self._changed:
            visitor = self._visitors.pop(guest, None)
        if visitor is None:
            raise ClosedError("guest: expected an open session, got one that is over")
        visitor.wipe()

    def wipe_idle(self) -> float:
        """Wipe the sessions that have been idle for too long.

        Returns:
            Seconds until the next may be.
        """
        with self._changed:
            now = self._clock()
            left = {
                guest: visitor.last_used + self.idle_s - now if not visitor.calls else self.idle_s
                for guest, visitor in self._visitors.items()
            }
            idle = [self._visitors.pop(guest) for guest, rest in left.items() if rest <= 0]
        for visitor in idle:
            visitor.wipe()
        return min((rest for rest in left.values() if rest > 0), default=self.idle_s)

    def close_all(self) -> None:
        """Wipe every session, and open no more."""
        with self._changed:
            self._closed = True
            visitors = list(self._visitors.values())
            self._visitors.clear()
            self._changed.notify_all()
        for visitor in visitors:
            visitor.wipe()

    def _wipe_idle(self) -> None:
        while True:
            rest = self.wipe_idle()
            with self._changed:
                if self._closed:
                    return
                self._changed.wait(rest)
