"""Arguments that several commands share, and opening what they name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge_rerank._check import check_id
from edge_rerank._files import opener
from edge_rerank.errors import DataError, HistoryKeyError, HistoryUnavailable, InvalidRequest
from edge_rerank.history.history import RecentHistory
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.store import HistoryStore

Subparsers = argparse._SubParsersAction
"""argparse has no public name for it."""


def add_pack(parser: argparse.ArgumentParser) -> None:
    """``--pack``, ``--providers`` and ``--threads``."""
    parser.add_argument(
        "--pack", type=Path, metavar="FOLDER", help="the model pack (default: the shipped one)"
    )
    add_runtime(parser)


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """``--providers`` and ``--threads``."""
    parser.add_argument(
        "--providers",
        type=_names,
        metavar="NAMES",
        help='execution providers by preference, as "cuda,cpu" (default: cpu)',
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads in one operator (default: up to 4)"
    )


def add_history(parser: argparse.ArgumentParser) -> None:
    """``--history``, ``--key-file`` and ``--user`` of a stored history, all required."""
    add_history_files(parser)
    parser.add_argument("--user", type=user_id, required=True, metavar="USER", help="whose history")


def add_history_files(parser: argparse.ArgumentParser) -> None:
    """``--history`` and ``--key-file``, both required."""
    parser.add_argument(
        "--history", type=Path, required=True, metavar="FILE", help="the encrypted history file"
    )
    parser.add_argument(
        "--key-file", type=Path, required=True, metavar="FILE", help="its key, a file of 32 bytes"
    )


def add_anchor(parser: argparse.ArgumentParser) -> None:
    """``--anchor``."""
    parser.add_argument(
        "--anchor", type=Path, metavar="FILE", help="the anchor file, to detect an old copy"
    )


def positive(text: str) -> int:
    """An integer from 1 on, for ``type=``."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def user_id(text: str) -> str:
    """A user's identifier, for ``type=``."""
    try:
        return check_id(text, "user", InvalidRequest)
    except InvalidRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def open_history(path: Path, key_file: Path, *, create: bool) -> RecentHistory:
    """Open a history file with the key in ``key_file``.

    Args:
        path: the history file.
        key_file: see :class:`~edge_rerank.history.keys.sources.KeyFile`.
        create: whether to make both where neither is there.

    Raises:
        HistoryError: when one of them is missing, does not fit, or cannot be opened.
    """
    if not path.exists():
        if not create:
            raise HistoryUnavailable(f"{path}: expected a history file, found none")
        if not key_file.exists():
            KeyFile.create(key_file)
    elif not key_file.exists():
        raise HistoryKeyError(f"{key_file}: expected the key of the history file, found none")
    return RecentHistory(HistoryStore.open(path, KeyFile(key_file)))


def write_text(path: Path, text: str) -> None:
    """Write a result file that, if new, only its owner can read: it is about a person.

    Half an emoji in an item's text becomes a question mark.

    Raises:
        DataError: when the file system refuses.
    """
    try:
        with open(path, "w", encoding="utf-8", errors="replace", opener=opener) as stream:
            stream.write(text)
    except OSError as error:
        raise DataError(path, f"cannot be written: {type(error).__name__}") from error


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
