"""Key sources: where the key-encryption key comes from, which never lies in the file.

A source that can :meth:`~KeySource.replace` its key lets erasure rotate it, so that an old
copy of the file stays closed for ever. With a key that the host holds itself, the host
calls ``rotate_key`` and destroys the old one. Two more sources have modules of their own beside
this one: :class:`~edge_rerank.Passphrase` and :class:`~edge_rerank.KeyringKey`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from edge_rerank._files import reason_of, replace_secret, write_new
from edge_rerank.errors import HistoryKeyError

KEY_BYTES = 32


@runtime_checkable
class KeySource(Protocol):
    """Gives the 32-byte key-encryption key, and takes a new one if it can."""

    @property
    def replaceable(self) -> bool:
        """Whether :meth:`replace` works."""

    def load(self) -> bytes:
        """The present key.

        Raises:
            HistoryKeyError: when there is none.
        """

    def replace(self, key: bytes) -> None:
        """Durably put ``key`` in the place of the present one.

        Raises:
            HistoryKeyError: when this source cannot.
        """


class HeldKey:
    """A key that the host holds itself."""

    replaceable = False

    def __init__(self, key: bytes) -> None:
        self._key = check_key(key)

    def load(self) -> bytes:
        """The key."""
        return self._key

    def replace(self, key: bytes) -> None:
        """Always raises: only the host can replace what it holds."""
        del key
        raise HistoryKeyError("the host holds the key itself: call rotate_key() with a new one")


class KeyEnv(HeldKey):
    """A key in an environment variable, as 64 hexadecimal digits.

    Raises:
        HistoryKeyError: when the variable is missing or malformed.
    """

    def __init__(self, variable: str = "EDGE_RERANK_KEY") -> None:
        text = os.environ.get(variable)
        if text is None:
            raise HistoryKeyError(f"expected a key in the environment variable {variable}")
        try:
            super().__init__(bytes.fromhex(text))
        except ValueError:
            raise HistoryKeyError(f"{variable}: expected 64 hexadecimal digits") from None


class KeyFile:
    """A key in a file of 32 bytes that only its owner may read.

    Args:
        path: the key file, best on another disk or in another backup than the history.
    """

    replaceable = True

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    @property
    def path(self) -> Path:
        """The key file."""
        return self._path

    @classmethod
    def create(cls, path: str | Path) -> KeyFile:
        """Make a new random key at ``path``.

        Raises:
            HistoryKeyError: when there is a file already or none can be written.
        """
        source = cls(path)
        create_key_file(source._path, secrets.token_bytes(KEY_BYTES))
        return source

    def load(self) -> bytes:
        """Read the key.

        Raises:
            HistoryKeyError: when the file is missing, unreadable, of another size, or open
                to other users of the machine.
        """
        try:
            check_mode(self._path)
            key = self._path.read_bytes()
        except OSError as error:
            raise HistoryKeyError(f"key file: cannot be read: {reason_of(error)}") from error
        return check_key(key)

    def replace(self, key: bytes) -> None:
        """Write ``key`` beside the file, rename it into place, and overwrite the former one.

        Where the path is a symbolic link, all of that happens to what it leads to.
        """
        replace_key_file(self._path, check_key(key))


class KeyCallback:
    """A key kept by the host's own service: a KMS, a TPM, a secure element.

    Args:
        load: returns the 32 bytes.
        replace: durably stores 32 new ones; without it erasure cannot rotate the key.
    """

    def __init__(
        self, load: Callable[[], bytes], replace: Callable[[bytes], None] | None = None
    ) -> None:
        self._load = load
        self._replace = replace

    @property
    def replaceable(self) -> bool:
        """Whether a ``replace`` function was given."""
        return self._replace is not None

    def load(self) -> bytes:
        """Ask the host.

        Raises:
            HistoryKeyError: when the host's function fails or gives something else.
        """
        try:
            return check_key(self._load())
        except HistoryKeyError:
            raise
        except Exception as error:
            raise HistoryKeyError(f"the key callback failed: {type(error).__name__}") from error

    def replace(self, key: bytes) -> None:
        """Hand the host a new key.

        Raises:
            HistoryKeyError: when the host gave no function for it, or it fails.
        """
        if self._replace is None:
            raise HistoryKeyError("the key callback has no replace function")
        try:
            self._replace(check_key(key))
        except HistoryKeyError:
            raise
        except Exception as error:
            raise HistoryKeyError(f"the key callback failed: {type(error).__name__}") from error


def as_source(key: bytes | KeySource) -> KeySource:
    """``key`` itself if it is a source, a :class:`HeldKey` if it is bytes.

    Raises:
        HistoryKeyError: when it is neither.
    """
    if isinstance(key, bytes | bytearray):
        return HeldKey(bytes(key))
    if isinstance(key, KeySource):
        return key
    raise HistoryKeyError(f"key: expected 32 bytes or a key source, got {type(key).__name__}")


def check_key(key: object) -> bytes:
    """Return ``key`` if it is 32 bytes that are not all alike.

    Raises:
        HistoryKeyError: when it is not.
    """
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        size = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
        raise HistoryKeyError(f"key: expected {KEY_BYTES} bytes, got {size}")
    if len(set(key)) == 1:
        raise HistoryKeyError("key: expected random bytes, got one byte repeated")
    return key


def create_key_file(path: Path, content: bytes) -> None:
    """Make a key file that nobody else has made, not even at the same time.

    Raises:
        HistoryKeyError: when there is a file, or a link, already, or none can be written.
    """
    try:
        write_new(path, content)
    except FileExistsError:
        raise HistoryKeyError("key file: expected no file there yet, found one") from None
    except OSError as error:
        raise HistoryKeyError(f"key file: cannot be written: {reason_of(error)}") from error


def replace_key_file(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of a key file, so that the former key is gone.

    Raises:
        HistoryKeyError: when it cannot be written.
    """
    try:
        replace_secret(path, content)
    except OSError as error:
        raise HistoryKeyError(f"key file: cannot be written: {reason_of(error)}") from error


def check_mode(path: Path) -> None:
    """See that only the owner can read the file, where the system knows such a thing.

    Raises:
        HistoryKeyError: when others can.
        OSError: when the file is not there.
    """
    mode = path.stat().st_mode
    if os.name == "posix" and mode & 0o077:
        raise HistoryKeyError(
            f"key file: expected mode 0600, got {mode & 0o777:04o}; run chmod 600 on it"
        )
