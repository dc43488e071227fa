"""Places of private files: who else can read or replace them, what takes them along, and copies."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_rerank.history.vault.schema import APPLICATION_ID

SIDECARS = ("", "-wal", "-shm", "-journal", "-lock")
"""What lies beside an open history, by what is added to its name."""

MAX_FILES = 5_000
"""Files looked at for copies, the nearest first: half a second from a warm disk."""

DEPTH_AROUND = 2
"""Folders below the one above history or key that are looked at; their own to the bottom."""

_KEY_SEARCHED = 1 << 16
"""Bytes of a file searched for the key; what is longer is no file made to keep one."""

_STORE_SEARCHED = 1 << 20
"""Bytes of a history searched for the store's identity, which its second page holds."""

_APPLICATION_ID_AT = 68
_SQLITE = b"SQLite format 3\x00"
_REPOSITORIES = (".git", ".hg", ".svn", ".jj")
_BACKUP = re.compile(
    r"~|\.new|[._ -]*(?:bak|backup|old|orig|copy|save|prev|\d{4,}|gz|zip|xz|zst|bz2|7z|tar).*",
    re.IGNORECASE,
)
"""What tools and people add to the name of a file that they copy."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies of history and key that were found.

    Attributes:
        history: files that hold the history, as seen from its own folder.
        key: files that hold the key, likewise.
        looked_at: number of files.
        complete: whether that was all there are nearby.
    """

    history: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    looked_at: int = 0
    complete: bool = True


def looseness(path: Path) -> list[str]:
    """What lets others read a private file, replace it, or take it along; empty when nothing does.

    Needs a system of the POSIX kind.

    Args:
        path: a file that is there.

    Raises:
        OSError: when it cannot be looked at.
    """
    found = []
    state = path.stat()
    if state.st_mode & 0o077:
        found.append(f"{path.name} has mode {stat.S_IMODE(state.st_mode):04o}")
    if state.st_uid != os.getuid():
        found.append("it belongs to another user")
    if state.st_nlink > 1:
        found.append(f"it has {state.st_nlink} names (hard links)")
    # A link is followed, here as where the file is opened: whoever can change it chooses the file.
    folders = {path.resolve().parent, path.absolute().parent.resolve()}
    if any(folder.stat().st_mode & 0o022 for folder in folders):
        found.append("others may replace files in its folder")
    if any(folder.stat().st_uid not in {0, os.getuid()} for folder in folders):
        found.append("its folder belongs to another user")
    if any(_open_to_others(above) for folder in folders for above in folder.parents):
        found.append("others may replace a folder above it")
    if repository(path):
        found.append("it lies in a working tree of version control: a commit takes it along")
    return found


def repository(path: Path) -> bool:
    """Whether the file lies in a working tree of git or the like."""
    return any(
        os.path.lexists(folder / name)
        for folder in path.resolve().parents
        for name in _REPOSITORIES
    )


def _open_to_others(folder: Path) -> bool:
    mode = folder.stat().st_mode
    return bool(mode & 0o022) and not mode & stat.S_ISVTX


def find_copies(
    history: Path, store: bytes | None, key_file: Path | None, key: bytes | None
) -> Copies:
    """Look for copies in and around the folders of history and key.

    A copy of the history holds the same store's identity; a copy of the key the same 32 bytes,
    raw, in hexadecimal or in base64; and what is called like either with ``.bak`` or the like
    behind it counts as one whatever it holds. No link is followed. What cannot be read is passed
    over.

    Args:
        history: the history file.
        store: its identity, 16 bytes; ``None`` if not known.
        key_file: where the key lies, if in a file.
        key: the key; ``None`` if not known.
    """
    history = history.resolve()
    own = {_identity(Path(f"{history}{suffix}")) for suffix in SIDECARS}
    if key_file is not None:
        own.add(_identity(key_file))
    forms = () if key is None else _written(key)
    folders = [history.parent, *([key_file.resolve().parent] if key_file else [])]
    found: dict[str, list[str]] = {"history": [], "key": []}
    looked_at = 0
    for entry in _files(folders):
        if looked_at == MAX_FILES:
            break
        looked_at += 1
        if _identity(Path(entry.path)) in own:
            continue
        path = Path(entry.path)
        place = os.path.relpath(path, history.parent)
        if _called_like(history, path) or (store and _holds_store(path, store)):
            found["history"].append(place)
        if (key_file and _called_like(key_file, path)) or _holds_key(path, forms):
            found["key"].append(place)
    return Copies(
        tuple(found["history"]), tuple(found["key"]), looked_at, complete=looked_at < MAX_FILES
    )


def _files(folders: list[Path]) -> Iterator[os.DirEntry[str]]:
    """Regular files in the folders, then in those above them, the nearest first, each once."""
    around = [(folder.parent, DEPTH_AROUND) for folder in folders if folder.parent != folder]
    waiting = deque([*((folder, MAX_FILES) for folder in folders), *around])
    seen: set[Path] = set()
    while waiting:
        folder, depth = waiting.popleft()
        if folder in seen:
            continue
        seen.add(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    waiting.append((Path(entry.path), depth - 1))
            elif entry.is_file(follow_symlinks=False):
                yield entry


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _called_like(original: Path, path: Path) -> bool:
    if path.parent != original.resolve().parent:
        return False
    rest = path.name.removeprefix(original.name)
    stem = path.name.removeprefix(original.stem)
    return any(
        added != path.name and _BACKUP.fullmatch(added) is not None for added in (rest, stem)
    )


def _holds_store(path: Path, store: bytes) -> bool:
    start = _read(path, _STORE_SEARCHED, only=_SQLITE)
    application = start[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4]
    return application == APPLICATION_ID.to_bytes(4, "big") and store in start


def _holds_key(path: Path, forms: tuple[bytes, ...]) -> bool:
    if not forms:
        return False
    content = _read(path, _KEY_SEARCHED)
    return any(form in content for form in forms)


def _written(key: bytes) -> tuple[bytes, ...]:
    """The key in the forms in which it is kept."""
    text = key.hex()
    plain, url = base64.b64encode(key), base64.urlsafe_b64encode(key)
    return key, text.encode(), text.upper().encode(), plain.rstrip(b"="), url.rstrip(b"=")


def _read(path: Path, limit: int, only: bytes = b"") -> bytes:
    """The first bytes of a file that begins with ``only``; nothing of another one."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(only))
            return start + stream.read(limit) if start == only else b""
    except OSError:
        return b""
