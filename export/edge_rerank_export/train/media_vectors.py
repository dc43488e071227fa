"""Vectors of pictures and sounds kept from one run to the next, by what is in their files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.inference.encoders.audio import AudioEncoder
from edge_rerank.inference.encoders.image import ImageEncoder
from edge_rerank.inference.encoders.media_files import KEY, media_key, opened
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import AudioEncoderSpec, ImageEncoderSpec
from edge_rerank_export.train.growing_vectors import GrowingVectors

IMAGE, AUDIO = "image", "audio"
PARTS = (IMAGE, AUDIO)
"""Kinds of media, as items name them."""

_READ_AT_ONCE = 500
_BLOCK = 1 << 20


class KeptReader:
    """An encoder of pictures or sounds with its results kept in a file.

    Args:
        pack: whose encoder.
        part: "image" or "audio".
        work: the folder of the file, which is named by the model's digest and grows as things
            are read.
        threads: things that are read at once; ``None`` for the default.

    Attributes:
        dim: length of a vector.
        weight: see :class:`~edge_rerank.packs.specs.ImageEncoderSpec`.
        name: digest of the model.

    Raises:
        DataError: when something else lies in the place of the file of vectors, or it cannot be
            read or written.
    """

    def __init__(self, pack: Pack, part: str, work: Path, *, threads: int | None = None) -> None:
        kind = ImageEncoder if part == IMAGE else AudioEncoder
        self._encoder: ImageEncoder | AudioEncoder = kind(pack, threads=threads)
        spec = spec_of(pack.manifest, part)
        assert spec is not None  # noqa: S101 - the encoder has checked
        files = {entry.name: entry.sha256 for entry in pack.manifest.files}
        self.dim, self.weight, self.name = spec.dim, spec.weight, files[spec.model]
        file = work / f"{part}-{self.name[:32]}.growing"
        self._kept = GrowingVectors(file, encoder=self.name, dim=self.dim)

    def encode(
        self, things: Sequence[Any], /, *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Vectors of things; those of files that were read before are not made again.

        Args:
            things: as items carry them.
            progress: called with (done, to do) as new ones are read.

        Returns:
            float32 of shape (len(things), dim), rows of length 1.

        Raises:
            DataError: when the file of vectors cannot be written.
            InvalidItem, MissingExtra, InferenceError: see
                :class:`~edge_rerank.inference.encoders.one_by_one.OneByOne`.
        """
        keys = [_key(one) for one in things]
        new = {key: place for place, key in enumerate(keys) if key not in self._kept}
        places = list(new.values())
        for start in range(0, len(places), _READ_AT_ONCE):
            some = places[start : start + _READ_AT_ONCE]
            made = self._encoder.encode(
                [things[place] for place in some], progress=_beyond(progress, start, len(places))
            )
            self._kept.add([keys[place] for place in some], made)
        return self._kept.of(keys)

    def feed(self, thing: Any, /) -> object:
        """See :meth:`~edge_rerank.inference.encoders.one_by_one.OneByOne.feed`."""
        return self._encoder.feed(thing)


def spec_of(manifest: Manifest, part: str) -> ImageEncoderSpec | AudioEncoderSpec | None:
    """What a manifest says of a part."""
    return manifest.image_encoder if part == IMAGE else manifest.audio_encoder


def _key(thing: Any) -> bytes:
    """A hash of what is in a file, of an array as caches know it."""
    if not isinstance(thing, Path):
        return media_key(thing)
    digest = blake2b(b"bytes", digest_size=KEY)
    with opened(thing, "media") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def _beyond(progress: Progress | None, before: int, whole: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _total: progress(before + done, whole)
