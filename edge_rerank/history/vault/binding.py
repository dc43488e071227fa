"""Associated data: where a sealed value belongs."""

from __future__ import annotations

from edge_rerank.history.crypto import KEY_ID_BYTES

SEQ_BYTES = 8
SEALED_SCHEMA = 1
"""The schema version in which sealed values have had their present meaning."""


class Binding:
    """Binds sealed values to one store.

    Args:
        store: the store's 16-byte identity.
    """

    def __init__(self, store: bytes) -> None:
        self.store = store
        self._prefix = _pack(b"edge-rerank", store)

    def __call__(self, table: str, key_id: int, subject: bytes = b"", seq: int = 0) -> bytes:
        """Associated data: store, table, schema version, key id, subject, sequence number.

        Each part stands behind its length, 4 bytes big endian.

        Args:
            table: the table, with the column where it has several sealed ones.
            key_id: of the key that seals.
            subject: a pseudonym or a name.
            seq: the sequence number, 0 where there is none.
        """
        return self._prefix + _pack(
            table.encode(),
            bytes([SEALED_SCHEMA]),
            key_id.to_bytes(KEY_ID_BYTES, "big"),
            subject,
            seq.to_bytes(SEQ_BYTES, "big"),
        )


def _pack(*parts: bytes) -> bytes:
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])
