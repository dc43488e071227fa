"""Which of a data set's pictures and sounds cannot be read, by the number of its item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from edge_rerank.errors import DataError, InvalidItem
from edge_rerank.formats.dataset import ITEMS, DataSet, locate
from edge_rerank.inference.encoders.pictures import pixels_of
from edge_rerank.inference.encoders.sounds import samples_of

_READ: Mapping[str, Callable[[Any], object]] = {
    "image": pixels_of,
    "audio": partial(samples_of, seconds=1 << 20),
}


def broken_media(data: DataSet, parts: Iterable[str] = tuple(_READ)) -> DataError | None:
    """Look at every file until one cannot be read.

    Args:
        data: whose.
        parts: "image", "audio", or both.

    Returns:
        What to raise: the number of the item in the file of items, and what is wrong; ``None``
        where all can be read.

    Raises:
        MissingExtra: when reading one takes a library that is not installed.
    """
    for number, item in enumerate(data.items.values(), start=1):
        for part in parts:
            value = getattr(item, part)
            try:
                if value is not None:
                    _READ[part](value)
            except InvalidItem as error:
                return DataError(locate(data.folder, ITEMS), f"item {number}: {error}")
    return None
