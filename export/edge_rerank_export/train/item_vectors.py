"""Item vectors kept from one run to the next: encoding costs more than most that follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank_export.files import kept_array
from edge_rerank_export.progress import Update

_ENCODED_AT_ONCE = 2_000


def encoder_digest(manifest: Manifest) -> str:
    """A digest of all that a text's vector depends on; empty for a pack without a text encoder.

    The model's file alone would not do: its weights may lie beside it, and a prefix is part of the
    tokeniser.
    """
    spec = manifest.encoder
    if spec is None:
        return ""
    digests = {entry.name: entry.sha256 for entry in manifest.files}
    files = [digests[name] for name in (spec.model, spec.external_data, spec.tokenizer) if name]
    return sha256(json.dumps([files, asdict(spec)]).encode()).hexdigest()


def kept_vectors(
    encoder: TextEncoder, base: Pack, work: Path, update: Update
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """The encoder with its results kept in ``work``.

    Args:
        encoder: that of ``base``.
        base: a pack with an encoder.
        work: a folder; a file for each list of texts, named by their digest and the encoder's.
        update: told how many texts are done.

    Returns:
        Unit vectors of texts, float32 of shape (n, dim); zeros for blank ones. They went through
        half precision, in the first run as well, so that a later one gets the same.
    """
    name = encoder_digest(base.manifest)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        digest = sha256(name.encode())
        for text in texts:
            digest.update(sha256(text.encode("utf-8", "replace")).digest())
        path = work / f"vectors-{digest.hexdigest()[:32]}.npy"
        return kept_array(path, lambda: made(texts)).astype(np.float32)

    def made(texts: Sequence[str]) -> NDArray[np.float16]:
        vectors = np.zeros((len(texts), encoder.dim), dtype=np.float32)
        worded = np.array([row for row, text in enumerate(texts) if text.strip()], dtype=np.intp)
        for start in range(0, len(worded), _ENCODED_AT_ONCE):
            rows = worded[start : start + _ENCODED_AT_ONCE]
            vectors[rows] = encoder.encode([texts[row] for row in rows])
            update(start + len(rows), len(worded))
        return vectors.astype(np.float16)

    return encode
