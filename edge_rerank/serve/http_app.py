"""The HTTP routes: our own, and the rerank shapes that others speak.

Needs the extra ``serve``. What a slow or a greedy client does stays its own affair: headers and
bodies have their time, bodies have their size, all bodies together theirs, and of what is complete
at most eight calls are worked on, each in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_rerank.render.presentation import STATIC
from edge_rerank.serve.answers import COHERE, JINA, TEI, VLLM, Shape
from edge_rerank.serve.gate import COOKIE, Gate, denied
from edge_rerank.serve.openapi import describe
from edge_rerank.serve.page import CONTENT_POLICY, Page
from edge_rerank.serve.refusals import (
    Refused,
    busy,
    parse_error,
    refusal_of,
    stopping,
    too_large,
)
from edge_rerank.serve.service import Service
from edge_rerank.serve.wire import MAX_BYTES, parse, render

MAX_CALLS = 8
"""Calls that are worked on at a time; more wait for nothing, and are told so."""

MAX_PENDING_BYTES = 4 * MAX_BYTES
"""Of bodies that are being received, all together."""

BODY_S = 10.0
"""Seconds in which a body has to come."""

METHODS = (
    *("rank", "rank_texts", "record", "describe", "consent", "pause", "resume", "profile"),
    *("stats", "access", "forget", "warmup"),
)
"""Methods that have a route of their name."""

_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
_JSON = "application/json"
_SCRIPTS = ("edge_rerank.render", "static")
"""Where the script that reports and the style sheet of rankings lie."""

Work = Callable[[Any], Any]


class HttpApp:
    """The server as an ASGI application.

    Args:
        service: does the work.
        gate: lets requests in.
        page: a host's own page.
    """

    def __init__(self, service: Service, gate: Gate, page: Page | None = None) -> None:
        self._service = service
        self._gate = gate
        self._page = page
        self._flying = 0
        self._pending = 0
        self._threads = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="edge-rerank-call")
        self._description = render(describe(page=page is not None))
        self._posts = {path: self._posted(work) for path, work in self._works()}
        app = Starlette(
            routes=list(self._routes()),
            exception_handlers={HTTPException: _not_routed, Exception: _failed},
        )
        app.router.redirect_slashes = False
        self._app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    own.setdefault(name, value)
            await send(message)

        try:
            self._gate.check(scope["method"], scope["path"], headers)
        except Refused as refused:
            await _refusal(refused)(scope, receive, send_with_headers)
            return
        posted = self._posts.get(scope["path"]) if scope["method"] == "POST" else None
        if posted is None:
            await self._app(scope, receive, send_with_headers)
        else:  # past the router, which takes as long as reading the items
            response = await posted(Request(scope, receive))
            await response(scope, receive, send_with_headers)

    def close(self) -> None:
        """Wait for the calls in flight."""
        self._threads.shutdown()

    def _works(self) -> Iterator[tuple[str, Work]]:
        """What is done with the JSON that is posted to a path."""
        for method in METHODS:
            yield f"/{method}", self._method(method)
        yield "/v2/rerank", self._shape(COHERE)
        yield "/v1/rerank", self._shape(JINA)
        yield "/rerank", self._either

    def _routes(self) -> Iterator[BaseRoute]:
        for path, posted in self._posts.items():
            yield Route(path, posted, methods=["POST"])
        yield Route("/guest", self._guest_open, methods=["POST"])
        yield Route("/guest/{guest}", self._guest_close, methods=["DELETE"])
        yield Route("/info", self._info, methods=["GET"])
        yield Route("/openapi.json", self._openapi, methods=["GET"])
        yield Route("/health", _healthy, methods=["GET"])
        if self._page is not None:
            yield Route(Page.OPEN, self._open_page, methods=["GET"])
            yield Mount("/edge-rerank", _Files(STATIC))
            yield Mount("/", _Files(self._page.folder))

    # -- what is called ---------------------------------------------------------------

    def _method(self, method: str) -> Work:
        return lambda params: self._service.call(method, params)

    def _shape(self, shape: Shape) -> Work:
        return lambda params: self._service.rerank(shape, params)

    def _either(self, params: Any) -> Any:
        """The shape of text-embeddings-inference if and only if there are ``texts``."""
        tei = isinstance(params, dict) and "texts" in params
        return self._service.rerank(TEI if tei else VLLM, params)

    def _posted(self, work: Work) -> Callable[[Request], Awaitable[Response]]:
        """A route that takes a JSON object and answers with JSON."""

        def call(body: bytes) -> bytes:
            try:
                params = parse(body)
            except (ValueError, RecursionError) as error:
                raise parse_error(error) from None
            return render(work(params))

        async def answer(request: Request) -> Response:
            body = await self._body(request)
            return Response(await self._run(lambda: call(body)), media_type=_JSON)

        return _guarded(answer)

    @property
    def _guest_open(self) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            del request
            opened = await self._run(lambda: render(self._service.call("guest_open", {})))
            return Response(opened, 201, media_type=_JSON)

        return _guarded(answer)

    @property
    def _guest_close(self) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            guest = {"guest": request.path_params["guest"]}
            await self._run(lambda: render(self._service.call("guest_close", guest)))
            return Response(status_code=204)

        return _guarded(answer)

    async def _info(self, request: Request) -> Response:
        del request
        return Response(render(self._service.call("info", {})), media_type=_JSON)

    async def _openapi(self, request: Request) -> Response:
        del request
        return Response(self._description, media_type=_JSON)

    async def _open_page(self, request: Request) -> Response:
        """Let a browser in that has the code of the file."""
        assert self._page is not None  # noqa: S101 - the route is there for a page alone
        own = request.headers.get("host", "").lower() == self._page.host
        cookie = self._page.open(request.query_params.get("code", "")) if own else None
        if cookie is None:
            message = "code: expected the one of the file whose path was printed; it works once"
            return _refusal(denied(403, "Unauthorized", message))
        response = Response(self._page.welcome(), media_type="text/html")
        response.headers["content-security-policy"] = "default-src 'none'"
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", path="/")
        return response

    # -- bounds -----------------------------------------------------------------------

    async def _body(self, request: Request) -> bytes:
        """The body, if it is JSON, not too large, and not too slow.

        Raises:
            Refused: when it is not.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _JSON:
            raise denied(415, "NotJson", "content-type: expected application/json")
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > MAX_BYTES:
            raise too_large(MAX_BYTES)
        parts = []
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                async for part in request.stream():
                    size += len(part)
                    self._pending += len(part)
                    parts.append(part)
                    if size > MAX_BYTES:
                        raise too_large(MAX_BYTES)
                    if self._pending > MAX_PENDING_BYTES:
                        raise busy("bodies: others fill the room for them: try again")
        except TimeoutError:
            raise denied(408, "TooSlow", f"body: expected within {BODY_S:g} seconds") from None
        except ClientDisconnect:
            raise denied(400, "ParseError", "body: expected as much as was announced") from None
        finally:
            self._pending -= size
        return b"".join(parts)

    async def _run(self, call: Callable[[], bytes]) -> bytes:
        """Call in a thread.

        Raises:
            Refused: when as many calls are in flight as may be.
        """
        if self._flying >= MAX_CALLS:
            raise busy(f"calls: expected at most {MAX_CALLS} in flight: try again")
        self._flying += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._flying -= 1


