"""What a training works on: requests as arrays, from data set folders and a pack that encodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from edge_rerank.evaluation.choice_lists import UNIFORM_SHARE
from edge_rerank.formats.dataset_media import media_folder
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.signals.inputs import SIGNALS
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank.tables.sequence import train_succession
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.train.domain import Batch, Domain, chunks
from edge_rerank_export.train.history.media import aligned, media_packs, read_media
from edge_rerank_export.train.history.model import tensors
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, Tables
from edge_rerank_export.train.history.simulate import Simulation, simulate
from edge_rerank_export.train.history.teacher import Teacher, clicked_target
from edge_rerank_export.train.history.train import Pool
from edge_rerank_export.train.history.views import view
from edge_rerank_export.train.item_vectors import kept_vectors
from edge_rerank_export.train.requests import (
    describe_batch,
    load_domain,
    log_chances,
    make_requests,
    rated_requests,
)


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """What a training works on.

    Attributes:
        lexicon: weights of the words of all domains.
        pools: training requests, each kind of each domain by itself.
        valid: validation requests by domain.
        succession: the last domain's table; ``None`` for none.
    """

    lexicon: Lexicon
    pools: Sequence[Pool]
    valid: dict[str, Pool]
    succession: SequenceTable | None = None


def prepare(
    recipe: HistoryFinetuneRecipe,
    domains: Sequence[Domain],
    *,
    teacher: Teacher | None = None,
    steps: Steps = silent,
) -> Material:
    """Make a recipe's training and validation requests.

    Args:
        recipe: how.
        domains: see :func:`read_domains`.
        teacher: the recipe's, if it has one.
        steps: told of each step.
    """
    settings = recipe.training
    lexicon = Lexicon.count(text for domain in domains for text in domain.texts[:-1])
    pools: list[Pool] = []
    valid: dict[str, Pool] = {}
    succession = None
    for number, read in enumerate(domains):
        domain, tables = read, settings.tables
        if _people(read) < settings.least_people:
            unknown = np.full_like(read.popularity, np.nan)
            domain, tables = replace(read, popularity=unknown), Tables.NONE
        made = _requests(recipe, domain, number)
        blind, succession = None, None
        if tables is not Tables.NONE:
            batches = [one.batch for one in made]
            blind, succession = _successions(recipe, domain, [*batches, domain.valid], steps)
        targets = []
        for one in made:
            if teacher is None:
                targets.append(clicked_target(one.batch))
                continue
            with steps(f"ask teacher on {domain.name}") as update:
                targets.append(teacher.target(domain, one.batch, update))
        describer = _Describer(domain, lexicon.encode(domain.texts), blind, succession)
        rng = np.random.default_rng([settings.seed, number, 9])
        views = [describer]
        while len(views) < recipe.views.count:
            views.append(describer.of(*view(domain, describer.words, recipe.views, rng=rng)))
        with steps(f"describe requests of {domain.name}"):
            # With what the pack is going to have, or may be given.
            wanted = clicked_target(domain.valid)
            if tables is not Tables.KEEP:
                valid[domain.name] = describer.pool(domain.valid, wanted, tables=False)
            if tables is not Tables.NONE:
                name = domain.name if tables is Tables.KEEP else f"{domain.name} with tables"
                valid[name] = describer.pool(domain.valid, wanted, tables=True)
            pools.extend(
                views[one.view].pool(
                    one.batch, target, tables=tables is not Tables.NONE, log_chances=one.log_chances
                )
                for one, target in zip(made, targets, strict=True)
            )
    return Material(lexicon, pools, valid, succession)


def _people(domain: Domain) -> int:
    """How many chose something, or were shown a list."""
    return max(len(domain.starts) - 1, 0 if domain.real is None else len(domain.real.candidates))


@dataclass(frozen=True, slots=True, repr=False)
class _Made:
    """Training requests of one kind.

    Attributes:
        view: number of the view in which they are seen.
        batch: the requests.
        log_chances: what the loss takes off, see
            :func:`~edge_rerank_export.train.requests.log_chances`; ``None`` for nothing.
    """

    view: int
    batch: Batch
    log_chances: NDArray[np.float32] | None


def _requests(recipe: HistoryFinetuneRecipe, domain: Domain, number: int) -> list[_Made]:
    """Training requests of the domain of this number, dealt out to its views."""
    settings, shares, views = recipe.training, recipe.simulate, recipe.views
    rng, later, lots = (
        np.random.default_rng([settings.seed, number, place]) for place in (2, 4, 8)
    )
    made: list[_Made] = []
    for place, (candidates, even) in enumerate(
        views.of_lists(settings.candidates, UNIFORM_SHARE, rng=lots)
    ):
        count = len(range(place, settings.requests, views.count))
        size = {"candidates": candidates, "history": settings.history}
        batches = make_requests(domain, count, rng=rng, even=even, **size)
        some = round(shares.rated * count)
        rated = rated_requests(domain, some, rng=later, even=even, **size)
        if rated is not None and len(rated.candidates):
            batches.append(rated)
        if shares != Simulation(rated=shares.rated):
            batches = [simulate(domain, batch, shares, rng=later) for batch in batches]
        chances = log_chances(domain, candidates, even) if settings.correct_sampling else None
        made += [_Made(place, batch, chances if batch.sampled else None) for batch in batches]
    return made


def _successions(
    recipe: HistoryFinetuneRecipe, domain: Domain, batches: Sequence[Batch], steps: Steps
) -> tuple[SequenceTable | None, SequenceTable | None]:
    """A table that has not seen what is hidden in ``batches``, and one that has seen all."""
    settings = recipe.succession
    if settings is None or len(domain.starts) == 1:
        return None, None
    nothing = np.zeros(0, dtype=np.int64)
    hidden = np.concatenate([nothing if one.hidden is None else one.hidden for one in batches])
    tables = []
    for number, left_out in enumerate((hidden, nothing), start=1):
        with steps(f"train table of successions {number}/2") as update:
            tables.append(
                train_succession(
                    domain.ids,
                    domain.vectors[:-1],
                    domain.people(left_out),
                    settings,
                    seed=[recipe.training.seed, 3],
                    progress=update,
                )
            )
    return tables[0], tables[1]


def read_domains(
    recipe: HistoryFinetuneRecipe,
    folders: Sequence[Path],
    *,
    base: Pack,
    work: Path,
    threads: int | None = None,
    steps: Steps = silent,
) -> list[Domain]:
    """Read the folders and encode their items.

    Args:
        recipe: gives the seed, and the packs for pictures and sounds.
        folders: data sets, see :mod:`edge_rerank.formats.dataset`.
        base: the pack with the text encoder.
        work: where vectors are kept from one run to the next.
        threads: that compute at once; ``None`` for the default.
        steps: told of each step.

    Raises:
        DataError: at the first malformed line of a folder, or for a picture or sound that cannot
            be read.
        PackError: when a pack of the recipe's cannot be used.
        RecipeError: likewise.
        MissingExtra: when reading pictures or sounds takes a library that is not installed.
    """
    encoder = TextEncoder(base, threads=threads)
    packs = media_packs(recipe, base)
    domains: list[Domain] = []
    for folder in folders:
        with steps(f"read {folder.name}") as update:
            # By its name, so that a folder reads the same beside any others.
            rng = np.random.default_rng([recipe.training.seed, crc32(folder.name.encode()), 1])
            encode = kept_vectors(encoder, base, work, update)
            domain = load_domain(folder, encode, rng=rng, signed=True)
        if packs and media_folder(folder) is not None:
            with steps(f"read media of {folder.name}") as update:
                domain = read_media(
                    domain, folder, packs, work=work, threads=threads, update=update
                )
        domains.append(domain)
    return aligned(domains, base)


@dataclass(frozen=True, slots=True, repr=False)
class _Describer:
    """Makes requests of a domain into what the model sees.

    Attributes:
        domain: gives the items.
        words: their word vectors, float32 of shape (items, lexicon's dim).
        blind: a table of successions that has not seen the made requests' answers.
        succession: one that has.
    """

    domain: Domain
    words: NDArray[np.float32]
    blind: SequenceTable | None
    succession: SequenceTable | None

    def of(self, domain: Domain, words: NDArray[np.float32]) -> _Describer:
        """The same of a view of the domain."""
        return replace(self, domain=domain, words=words)

    def pool(
        self,
        batch: Batch,
        target: NDArray[np.float32],
        *,
        tables: bool,
        log_chances: NDArray[np.float32] | None = None,
    ) -> Pool:
        """With what the domain's tables say, or without."""
        succession = self._unseen(batch) if tables else None
        if log_chances is None:
            log_chances = np.zeros(len(self.domain.texts), dtype=np.float32)
        pieces = [
            {
                **tensors(
                    describe_batch(
                        self.domain, self.words, piece, pairs=tables, succession=succession
                    )
                ),
                "present": torch.from_numpy(piece.candidates >= 0),
                "clicked": torch.from_numpy(piece.clicked),
                "log_chance": torch.from_numpy(log_chances[piece.candidates]),
            }
            for piece in chunks(batch)
        ]
        pool = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
        pool["target"] = torch.from_numpy(target)
        for signal in SIGNALS:
            if signal.folds and not pool[signal.name].any():
                # A single candidate stands for all, as at run time: it counts for nothing, and
                # costs little.
                pool[signal.name] = pool[signal.name][:, :, :1].clone()
        return pool

    def _unseen(self, batch: Batch) -> SequenceTable | None:
        """The table of successions that has not seen what was chosen in ``batch``."""
        if not batch.counted:
            return self.succession
        # Requests of ratings hide what the person's sequence of choices may hold as well.
        return None if batch.sampled and batch.hidden is None else self.blind
