"""Parts of the table of results, and how each is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.formats.dataset import DataSet, Withheld
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import write_whole
from edge_rerank_export.packing.folder import staged
from edge_rerank_export.progress import Update
from edge_rerank_export.sources.weights import file_sha256
from edge_rerank_export.studies.baselines.choices import Choices
from edge_rerank_export.studies.baselines.names import Baseline
from edge_rerank_export.studies.baselines.run import TRAINERS, write_scores
from edge_rerank_export.studies.baselines.sasrec import SasRecSettings
from edge_rerank_export.studies.results.columns import SCORED, Column
from edge_rerank_export.studies.results.ledger import data_mark, mark_of
from edge_rerank_export.train.domain import Domain
from edge_rerank_export.train.history.material import read_domains
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
from edge_rerank_export.train.history.run import digests_used, open_base, plan, train_on
from edge_rerank_export.train.item_vectors import encoder_digest

SHIPPED = "shipped"
BLIND = "zero-shot, no popularity"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        folders: data set folders, each name once.
        out: where everything is kept.
        columns: beside the shipped pack and the baselines that need no training.
        pack: the shipped pack.
        zero_shot: recipe of the packs that never saw their folder.
        tuned: recipe of the packs made for one folder.
        bases: base pack by the name of a folder, in place of the tuned recipe's.
        split: which requests.
        threads: that compute at once in one call; ``None`` for the libraries' own choice.

    Raises:
        RecipeError: when a name is there twice or not at all, or nothing is left to learn from.
    """

    folders: tuple[Path, ...]
    out: Path
    columns: frozenset[Column]
    pack: Path
    zero_shot: HistoryFinetuneRecipe
    tuned: HistoryFinetuneRecipe
    bases: Mapping[str, str] = field(default_factory=dict)
    split: str = "test"
    threads: int | None = None

    def __post_init__(self) -> None:
        names = [folder.resolve().name for folder in self.folders]
        if not names or len(set(names)) != len(names):
            raise RecipeError("folders: expected at least one, each name once")
        if Column.ZERO_SHOT in self.columns and len(names) < 2:
            raise RecipeError(
                "zero-shot: expected another folder to learn from, got one folder; with --columns "
                "tuned,bpr,sasrec it is left out"
            )
        for name in self.bases:
            if name not in names:
                raise RecipeError(f"base: expected the name of a folder, got {name!r}")


@dataclass(frozen=True, slots=True)
class Part:
    """One step of the work, made once.

    Attributes:
        folder: name of the data set.
        kind: what is done with it.
        mark: stands for what the result depends on; known when the parts before are made.
        make: does it; is told how to say how far it is.
        result: file or folder that is there afterwards.
        judges: the pack whose evaluation it is, as the table calls it; ``None`` where it
            makes something to be judged.
    """

    folder: str
    kind: str
    mark: Callable[[], str]
    make: Callable[[Update], None]
    result: Path
    judges: str | None = None

    @property
    def name(self) -> str:
        """Stands for the part in the ledger."""
        return f"{self.folder}: {self.kind}"


