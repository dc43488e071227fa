"""Encoders that read one thing a run, a few runs at once: of pictures, and of sounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.inference.session import Session, finite
from edge_rerank.packs.onnx_cost import Feeds
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import AudioEncoderSpec, ImageEncoderSpec

_T = TypeVar("_T")


class OneByOne(ABC, Generic[_T]):
    """Runs one part of a pack on things of one kind. Safe from several threads.

    Args:
        pack: whose.
        spec: of the part.
        feeds: the inputs of a run, whatever is read.
        providers: execution providers by preference, see
            :func:`edge_rerank.inference.session.resolve_providers`.
        threads: things that are read at once, each on one thread.
        last: see :meth:`edge_rerank.packs.pack.Pack.model`.

    Attributes:
        dim: length of a vector.
        weight: see :class:`~edge_rerank.packs.specs.ImageEncoderSpec`.
        name: by which files of vectors know it.

    Raises:
        PackInvalid: when its runs would cost more than those of a model of its size may.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.
    """

    what: ClassVar[str]
    """What it is, for errors."""

    def __init__(
        self,
        pack: Pack,
        spec: ImageEncoderSpec | AudioEncoderSpec,
        feeds: Feeds,
        *,
        providers: Sequence[str] | None,
        threads: int | None,
        last: bool,
    ) -> None:
        self.dim: int = spec.dim
        self.weight: float = spec.weight
        self.name: str = pack.digest
        pack.check_runs(spec.model, feeds)
        self._session = Session(
            lambda: pack.model(spec.model, last=last), providers=providers, threads=threads
        )

    def encode(
        self, things: Sequence[_T], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Encode things, each by itself.

        Args:
            things: any; each is decoded when it is its turn, and no further than it is read.
            progress: called after each few, with how many are done, and how many there are.

        Returns:
            float32 of shape (len(things), dim), rows of length 1.

        Raises:
            InvalidItem: when one cannot be decoded.
            MissingExtra: when decoding one takes a library that is not installed.
            InferenceError: when the model fails.
        """
        vectors = np.empty((len(things), self.dim), dtype=np.float32)
        few = self._session.at_once
        for first in range(0, len(things), few):
            feeds = [self.feed(one) for one in things[first : first + few]]
            for place, outputs in enumerate(self._session.run_each(feeds), start=first):
                vectors[place] = finite(outputs, 0, (1, self.dim), self.what)[0]
            if progress is not None:
                progress(min(first + few, len(things)), len(things))
        return vectors

    @abstractmethod
    def feed(self, thing: _T) -> dict[str, NDArray[Any]]:
        """What the model takes for one; raises as :meth:`encode` does."""
