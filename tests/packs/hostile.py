"""A tiny real pack for the hostile ones to be made from, without the onnx package.

The encoder looks up four numbers a token and averages them; the tokeniser knows six words.
"""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_rerank.packs.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    FileEntry,
    Manifest,
    Source,
)
from edge_rerank.packs.onnx_sizes import Size, Symbol
from edge_rerank.packs.specs import EncoderSpec

FLOAT, INT64 = 1, 7
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = KEY.public_key().public_bytes_raw()


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    """One protobuf field: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, dims: list[int], kind: int, raw: bytes) -> bytes:
    sizes = b"".join(field(1, size) for size in dims)
    return sizes + field(2, kind) + field(8, name) + field(9, raw)


def value(name: str, kind: int, dims: list[str | int]) -> bytes:
    sizes = b"".join(
        field(1, field(2, size) if isinstance(size, str) else field(1, size)) for size in dims
    )
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes)))


def node(
    operator: str, inputs: list[str], outputs: list[str], *extra: bytes, domain: str = ""
) -> bytes:
    return b"".join(
        (
            *(field(1, name) for name in inputs),
            *(field(2, name) for name in outputs),
            field(4, operator),
            *extra,
            field(7, domain) if domain else b"",
        )
    )


WEIGHTS = tensor("w", [8, 4], FLOAT, struct.pack("<32f", *range(32)))
AXES = tensor("axes", [1], INT64, struct.pack("<q", 1))
INPUTS = (
    value("input_ids", INT64, ["batch", "tokens"]),
    value("attention_mask", INT64, ["batch", "tokens"]),
)
OUTPUT = value("vector", FLOAT, ["batch", 4])
NODES = (
    node("Gather", ["w", "input_ids"], ["rows"]),
    node("ReduceMean", ["rows", "axes"], ["vector"], field(5, field(1, "keepdims") + field(20, 2))),
)


def graph(
    nodes: tuple[bytes, ...] = NODES,
    tensors: tuple[bytes, ...] = (WEIGHTS, AXES),
    extra: bytes = b"",
) -> bytes:
    return b"".join(
        (
            *(field(1, one) for one in nodes),
            field(2, "g"),
            *(field(5, one) for one in tensors),
            *(field(11, one) for one in INPUTS),
            field(12, OUTPUT),
            extra,
        )
    )


def model(body: bytes | None = None, *, domains: tuple[str, ...] = (), extra: bytes = b"") -> bytes:
    opsets = [field(8, field(2, 18))]
    opsets += [field(8, field(1, domain) + field(2, 1)) for domain in domains]
    return field(1, 8) + b"".join(opsets) + field(7, graph() if body is None else body) + extra


_SHAPE = (
    Size(1, [Symbol("batch", 1, 256, "tokens", 256)]),
    Size(1, [Symbol("tokens", 1, 16)]),
)
DATA = "encoder.onnx.data"
"""Where weights lie that are not in the model."""

FEED = {"input_ids": _SHAPE, "attention_mask": _SHAPE}
"""What an encoder of 16 tokens is given."""

TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "WordLevel",
        "vocab": {"[UNK]": 0, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6},
        "unk_token": "[UNK]",
    },
}


def write(
    folder: Path,
    *,
    onnx: bytes | None = None,
    tokenizer: bytes | dict[str, object] | None = None,
    data: bytes | None = None,
    release: int = 3,
    signed_by: Ed25519PrivateKey = KEY,
) -> Path:
    """A pack in ``folder`` whose manifest and signature fit whatever is in it."""
    folder.mkdir()
    chosen = TOKENIZER if tokenizer is None else tokenizer
    files = {
        "encoder.onnx": model() if onnx is None else onnx,
        "tokenizer.json": chosen if isinstance(chosen, bytes) else json.dumps(chosen).encode(),
    }
    if data is not None:
        files[DATA] = data
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = Manifest(
        name="tiny",
        release=release,
        licence="Apache-2.0",
        source=Source("path:tiny", "local", "0" * 64),
        files=tuple(
            FileEntry(name, len(content), sha256(content).hexdigest())
            for name, content in files.items()
        ),
        encoder=EncoderSpec(
            *("encoder.onnx", "tokenizer.json", 4, 16, 0, 18),
            external_data=None if data is None else DATA,
        ),
    )
    sign(folder, manifest.to_json(), signed_by)
    return folder


def sign(folder: Path, raw: bytes, key: Ed25519PrivateKey = KEY) -> None:
    (folder / MANIFEST_NAME).write_bytes(raw)
    (folder / SIGNATURE_NAME).write_bytes(key.sign(raw))