class _Files(StaticFiles):
    """The files of a page and, where it has none of that name, those that come with rankings.

    Each goes with what the browser is told of it; hidden ones are not there.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, packages=[_SCRIPTS], html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if any(part.startswith(".") and part != "." for part in Path(path).parts):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = CONTENT_POLICY
        response.headers["cross-origin-opener-policy"] = "same-origin"
        response.headers["cache-control"] = "no-cache"
        return response


def _guarded(
    answer: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """A route whose errors are answered as the others' are."""

    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except asyncio.CancelledError:  # the server does so to calls that outlast its grace
            return _refusal(stopping())
        except Exception as error:
            return _refusal(error)

    return guarded


def _refusal(error: Exception) -> Response:
    """The answer to what was refused or went wrong, in a form that fits every shape."""
    refusal = refusal_of(error)
    body = {"error": refusal.message, "error_type": refusal.type, "message": refusal.message}
    response = Response(render(body), refusal.status, media_type=_JSON)
    if refusal.status == 429:
        response.headers["retry-after"] = "1"
    elif refusal.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


async def _not_routed(request: Request, error: Exception) -> Response:
    """The answer where no route fits, or none with this verb."""
    del request
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    if error.status_code == 405:
        headers = error.headers or {}
        allowed = headers.get("Allow", "another")
        message = f"method: expected {allowed} for this route"
        response = _refusal(denied(405, "UnknownMethod", message))
        response.headers.update(headers)
        return response
    return _refusal(denied(404, "UnknownRoute", "path: expected a route of the server's page"))


async def _failed(request: Request, error: Exception) -> Response:
    del request
    return _refusal(error)


async def _healthy(request: Request) -> Response:
    del request
    return Response(render({"status": "ok"}), media_type=_JSON)
