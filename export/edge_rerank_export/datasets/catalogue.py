"""Catalogues as data set folders hold them: a line an item, and the files that items name."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from edge_rerank.formats.dataset import ITEMS
from edge_rerank.formats.dataset_media import MEDIA, media_folder, media_names
from edge_rerank.formats.events import item_to_dict
from edge_rerank.types import Item
from edge_rerank_export.datasets.packed import ENDING, write_packed

ITEM_MEMBERS = ("id", "text", "categories", "popularity")
"""What the catalogue says of an item beside its files."""


def write_catalogue(stage: Path, items: Iterable[Item], before: Path | None) -> None:
    """Write ``items``, and copy the pictures and sounds that they had in another folder.

    Args:
        stage: the new folder.
        items: of the catalogue.
        before: the data set folder that they are from; ``None`` for none.
    """
    media = None if before is None else media_folder(before)
    records = ({**item_to_dict(item, ITEM_MEMBERS), **media_names(item, media)} for item in items)
    write_packed(stage / f"{ITEMS}{ENDING}", records)
    if media is not None:
        shutil.copytree(media, stage / MEDIA)
