"""Connections that say nothing, say it slowly, or say too much: they have their time and room."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 10.0
"""Seconds in which headers have to come, and the rest of a body that was refused."""

MAX_HEADERS = 1 << 16
"""Bytes of a request that may come before its headers are complete, but for the last read."""

MAX_CONNECTIONS = 2_000
_OTHER_FILES = 128
"""Files that are open beside the connections."""


class TimedProtocol(HttpToolsProtocol):
    """A connection that is closed when a request begins and does not go on.

    uvicorn gives a time to connections without a request alone, and no bound to headers.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unfinished = 0
    """Bytes since the last that were known to be the end of headers, or part of a body."""

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
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_HEADERS:
            if self._answering():  # what came before; nothing is to be put into that
                self.transport.close()
            else:
                self.send_400_response("Headers too large.")

    def on_headers_complete(self) -> None:
        """It is known what is asked for."""
        super().on_headers_complete()
        self._arrived()

    def on_body(self, body: bytes) -> None:
        """A part of a body came, which has a bound of its own."""
        super().on_body(body)
        self._unfinished = 0

    def on_message_complete(self) -> None:
        """A request is there as a whole, if it has not been refused before."""
        super().on_message_complete()
        self._arrived()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_S, self.timeout_keep_alive_handler)

    def _arrived(self) -> None:
        self._unfinished = 0
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
