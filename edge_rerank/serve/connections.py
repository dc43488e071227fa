"""Connections that say nothing, or say it slowly: they have their time, and no more."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0
"""Seconds in which headers have to come, and the rest of a body that was refused."""

MAX_CONNECTIONS = 2_000
_OTHER_FILES = 128
"""Files that are open beside the connections."""


class TimedProtocol(H11Protocol):
    """A connection that is closed when a request begins and does not go on.

    uvicorn gives a time to connections without a request alone.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected, and is to say something."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came: a part of a request."""
        if self._deadline is None and not self._answering():
            self._expect()
        super().data_received(data)

    def handle_events(self) -> None:
        """All headers of a request may be there now."""
        super().handle_events()
        if self._answering():
            self._arrived()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_S, self.timeout_keep_alive_handler)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def room_for_connections() -> int:
    """How many connections there can be at a time, with as many open files as are allowed."""
    try:
        import resource  # noqa: PLC0415 - POSIX alone has it
    except ImportError:
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(wanted, soft) - _OTHER_FILES
