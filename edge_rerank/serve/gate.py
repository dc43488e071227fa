"""Who may call over HTTP: the token, the Host and the Origin of every request are looked at.

Anybody on the machine can connect to a port of 127.0.0.1, and so can every page in its browsers:
the former by a program of another user, the latter across origins, or as the server's own origin
by a name that was pointed here meanwhile (DNS rebinding).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_rerank.serve.refusals import INVALID_CALL, Refusal, Refused

if TYPE_CHECKING:
    from edge_rerank.serve.page import Page

OPEN_TO_ALL = frozenset({"/health"})
"""Answered without a token."""

COOKIE = "edge_rerank_page"


class Gate:
    """Lets requests in.

    Args:
        token: what programs show.
        port: that the server listens at.
        page: a host's own page, whose browser shows a cookie instead.
    """

    def __init__(self, token: str, port: int, page: Page | None = None) -> None:
        self._token = token.encode()
        self._page = page
        hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
        self._hosts = frozenset([*hosts, *([page.host] if page else [])])

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """See whether a request may come in.

        Args:
            method: of the request, in capitals.
            path: that it is for.
            headers: by name in small letters.

        Raises:
            Refused: when it may not.
        """
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            raise denied(403, "ForeignHost", "host: expected the server's own, got another")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            raise denied(403, "ForeignOrigin", "origin: expected the server's own, got another")
        if path in OPEN_TO_ALL or (self._page is not None and path == self._page.OPEN):
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._fits(token):
            return
        if self._page is not None and host == self._page.host:
            self._check_page(self._page, method, origin, headers)
            return
        raise denied(401, "Unauthorized", "authorization: expected the token of the token file")

    def _fits(self, token: str) -> bool:
        """Whether it is the token, by a comparison that takes as long for any other."""
        return hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token)

    def _check_page(
        self, page: Page, method: str, origin: str | None, headers: Mapping[str, str]
    ) -> None:
        """See that the page's own browser asks, and for what changes something its own script."""
        if not page.knows(_cookie(headers.get("cookie", ""))):
            message = "page: open it by the file whose path the server printed"
            raise denied(401, "Unauthorized", message)
        if method not in {"GET", "HEAD"} and origin is None:
            raise denied(403, "ForeignOrigin", "origin: expected the server's own, got none")


def denied(status: int, kind: str, message: str) -> Refused:
    """A request that is not let in, or not in this form."""
    return Refused(Refusal(INVALID_CALL, status, kind, message))


def _cookie(header: str) -> str:
    """The value of our cookie, empty where there is none."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")
