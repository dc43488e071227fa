"""The token that programs show to the server, in a file that only its owner can read."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from edge_rerank._files import reason_of, write_new
from edge_rerank.errors import InvalidRequest

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_BYTES = 32
_MOST = 256


def read_or_make_token(path: Path) -> str:
    """The token of a file, which is made where it is not there.

    A file is used as it is found, so that programs which have read it need not read it again
    after the server was started anew; and refused where others could have read or written it.

    Raises:
        InvalidRequest: when it is no such file, or none can be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            write_new(path, f"{token}\n".encode())
        except FileExistsError:
            return _read(path)
    except OSError as error:
        raise InvalidRequest(f"token file: cannot be used: {reason_of(error)}") from None
    return token


def private_folder() -> Path:
    """Where the user's own programs keep what lasts while they run."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    state = os.environ.get("XDG_STATE_HOME")
    local = os.environ.get("LOCALAPPDATA")
    if runtime:
        base = Path(runtime)
    elif os.name == "nt" and local:
        base = Path(local)
    else:
        base = Path(state) if state else Path.home() / ".local" / "state"
    return base / "edge-rerank"


def _read(path: Path) -> str:
    """The token of a file that is there; a link is not followed, a pipe not waited for."""
    unfollowed = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_RDONLY | unfollowed)
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidRequest("token file: expected a file, got something else")
        if os.name == "posix" and (facts.st_uid != os.geteuid() or facts.st_mode & 0o077):
            raise InvalidRequest(
                "token file: expected one of this user with mode 0600, got one that others "
                "can read or write: delete it, and a new one is made"
            )
        text = stream.read(_MOST).decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(text):
        raise InvalidRequest("token file: expected a token of 43 characters, got something else")
    return text