class StudyRunner:
    """Makes the parts; keeps in memory what several of them need.

    Args:
        wanted: see there.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._folders = {folder.resolve().name: folder for folder in wanted.folders}
        self._digests: dict[str, str] = {}
        self._domains: dict[tuple[str, str, tuple[str, ...], int], Domain] = {}
        self._vectors: dict[tuple[str, str], dict[str, NDArray[np.float32]]] = {}

    def parts(self) -> list[Part]:
        """All of them, in the order in which they can be made."""
        return [part for name in self._folders for part in self._of(name)]

    def _of(self, name: str) -> Iterator[Part]:
        columns = self._wanted.columns
        for column in SCORED:
            if column in columns:
                yield self._scores(name, column)
        packs: dict[str, Path] = {SHIPPED: self._wanted.pack}
        for column in (Column.ZERO_SHOT, Column.TUNED):
            if column in columns:
                part = self._training(name, column)
                packs[column] = part.result
                yield part
        for order, pack in packs.items():
            yield self._evaluation(name, order, pack)
        if Column.ZERO_SHOT in packs:
            withheld = (Withheld.POPULARITY,)
            yield self._evaluation(name, BLIND, packs[Column.ZERO_SHOT], withheld)

    def _place(self, name: str) -> Path:
        place = self._wanted.out / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _scores(self, name: str, column: Column) -> Part:
        result = self._place(name) / f"{column}.jsonl"

        def make(update: Update) -> None:
            data = DataSet.open(self._folders[name])
            requests = list(data.requests(self._wanted.split))
            model = TRAINERS[Baseline(column)](Choices.read(data), 0, update)
            write_scores(model, requests, result)

        def mark() -> str:
            settings = asdict(SasRecSettings()) if column is Column.SASREC else {}
            return mark_of(column, settings, self._data(name), self._wanted.split)

        return Part(name, column, mark, make, result)

    def _training(self, name: str, column: Column) -> Part:
        recipe, used = self._recipe(name, column)
        plan(recipe, [self._folders[one] for one in used])
        result = self._place(name) / column

        def mark() -> str:
            settings = {**asdict(recipe), **digests_used(recipe)}
            return mark_of(settings, used, [self._data(one) for one in used])

        def make(update: Update) -> None:
            domains = [self._domain(one, recipe, update) for one in used]
            work = self._wanted.out / "work" / mark()
            work.mkdir(parents=True, exist_ok=True)
            with staged(result, overwrite=result.exists()) as stage:
                train_on(
                    recipe,
                    domains,
                    stage,
                    base=open_base(recipe),
                    work=work,
                    resume=True,
                    steps=lambda _name: nullcontext(update),
                )
            shutil.rmtree(work)

        return Part(name, f"{column} pack", mark, make, result)

    def _evaluation(
        self, name: str, order: str, pack: Path, without: tuple[Withheld, ...] = ()
    ) -> Part:
        result = self._place(name) / f"{order}.json"
        scored = [column for column in SCORED if column in self._wanted.columns]
        files: dict[str, Path] = {one: self._place(name) / f"{one}.jsonl" for one in scored}

        def mark() -> str:
            scores = [file_sha256(path) for path in files.values()]
            digest = Pack.open(pack).digest
            return mark_of(digest, without, self._data(name), self._wanted.split, scores)

        def make(update: Update) -> None:
            evaluation = evaluate(
                pack,
                self._folders[name],
                self._wanted.split,
                scores=files,
                without=without,
                vectors=self._known_vectors(name, pack),
                threads=self._wanted.threads,
                progress=lambda _what, done, total: update(done, total),
            )
            write_whole(result, evaluation.to_json())

        return Part(name, f"evaluation, {order}", mark, make, result, judges=order)

    def _recipe(self, name: str, column: Column) -> tuple[HistoryFinetuneRecipe, list[str]]:
        """How a folder's pack is trained, and on which folders."""
        wanted = self._wanted
        if column is Column.ZERO_SHOT:
            return wanted.zero_shot, [one for one in self._folders if one != name]
        if name in wanted.bases:
            return replace(wanted.tuned, base=wanted.bases[name]), [name]
        return wanted.tuned, [name]

    def _data(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = data_mark(self._folders[name])
        return self._digests[name]

    def _domain(self, name: str, recipe: HistoryFinetuneRecipe, update: Update) -> Domain:
        key = (name, recipe.base, recipe.media, recipe.training.seed)
        if key not in self._domains:
            work = self._wanted.out / "work"
            work.mkdir(parents=True, exist_ok=True)
            self._domains[key] = read_domains(
                recipe,
                [self._folders[name]],
                base=open_base(recipe),
                work=work,
                threads=self._wanted.threads,
                steps=lambda _name: nullcontext(update),
            )[0]
        return self._domains[key]

    def _known_vectors(self, name: str, pack: Path) -> dict[str, NDArray[np.float32]]:
        """Those of one folder at a time: they take some dozens of megabytes."""
        encoder = encoder_digest(Pack.open(pack).manifest)
        self._vectors = {key: kept for key, kept in self._vectors.items() if key[0] == name}
        return self._vectors.setdefault((name, encoder), {})
