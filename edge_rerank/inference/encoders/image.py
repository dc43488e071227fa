"""The picture encoder: what an item looks like becomes a unit vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from edge_rerank._media import Picture
from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.encoders.one_by_one import OneByOne
from edge_rerank.inference.encoders.pictures import pixels_of
from edge_rerank.packs.onnx_cost import Feeds
from edge_rerank.packs.onnx_sizes import Size, Symbol
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import MAX_SIDE


class ImageEncoder(OneByOne[Picture]):
    """Runs the ``image_encoder`` part of a pack.

    Args:
        pack: a pack whose manifest has a picture encoder.
        providers, threads, last: see :class:`~.one_by_one.OneByOne`.

    Raises:
        PackUnsupported: when the pack has no picture encoder.
        PackInvalid, ProviderUnavailable, InferenceError: see :class:`~.one_by_one.OneByOne`.
    """

    what = "the picture encoder"

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
        super().__init__(pack, spec, FEEDS, providers=providers, threads=threads, last=last)

    def feed(self, thing: Picture) -> dict[str, NDArray[Any]]:
        """See :meth:`~.one_by_one.OneByOne.feed`."""
        return {"image": pixels_of(thing)}


FEEDS: Feeds = {
    "image": (
        Size(1, [Symbol("height", 1, MAX_SIDE)]),
        Size(1, [Symbol("width", 1, MAX_SIDE)]),
        Size(3),
    )
}
"""Inputs of a run: one picture."""
