"""Packs and tables that an engine is opened with, and the models that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge_rerank._check import check_path, kind_of
from edge_rerank.errors import InvalidRequest, PackUnsupported, PackUntrusted
from edge_rerank.inference.encoders.audio import AudioEncoder
from edge_rerank.inference.encoders.image import ImageEncoder
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.pair_scorer import PairScorer
from edge_rerank.inference.runtime import Runtime
from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.trim import TRIMMER
from edge_rerank.packs.installed import find_pack
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import Trust
from edge_rerank.ranking.alignment import Alignment
from edge_rerank.ranking.media_comparisons import Reader
from edge_rerank.ranking.sources.history_model import HistoryModel

Packs = str | Path | Sequence[str | Path]

_NO_MODEL = "tables: the pack has no history encoder to read them"


@dataclass(frozen=True, slots=True, repr=False)
class Models:
    """What an engine ranks with.

    Attributes:
        pack: the one with the encoder.
        encoder: reads texts.
        history: judges candidates before a history, where that pack has one.
        scorer: where one of the packs has one.
        pair_scorer: likewise.
        images: looks at pictures, likewise.
        sounds: listens, likewise.
        alignment: from what it sees to what it reads, where the pack with the encoder has one.
        prior: the pack with the prior of personal heads, where there is one.
        signed: releases by name of the packs that a trusted key signed.
    """

    pack: Pack
    encoder: TextEncoder
    history: HistoryModel | None
    scorer: Scorer | None
    pair_scorer: PairScorer | None
    images: Reader | None
    sounds: Reader | None
    alignment: Alignment | None
    prior: Pack | None
    signed: Mapping[str, int]

    @classmethod
    def open(
        cls,
        pack: Packs | None,
        *,
        runtime: Runtime,
        trust: Trust,
        seen_releases: Mapping[str, int] | None,
        tables: str | Path | Tables | None,
    ) -> Self:
        """Load packs, see :meth:`edge_rerank.RankingEngine.open`."""
        packs = [
            Pack.open(folder, trust=trust, seen_releases=seen_releases)
            for folder in folders_of(pack)
        ]
        with_scorer = _having(packs, "scorer")
        with_pairs = _having(packs, "pair_scorer")
        with_eyes = _having(packs, "image_encoder")
        with_ears = _having(packs, "audio_encoder")
        with_encoder = _having(packs, "encoder")
        with_prior = _having(packs, "prior")
        providers, threads = runtime.providers, runtime.threads
        # The largest first, and the bytes of each let go of: what is loaded beside them peaks.
        scorer = None
        if with_scorer is not None:
            scorer = Scorer(
                with_scorer,
                providers=providers,
                threads=threads,
                prefix_bytes=runtime.prefix_bytes,
                last=True,
            )
            TRIMMER.now()
        pair_scorer = None
        if with_pairs is not None:
            pair_scorer = PairScorer(with_pairs, providers=providers, threads=threads, last=True)
        images = sounds = None
        if with_eyes is not None:
            images = ImageEncoder(with_eyes, providers=providers, threads=threads, last=True)
        if with_ears is not None:
            sounds = AudioEncoder(with_ears, providers=providers, threads=threads, last=True)
        if with_encoder is None:
            with_encoder = Pack.open(shipped_pack())
        encoder = TextEncoder(with_encoder, providers=providers, threads=threads, last=True)
        read = None if tables is None else tables_of(tables, trust)
        history = None
        if with_encoder.manifest.history_encoder is not None:
            history = HistoryModel(with_encoder, providers=providers, tables=read)
        elif read is not None:
            raise PackUnsupported(_NO_MODEL)
        TRIMMER.now()
        return cls(
            pack=with_encoder,
            encoder=encoder,
            history=history,
            scorer=scorer,
            pair_scorer=pair_scorer,
            images=images,
            sounds=sounds,
            alignment=Alignment.of_pack(with_encoder),
            prior=with_prior,
            signed={one.manifest.name: one.manifest.release for one in packs if one.signed},
        )


def refresh_tables(
    history: HistoryModel | None, tables: str | Path | Tables, trust: Trust
) -> tuple[str, ...]:
    """See :meth:`edge_rerank.RankingEngine.refresh_tables`; ``None`` is a pack without a model."""
    if history is None:
        raise PackUnsupported(_NO_MODEL)
    return history.take(tables_of(tables, trust))


def folders_of(pack: object) -> list[Path]:
    """Folders of the packs that are named; that of the shipped one for ``None``.

    Raises:
        InvalidRequest: when they are no paths.
        PackNotFound: when there is no such pack.
    """
    if pack is None:
        return [shipped_pack()]
    folders = [pack] if isinstance(pack, str | Path) else pack
    if not isinstance(folders, Sequence) or not folders:
        raise InvalidRequest(f"pack: expected a path, several, or None, got {kind_of(pack)}")
    for folder in folders:
        check_path(folder, "pack", InvalidRequest, wanted="only paths")
    return [find_pack(folder) for folder in folders]


def tables_of(tables: str | Path | Tables, trust: Trust) -> Tables:
    """Tables that are open, or those of a folder."""
    if not isinstance(tables, Tables):
        return Tables.open(tables, trust=trust)
    if trust.keys and not tables.signed:
        raise PackUntrusted("tables: expected some that were opened with the trusted keys")
    return tables


def _having(packs: Sequence[Pack], part: str) -> Pack | None:
    """The only pack whose manifest has a part; ``None`` where none has.

    Raises:
        InvalidRequest: when several have.
    """
    found = [pack for pack in packs if getattr(pack.manifest, part)]
    if len(found) > 1:
        raise InvalidRequest(f"pack: expected at most one with a part {part}, got {len(found)}")
    return found[0] if found else None
