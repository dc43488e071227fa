"""A key behind a passphrase: a random key, sealed under what Argon2id makes of the words.

The key file holds the parameters of Argon2id, so that they can grow with the hardware; what
is read back is capped, so that a planted file cannot exhaust the machine, and has a floor,
so that it cannot weaken the next one.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from edge_rerank._files import reason_of
from edge_rerank.errors import HistoryKeyError
from edge_rerank.history.crypto import KEY_BYTES, SealingKey, Unsealable, derive, fresh_key, same
from edge_rerank.history.keys.sources import (
    check_key,
    check_mode,
    create_key_file,
    replace_key_file,
)
from edge_rerank.history.keys.strength import passphrase_bits

VERSION = 1
SALT_BYTES = 16
MAX_FILE_BYTES = 4_096
MIN_PASSPHRASE_CHARS = 8


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Cost of hashing a passphrase with Argon2id; the default is RFC 9106's second choice.

    Attributes:
        memory_kib: KiB of memory, 19,456 (19 MiB) to 1,048,576 (1 GiB).
        iterations: passes over it, 1 to 16.
        lanes: parallel lanes, 1 to 16.

    Raises:
        HistoryKeyError: when a value is out of range.
    """

    memory_kib: int = 65_536
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("memory_kib", self.memory_kib, 19_456, 1_048_576),
            ("iterations", self.iterations, 1, 16),
            ("lanes", self.lanes, 1, 16),
        ):
            if type(value) is not int or not low <= value <= high:
                raise HistoryKeyError(f"Argon2id {name}: expected {low} to {high}, got another")


class Passphrase:
    """A random key in a file that a passphrase opens.

    Args:
        passphrase: at least 8 characters.
        path: the key file, made by :meth:`create`.

    Raises:
        HistoryKeyError: when the passphrase is too short.
    """

    replaceable = True

    def __init__(self, passphrase: str, path: str | Path) -> None:
        if not isinstance(passphrase, str) or len(passphrase) < MIN_PASSPHRASE_CHARS:
            raise HistoryKeyError(
                f"passphrase: expected at least {MIN_PASSPHRASE_CHARS} characters"
            )
        self._passphrase = passphrase.encode("utf-8", "surrogatepass")
        self._path = Path(path)
        self._cost = Argon2Cost()
        self.bits = passphrase_bits(passphrase)
        """An upper bound on what the words are worth."""

    @property
    def path(self) -> Path:
        """The key file."""
        return self._path

    @classmethod
    def create(
        cls, passphrase: str, path: str | Path, *, cost: Argon2Cost | None = None
    ) -> Passphrase:
        """Make a new random key at ``path``.

        Raises:
            HistoryKeyError: when there is a file already or none can be written.
        """
        source = cls(passphrase, path)
        source._cost = cost or Argon2Cost()
        create_key_file(source._path, source._sealed(fresh_key()))
        return source

    def load(self) -> bytes:
        """Read and open the key file; takes as long as one guess.

        Raises:
            HistoryKeyError: when the file is missing, malformed or open to other users, or
                the passphrase is not the one.
        """
        try:
            check_mode(self._path)
            with self._path.open("rb") as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise HistoryKeyError(f"key file: cannot be read: {reason_of(error)}") from error
        try:
            fields = json.loads(content)
            if len(content) > MAX_FILE_BYTES or fields["version"] != VERSION:
                raise ValueError("version")  # noqa: TRY301 - one message for all of it
            cost = Argon2Cost(**fields["argon2id"])
            salt = base64.b64decode(fields["salt"], validate=True)
            commitment = base64.b64decode(fields["commitment"], validate=True)
            sealed = base64.b64decode(fields["sealed"], validate=True)
            if len(salt) != SALT_BYTES:
                raise ValueError("salt")  # noqa: TRY301
        except (ValueError, TypeError, KeyError):
            raise HistoryKeyError("key file: malformed") from None
        stretched = self._stretch(salt, cost)
        try:
            if not same(commitment, derive(stretched, "commitment", salt)):
                raise Unsealable  # noqa: TRY301
            key = SealingKey(stretched).open(sealed, _context(salt, cost))
        except Unsealable:
            raise HistoryKeyError("the passphrase is not the one of this key file") from None
        self._cost = cost
        return check_key(key)

    def replace(self, key: bytes) -> None:
        """Seal ``key`` under the same passphrase and a new salt.

        Raises:
            HistoryKeyError: when the file cannot be written.
        """
        replace_key_file(self._path, self._sealed(check_key(key)))

    def _sealed(self, key: bytes) -> bytes:
        """The content of a key file that holds ``key``."""
        salt = os.urandom(SALT_BYTES)
        stretched = self._stretch(salt, self._cost)
        fields = {
            "version": VERSION,
            "argon2id": asdict(self._cost),
            "salt": base64.b64encode(salt).decode(),
            "commitment": base64.b64encode(derive(stretched, "commitment", salt)).decode(),
            "sealed": base64.b64encode(
                SealingKey(stretched).seal(key, _context(salt, self._cost))
            ).decode(),
        }
        return json.dumps(fields).encode()

    def _stretch(self, salt: bytes, cost: Argon2Cost) -> bytes:
        try:
            return Argon2id(
                salt=salt,
                length=KEY_BYTES,
                iterations=cost.iterations,
                lanes=cost.lanes,
                memory_cost=cost.memory_kib,
            ).derive(self._passphrase)
        except UnsupportedAlgorithm:
            raise HistoryKeyError("Argon2id needs cryptography with OpenSSL 3.2 or newer") from None


def _context(salt: bytes, cost: Argon2Cost) -> bytes:
    numbers = json.dumps([VERSION, cost.memory_kib, cost.iterations, cost.lanes])
    return b"edge-rerank passphrase" + salt + numbers.encode()
