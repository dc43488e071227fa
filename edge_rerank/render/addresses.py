"""Addresses of pictures, scripts and style sheets: which are taken, and where they lead."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge_rerank._check import kind_of
from edge_rerank.errors import InvalidRequest

_WEB = re.compile(r"(https?://[a-z0-9.\-]+(?::\d+)?)(?:[/?#]|$)", re.IGNORECASE)
_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp|avif|svg\+xml)[;,]", re.IGNORECASE)
_NOT_IN_ADDRESSES = re.compile(r"[\x00-\x20\\\x7f]")

SELF, DATA = "'self'", "data:"
"""Sources of a Content-Security-Policy: where the page comes from, and the page itself."""


def source_of(address: str) -> str | None:
    """What a Content-Security-Policy has to allow for an address.

    Args:
        address: on the web, with neither a name nor a password in it; or relative to the page; or
            a picture of a common type as ``data:``.

    Returns:
        An origin, :data:`SELF` or :data:`DATA`; ``None`` for an address that is not taken, such
        as one of a script or without a scheme on another host.
    """
    if _DATA.match(address):
        return DATA
    if not address or _NOT_IN_ADDRESSES.search(address):
        return None
    if web := _WEB.match(address):
        return web[1].lower()
    first = re.split(r"[/?#]", address, maxsplit=1)[0]
    return None if address.startswith("//") or ":" in first else SELF


def picture(value: object) -> str | None:
    """``value`` where it is an address that a picture may have, else ``None``."""
    return value if isinstance(value, str) and source_of(value) is not None else None


def check_address(value: object, name: str) -> str:
    """``value`` if it leads to a file on the web, or beside the page.

    Raises:
        InvalidRequest: when it does not.
    """
    if not isinstance(value, str) or source_of(value) in {None, DATA}:
        found = "another" if isinstance(value, str) else kind_of(value)
        raise InvalidRequest(f"{name}: expected an http(s) or a relative address, got {found}")
    return value


def policy(
    *,
    images: Iterable[str] = (),
    style: str,
    scripts: Iterable[str] = (),
    connections: Iterable[str] = (),
) -> str:
    """A Content-Security-Policy that allows these addresses and nothing else.

    Args:
        images: addresses of pictures.
        style: the source of the style sheet, ready to be written.
        scripts: addresses of scripts.
        connections: addresses that scripts send to.
    """
    parts = ["default-src 'none'", f"style-src {style}"]
    for name, addresses in (
        ("img-src", images),
        ("script-src", scripts),
        ("connect-src", connections),
    ):
        sources = sorted({source for one in addresses if (source := source_of(one))})
        if sources:
            parts.append(f"{name} {' '.join(sources)}")
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'"])
