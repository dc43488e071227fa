"""A key in the operating system's own keyring."""

from __future__ import annotations

from typing import Any

from edge_rerank.errors import HistoryKeyError, MissingExtra
from edge_rerank.history.crypto import fresh_key
from edge_rerank.history.keys.sources import check_key

ALLOWED_BACKENDS = frozenset(
    {
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.Windows.WinVaultKeyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.macOS.Keyring",
    }
)
"""Backends that the operating system protects; plain-text and null ones are not among them."""


class KeyringKey:
    """A key in the keyring of macOS, Windows, GNOME or KDE.

    Args:
        service: the name under which the system lists the entry.
        account: tells several histories of one application apart.

    Raises:
        MissingExtra: when the package ``keyring`` is not installed.
        HistoryKeyError: when no backend of :data:`ALLOWED_BACKENDS` is at hand; there is no
            fallback to a weaker one.
    """

    replaceable = True

    def __init__(self, service: str = "edge-rerank", account: str = "history") -> None:
        self._service = service
        self._account = account
        self._backend = _allowed_backend()

    @classmethod
    def create(cls, service: str = "edge-rerank", account: str = "history") -> KeyringKey:
        """Put a new random key into the keyring.

        Keyrings know no exclusive creation: have one process at a time do it.

        Raises:
            HistoryKeyError: when there is an entry already.
        """
        source = cls(service, account)
        if source._read() is not None:
            raise HistoryKeyError("keyring: expected no entry there yet, found one")
        source.replace(fresh_key())
        return source

    def load(self) -> bytes:
        """Read the key.

        Raises:
            HistoryKeyError: when there is no entry, it is malformed, or the keyring refuses.
        """
        text = self._read()
        if text is None:
            raise HistoryKeyError("keyring: expected an entry, found none")
        try:
            return check_key(bytes.fromhex(text))
        except ValueError:
            raise HistoryKeyError("keyring: expected 64 hexadecimal digits") from None

    def replace(self, key: bytes) -> None:
        """Put ``key`` in the place of the present one, and read it back.

        Raises:
            HistoryKeyError: when the keyring refuses.
        """
        try:
            self._backend.set_password(self._service, self._account, check_key(key).hex())
        except Exception as error:
            raise HistoryKeyError(f"keyring: refused: {type(error).__name__}") from error
        if self.load() != key:
            raise HistoryKeyError("keyring: did not keep the new key")

    def _read(self) -> str | None:
        try:
            text: str | None = self._backend.get_password(self._service, self._account)
        except Exception as error:
            raise HistoryKeyError(f"keyring: refused: {type(error).__name__}") from error
        return text


def _allowed_backend() -> Any:
    try:
        import keyring  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("pip install keyring") from None
    backend = keyring.get_keyring()
    # The chainer stands for several backends in order of priority.
    for candidate in getattr(backend, "backends", [backend]):
        name = f"{type(candidate).__module__}.{type(candidate).__qualname__}"
        if name in ALLOWED_BACKENDS:
            return candidate
    raise HistoryKeyError(
        "keyring: expected a keyring of the operating system, found none that is allowed"
    )
