"""Pictures and sounds in a training: read once, aligned with texts, and put into the pack.

What they come to weigh is fitted by :mod:`~.media_weights`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InvalidItem
from edge_rerank.evaluation.broken_media import broken_media
from edge_rerank.formats.dataset import DataSet
from edge_rerank.packs.array_files import write_array
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import AlignmentSpec
from edge_rerank.ranking.alignment import Alignment
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Update
from edge_rerank_export.train.domain import Domain
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.train.media_vectors import IMAGE, PARTS, KeptReader, spec_of

ALIGNMENT_NAME = "alignment.npy"
MODEL_NAMES = {part: f"{part}.onnx" for part in PARTS}


def media_packs(recipe: HistoryFinetuneRecipe, base: Pack) -> dict[str, Pack]:
    """The packs that look and listen, by part.

    Raises:
        PackError: when one cannot be read.
        RecipeError: when one does neither, or two do the same.
    """
    found: dict[str, Pack] = {}
    for pack in [base, *map(Pack.open, recipe.media)]:
        parts = [part for part in PARTS if spec_of(pack.manifest, part) is not None]
        if pack is not base and not parts:
            raise RecipeError("media: expected packs with an image_encoder or an audio_encoder")
        for part in parts:
            if part in found:
                raise RecipeError(f"media: expected one pack with an {part}_encoder, got two")
            found[part] = pack
    return found


def read_media(
    domain: Domain,
    folder: Path,
    packs: Mapping[str, Pack],
    *,
    work: Path,
    threads: int | None,
    update: Update,
) -> Domain:
    """Look at a folder's pictures and listen to its sounds, each file once.

    Args:
        domain: the folder's items.
        folder: the data set.
        packs: with the encoders, by part.
        work: where vectors are kept from one run to the next.
        threads: things that are read at once; ``None`` for the default.
        update: told how many were.

    Returns:
        The domain with vectors of its pictures; those of sounds lie in ``work``.

    Raises:
        DataError: when a file cannot be read; it says which item's.
        MissingExtra: when reading them takes a library that is not installed.
    """
    for part, pack in packs.items():
        rows = [row for row, item in enumerate(domain.items) if getattr(item, part) is not None]
        if not rows:
            continue
        reader = KeptReader(pack, part, work, threads=threads)
        things = [getattr(domain.items[row], part) for row in rows]
        try:
            made = reader.encode(things, progress=update)
        except InvalidItem as error:
            raise broken_media(DataSet.open(folder), [part]) or error from None
        if part == IMAGE:
            pictures = np.zeros((len(domain.texts), reader.dim), dtype=np.float32)
            pictures[rows] = made
            domain = replace(domain, pictures=pictures)
    return domain


def fit_alignment(domains: Sequence[Domain]) -> Alignment | None:
    """From pictures to texts, by the items that have both; as exact as a pack keeps it.

    Returns:
        ``None`` where there are too few, or pictures tell nothing of the texts.
    """
    pictures, texts = [], []
    for domain in domains:
        if domain.pictures is not None:
            both = domain.pictures.any(axis=1) & told(domain) & domain.vectors.any(axis=1)
            pictures.append(domain.pictures[both])
            texts.append(domain.vectors[both])
    if not pictures:
        return None
    fitted = Alignment.of(np.concatenate(pictures), np.concatenate(texts))
    return None if fitted is None else Alignment.of_array(fitted.to_array())


def alignment_of(domains: Sequence[Domain], base: Pack) -> Alignment | None:
    """That of a pack tuned on ``domains``: where the base has one space for both, that stays."""
    before = Alignment.of_pack(base)
    if before is not None and before.shared:
        return before
    return fit_alignment(domains) or before


def aligned(domains: Sequence[Domain], base: Pack) -> list[Domain]:
    """The same with vectors of items that have a picture and no text."""
    alignment = alignment_of(domains, base)
    if alignment is None:
        return list(domains)
    return [_aligned(domain, alignment) for domain in domains]


def add_media(
    stage: Path, base: Pack, packs: Mapping[str, Pack], domains: Sequence[Domain]
) -> Manifest:
    """Put the encoders, and an alignment if there is one, into a pack.

    Args:
        stage: the pack to be.
        base: whose manifest is completed.
        packs: see :func:`media_packs`.
        domains: give the alignment; where they give none, that of the base pack stays.
    """
    manifest = base.manifest
    for part, pack in packs.items():
        spec = spec_of(pack.manifest, part)
        assert spec is not None  # noqa: S101 - chosen for it
        (stage / MODEL_NAMES[part]).write_bytes(pack.read(spec.model))
        moved: dict[str, Any] = {f"{part}_encoder": replace(spec, model=MODEL_NAMES[part])}
        manifest = replace(manifest, **moved)
        if pack.manifest.licence not in manifest.licence.split(" AND "):
            manifest = replace(manifest, licence=f"{manifest.licence} AND {pack.manifest.licence}")
    alignment = alignment_of(domains, base)
    if alignment is None:
        return manifest
    (stage / ALIGNMENT_NAME).write_bytes(write_array(alignment.to_array()))
    return replace(manifest, alignment=AlignmentSpec(ALIGNMENT_NAME))


def told(domain: Domain) -> NDArray[np.bool_]:
    """Which items have a text, bool of shape (items,)."""
    return np.array([bool(text.strip()) for text in domain.texts], dtype=np.bool_)


def _aligned(domain: Domain, alignment: Alignment) -> Domain:
    if domain.pictures is None:
        return domain
    rows = np.flatnonzero(domain.pictures.any(axis=1) & ~told(domain))
    vectors = domain.vectors.copy()
    vectors[rows] = alignment.texts(domain.pictures[rows])
    return replace(domain, vectors=vectors)
