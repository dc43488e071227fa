"""A host's own page in a browser, served beside the methods that its scripts call.

The browser must not show a token to the page's scripts, nor may one stand in a command line, where
every user of the machine reads it. So the way in is a file that only its owner can read: it leads
to an address with a code that works once, and the answer sets a cookie that scripts cannot read.
A browser sends cookies of 127.0.0.1 to every port of it, so the page has a host name of its own,
which nobody can guess: browsers take every name under ``localhost`` to this machine (RFC 6761).
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from html import escape
from pathlib import Path

from edge_rerank._files import reason_of, write_private
from edge_rerank.errors import InvalidRequest

MAX_BROWSERS = 8
"""Browsers that have the page open; the first one's cookie is the first to end."""

_SECRET_BYTES = 32
_NAME_BYTES = 8

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load: its own files, nothing from a network and no code in its text."""

_WAY_IN = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>edge-rerank</title>
<p><a href="{url}">Open</a></p>
"""


class Page:
    """The page, and who has it open.

    Args:
        folder: its files; ``index.html`` is shown first.
        port: that the server listens at.
        link: the file that leads a browser there; written here, and anew after each use.

    Raises:
        InvalidRequest: when there is no such folder, or the file cannot be written.
    """

    OPEN = "/open"

    def __init__(self, folder: Path, port: int, link: Path) -> None:
        if not (folder / "index.html").is_file():
            raise InvalidRequest("page: expected a folder with an index.html, found none")
        self.folder = folder
        self.host = f"{secrets.token_hex(_NAME_BYTES)}.localhost:{port}"
        self.link = link
        self._cookies: deque[str] = deque(maxlen=MAX_BROWSERS)
        self._code = ""
        self._renew()

    def open(self, code: str) -> str | None:
        """The cookie for whoever has the code, ``None`` for others. A code works once."""
        if not hmac.compare_digest(code.encode("utf-8", "replace"), self._code.encode()):
            return None
        self._renew()
        cookie = secrets.token_urlsafe(_SECRET_BYTES)
        self._cookies.append(cookie)
        return cookie

    def knows(self, cookie: str) -> bool:
        """Whether it is a cookie of a browser that has the page open."""
        shown = cookie.encode("utf-8", "replace")
        fits = [hmac.compare_digest(shown, known.encode()) for known in self._cookies]
        return any(fits)

    def welcome(self) -> str:
        """What answers an opening: HTML that leads on from the page's own origin.

        A redirect would count as coming from the file, and the cookie, which is for the page's own
        site alone, would not be sent along.
        """
        return _WAY_IN.format(url="/")

    def close(self) -> None:
        """Let nobody in any more."""
        self.link.unlink(missing_ok=True)
        self._cookies.clear()

    def _renew(self) -> None:
        self._code = secrets.token_urlsafe(_SECRET_BYTES)
        url = f"http://{self.host}{self.OPEN}?code={self._code}"
        try:
            self.link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self.link, _WAY_IN.format(url=escape(url)).encode())
        except OSError as error:
            raise InvalidRequest(f"page: cannot be written: {reason_of(error)}") from None
