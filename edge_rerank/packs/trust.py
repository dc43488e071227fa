"""Trust: which packs a host accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_rerank._check import check_integer, check_sequence, kind_of
from edge_rerank.errors import InvalidRequest

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose packs are opened, and how old they may be. The shipped pack's digest is pinned.

    Attributes:
        keys: Ed25519 public keys, 32 bytes each, one of which must have signed each pack;
            empty for no such demand.
        minimum_release: an older release of any pack is refused. A history also remembers the
            newest release of each signed pack, and refuses an older one.

    Raises:
        InvalidRequest: when an attribute is malformed.
    """

    keys: Sequence[bytes] = ()
    minimum_release: int = 1

    def __post_init__(self) -> None:
        check_integer(self.minimum_release, "minimum_release", InvalidRequest)
        check_sequence(self.keys, "keys", InvalidRequest, wanted="several")
        for key in self.keys:
            if not isinstance(key, bytes) or len(key) != KEY_BYTES:
                came = f"{len(key)} bytes" if isinstance(key, bytes) else kind_of(key)
                remedy = ": bytes.fromhex() reads what keygen prints" if came == "str" else ""
                raise InvalidRequest(
                    f"keys: expected Ed25519 public keys of 32 bytes, got {came}{remedy}"
                )


ANY_PACK = Trust()
"""What holds where the host says nothing."""
