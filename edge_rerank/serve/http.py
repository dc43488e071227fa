"""HTTP on 127.0.0.1: the socket, the token file, the page, and stopping in good order.

Needs the extra ``serve``.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import uvicorn

from edge_rerank.errors import InvalidRequest
from edge_rerank.serve.connections import TimedProtocol, room_for_connections
from edge_rerank.serve.gate import Gate
from edge_rerank.serve.http_app import HttpApp
from edge_rerank.serve.page import Page
from edge_rerank.serve.service import Service
from edge_rerank.serve.token_file import read_or_make_token

GRACE_S = 10
"""Seconds that calls in flight have when the server is asked to stop."""

KEPT_S = 60
"""Seconds for which a connection without a request is kept."""


class HttpServer:
    """A server that is bound, and serves when :meth:`run` is called; a context manager.

    Args:
        service: does the work.
        port: 0 for any that is free.
        token_file: holds the token, and is made where it is not there.
        page: the folder of a host's own page.

    Raises:
        InvalidRequest: when the token file, the page or the port cannot be used.
    """

    def __init__(
        self, service: Service, *, port: int = 0, token_file: Path, page: Path | None = None
    ) -> None:
        self.token = read_or_make_token(token_file)
        with ExitStack() as opened:
            self._listener = opened.enter_context(_listen(port))
            port = self._listener.getsockname()[1]
            self.told = {"url": f"http://127.0.0.1:{port}", "token_file": str(token_file)}
            shown = None
            if page is not None:
                shown = Page(page, port, token_file.with_name(f"page-{port}.html"))
                opened.callback(shown.close)
                self.told["page"] = str(shown.link)
            app = HttpApp(service, Gate(self.token, port, shown), shown)
            opened.callback(app.close)
            self._server = _Server(_configured(app))
            self._opened = opened.pop_all()

    def run(self, announce: Callable[[Mapping[str, str]], None]) -> None:
        """Serve until SIGTERM, SIGINT or :meth:`stop`.

        Args:
            announce: is given what callers need when the first request can come.
        """
        self._server.when_ready = lambda: announce(self.told)
        self._server.run([self._listener])

    def stop(self) -> None:
        """Have :meth:`run` end, from another thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Let go of socket, page and threads. May be called twice."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(uvicorn.Server):
    """uvicorn, which says when it is ready and ends without raising the signal once more."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.when_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


def _configured(app: HttpApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=room_for_connections(),
        timeout_keep_alive=KEPT_S,
        timeout_graceful_shutdown=GRACE_S,
    )


@contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    """A socket that is bound on this machine's own address.

    Raises:
        InvalidRequest: when the port is taken, or not to be had.
    """
    # asyncio sends at once only where a socket says that it is TCP: 40 ms a call otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listener:
        if sys.platform != "win32":  # there it would let another program take the port as well
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise InvalidRequest(f"port: cannot be listened at: {error.strerror}") from None
        yield listener
