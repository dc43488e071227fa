"""An anchor outside the file: it detects that the file was rolled back as a whole.

A complete old copy of a history file is in itself consistent. An anchor kept where whoever
can replace the file cannot reach, for instance on another volume, in a TPM counter or at a
service of the host's, remembers the newest state.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from edge_rerank._files import replace_file
from edge_rerank.errors import HistoryUnavailable, InvalidRequest

ANCHOR_BYTES = 72
"""Store (16), generation (8), hash of the sealed root (16), keyed checksum (32)."""


@runtime_checkable
class Anchor(Protocol):
    """Protection against old copies of a history: keeps 72 bytes outside of its file."""

    def load(self) -> bytes | None:
        """What was saved last; ``None`` if nothing ever was."""

    def save(self, state: bytes) -> None:
        """Durably keep ``state`` in the place of what was kept before."""


class AnchorFile:
    """An anchor in a small file, best on another volume than the history.

    Every write to the history then costs one more synced write here.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    @property
    def path(self) -> Path:
        """The anchor's file."""
        return self._path

    def load(self) -> bytes | None:
        """Read the file.

        Raises:
            HistoryUnavailable: when it is there but cannot be read.
        """
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HistoryUnavailable(f"the anchor cannot be read: {error.strerror}") from error

    def save(self, state: bytes) -> None:
        """Replace the file.

        Raises:
            HistoryUnavailable: when it cannot be written.
        """
        try:
            replace_file(self._path, state)
        except OSError as error:
            raise HistoryUnavailable(f"the anchor cannot be written: {error.strerror}") from error


class AnchorCallback:
    """An anchor kept by the host's own service.

    Args:
        load: returns what was saved last, or ``None``.
        save: durably keeps 72 bytes.
    """

    def __init__(self, load: Callable[[], bytes | None], save: Callable[[bytes], None]) -> None:
        self._load = load
        self._save = save

    def load(self) -> bytes | None:
        """Ask the host.

        Raises:
            HistoryUnavailable: when the host's function fails.
        """
        try:
            return self._load()
        except Exception as error:
            name = type(error).__name__
            raise HistoryUnavailable(f"the anchor callback failed: {name}") from error

    def save(self, state: bytes) -> None:
        """Hand the host the newest state.

        Raises:
            HistoryUnavailable: when the host's function fails.
        """
        try:
            self._save(state)
        except Exception as error:
            name = type(error).__name__
            raise HistoryUnavailable(f"the anchor callback failed: {name}") from error


def as_anchor(anchor: str | os.PathLike[str] | Anchor | None) -> Anchor | None:
    """A path becomes an :class:`AnchorFile`.

    Raises:
        InvalidRequest: when it is neither a path nor an anchor.
    """
    if anchor is None:
        return None
    if isinstance(anchor, str | os.PathLike):
        return AnchorFile(Path(anchor))
    if isinstance(anchor, Anchor):
        return anchor
    raise InvalidRequest(f"anchor: expected a path or an anchor, got {type(anchor).__name__}")
