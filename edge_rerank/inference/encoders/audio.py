"""The sound encoder: what an item sounds like becomes a unit vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._media import MAX_RATE, MIN_RATE, Sound
from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.encoders.one_by_one import OneByOne
from edge_rerank.inference.encoders.sounds import samples_of
from edge_rerank.packs.onnx_cost import Feeds
from edge_rerank.packs.onnx_sizes import Size, Symbol
from edge_rerank.packs.pack import Pack


class AudioEncoder(OneByOne[Sound]):
    """Runs the ``audio_encoder`` part of a pack, on the first seconds of each sound.

    Args:
        pack: a pack whose manifest has a sound encoder.
        providers, threads, last: see :class:`~.one_by_one.OneByOne`.

    Raises:
        PackUnsupported: when the pack has no sound encoder.
        PackInvalid, ProviderUnavailable, InferenceError: see :class:`~.one_by_one.OneByOne`.
    """

    what = "the sound encoder"

    def __init__(
        self,
        pack: Pack,
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        last: bool = False,
    ) -> None:
        spec = pack.manifest.audio_encoder
        if spec is None:
            raise PackUnsupported("the pack has no sound encoder")
        self._seconds = spec.seconds
        super().__init__(
            pack, spec, feeds(spec.seconds), providers=providers, threads=threads, last=last
        )

    def feed(self, thing: Sound) -> dict[str, NDArray[Any]]:
        """See :meth:`~.one_by_one.OneByOne.feed`."""
        samples, rate = samples_of(thing, self._seconds)
        return {"samples": samples, "rate": np.array(rate)}


def feeds(seconds: int) -> Feeds:
    """Inputs of a run: one sound of at most so many seconds."""
    return {
        "samples": (Size(1, [Symbol("samples", 1, seconds * MAX_RATE)]),),
        "rate": Size(1, [Symbol("rate", MIN_RATE, MAX_RATE)]),
    }
