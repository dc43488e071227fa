"""The picture encoder: what an item looks like becomes a unit vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank._media import Picture
from edge_rerank._progress import Progress
from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.encoders.pictures import pixels_of
from edge_rerank.inference.session import Session, finite
from edge_rerank.packs.onnx_cost import Feeds
from edge_rerank.packs.onnx_sizes import Size, Symbol
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import MAX_SIDE


class ImageEncoder:
    """Runs the ``image_encoder`` part of a pack. Safe from several threads.

    Args:
        pack: a pack whose manifest has a picture encoder.
        providers: execution providers by preference, see
            :func:`edge_rerank.inference.session.resolve_providers`.
        threads: pictures that are looked at at once, each on one thread.
        last: see :meth:`edge_rerank.packs.pack.Pack.model`.

    Raises:
        PackUnsupported: when the pack has no picture encoder.
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
        spec = pack.manifest.image_encoder
        if spec is None:
            raise PackUnsupported("the pack has no picture encoder")
        self.dim: int = spec.dim
        self.weight: float = spec.weight
        self.name: str = pack.digest
        pack.check_runs(spec.model, FEEDS)
        self._session = Session(
            lambda: pack.model(spec.model, last=last), providers=providers, threads=threads
        )

    def encode(
        self, pictures: Sequence[Picture], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Encode pictures, each by itself.

        Args:
            pictures: any; each is decoded when it is its turn.
            progress: called after each few, with how many are done, and how many there are.

        Returns:
            float32 of shape (len(pictures), dim), rows of length 1.

        Raises:
            InvalidItem: when one cannot be decoded.
            MissingExtra: when one takes pillow, which is not installed.
            InferenceError: when the model fails.
        """
        vectors = np.empty((len(pictures), self.dim), dtype=np.float32)
        few = self._session.at_once
        for first in range(0, len(pictures), few):
            feeds = [self.feed(one) for one in pictures[first : first + few]]
            for place, outputs in enumerate(self._session.run_each(feeds), start=first):
                vectors[place] = finite(outputs, 0, (1, self.dim), "the picture encoder")[0]
            if progress is not None:
                progress(min(first + few, len(pictures)), len(pictures))
        return vectors

    def feed(self, picture: Picture) -> dict[str, NDArray[np.uint8]]:
        """What the model takes for a picture; raises as :meth:`encode` does."""
        return {"image": pixels_of(picture)}


FEEDS: Feeds = {
    "image": (
        Size(1, [Symbol("height", 1, MAX_SIDE)]),
        Size(1, [Symbol("width", 1, MAX_SIDE)]),
        Size(3),
    )
}
"""Inputs of a run: one picture."""
