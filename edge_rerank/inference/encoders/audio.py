"""The sound encoder: what an item sounds like becomes a unit vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._media import MAX_RATE, MIN_RATE, Sound
from edge_rerank._progress import Progress
from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.encoders.sounds import samples_of
from edge_rerank.inference.session import Session, finite
from edge_rerank.packs.onnx_cost import Feeds
from edge_rerank.packs.onnx_sizes import Size, Symbol
from edge_rerank.packs.pack import Pack


class AudioEncoder:
    """Runs the ``audio_encoder`` part of a pack. Safe from several threads.

    Args:
        pack: a pack whose manifest has a sound encoder.
        providers: execution providers by preference, see
            :func:`edge_rerank.inference.session.resolve_providers`.
        threads: sounds that are listened to at once, each on one thread.
        last: see :meth:`edge_rerank.packs.pack.Pack.model`.

    Raises:
        PackUnsupported: when the pack has no sound encoder.
        PackInvalid: when its runs would cost more than those of a model of its size may.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.
    """

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
        self.dim: int = spec.dim
        self.weight: float = spec.weight
        self.name: str = pack.digest
        self._seconds = spec.seconds
        pack.check_runs(spec.model, feeds(spec.seconds))
        self._session = Session(
            lambda: pack.model(spec.model, last=last), providers=providers, threads=threads
        )

    def encode(
        self, sounds: Sequence[Sound], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Encode sounds, each by itself.

        Args:
            sounds: any; of each the first seconds are read, when it is its turn.
            progress: called after each few, with how many are done, and how many there are.

        Returns:
            float32 of shape (len(sounds), dim), rows of length 1.

        Raises:
            InvalidItem: when one cannot be decoded.
            MissingExtra: when one takes soundfile, which is not installed.
            InferenceError: when the model fails.
        """
        vectors = np.empty((len(sounds), self.dim), dtype=np.float32)
        few = self._session.at_once
        for first in range(0, len(sounds), few):
            given = [self.feed(one) for one in sounds[first : first + few]]
            for place, outputs in enumerate(self._session.run_each(given), start=first):
                vectors[place] = finite(outputs, 0, (1, self.dim), "the sound encoder")[0]
            if progress is not None:
                progress(min(first + few, len(sounds)), len(sounds))
        return vectors

    def feed(self, sound: Sound) -> dict[str, NDArray[Any]]:
        """What the model takes for a sound; raises as :meth:`encode` does."""
        samples, rate = samples_of(sound, self._seconds)
        return {"samples": samples, "rate": np.array(rate)}


def feeds(seconds: int) -> Feeds:
    """Inputs of a run: one sound of at most so many seconds."""
    return {
        "samples": (Size(1, [Symbol("samples", 1, seconds * MAX_RATE)]),),
        "rate": Size(1, [Symbol("rate", MIN_RATE, MAX_RATE)]),
    }
