"""The builder of a pack: a recipe and its model, and what is the same for every kind of model."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.packs.manifest import Manifest, Source
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import EncoderSpec, PairScorerSpec, ScorerSpec
from edge_rerank_export.files import data_file
from edge_rerank_export.models import onnx_file
from edge_rerank_export.packing.calibration import calibration_lists
from edge_rerank_export.packing.folder import file_entries, write_manifest
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.quantize.calibrate import ChannelMaxima, SecondMoments
from edge_rerank_export.quantize.fine import (
    NONE,
    Measured,
    find_fine,
    most_measurements,
    product_groups,
)
from edge_rerank_export.quantize.integers import QuantizedCount, quantize
from edge_rerank_export.quantize.scheme import Embedding, Scheme
from edge_rerank_export.recipes.pack import PackRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.orders import kendall_tau
from edge_rerank_export.verify.texts import Texts, own_texts

ModelSpec: TypeAlias = EncoderSpec | ScorerSpec | PairScorerSpec
"""What a manifest says of a model that was made as it is."""

Writer: TypeAlias = Callable[[Path, str, Update], QuantizedCount]
"""Writes a model to a file, the products of a pattern fine, and is told of progress to."""

_FEW = 0.25
"""Share of the lists that groups of products are compared on."""

_MARGIN = 0.01
"""By which τ has to be above its bound there: it is verified on other lists."""

Recipe = TypeVar("Recipe", bound=PackRecipe)


@dataclass(frozen=True, slots=True, repr=False)
class PackBuilder(ABC, Generic[Recipe]):
    """A recipe and its model on their way to a pack.

    Attributes:
        recipe: what to make.
        fetched: where the weights came from.
        work: folder for the float32 model, which is made once and may be compared with.
    """

    model_name: ClassVar[str]
    """Of the ONNX file in the pack."""

    tokenizer_name: ClassVar[str]
    """Of the tokeniser beside it."""

    build_cases: ClassVar[int | None] = None
    """Lists that a new pack is verified on, ``None`` for all; ``verify`` takes as many as there
    are."""

    search_lists: ClassVar[int] = 16
    """Lists that finer inputs are searched on."""

    recipe: Recipe
    fetched: Fetched
    work: Path

    def convert(self, target: Path, *, steps: Steps = silent) -> None:
        """Write the model to ``target`` as float32 ONNX."""
        onnx_file.copy(self.exact(steps) / self.model_name, target)

    @property
    def inline_bytes(self) -> int:
        """Of weights in one file, see :func:`edge_rerank_export.models.onnx_file.save`."""
        return 0 if self.recipe.model.external_data else onnx_file.INLINE_BYTES

    def quantize(self, source: Path, target: Path, *, steps: Steps = silent) -> None:
        """Write ``source``, a file of :meth:`convert`, to ``target`` as the recipe says.

        Where the recipe does not say which products take finer inputs, those do that are found to
        need them; :func:`~edge_rerank_export.quantize.integers.fine_of` tells which.

        Raises:
            UnsupportedModel: when the model cannot be quantised so.
        """
        model = self.recipe.model
        if model.quantisation is Scheme.NONE:
            onnx_file.copy(source, target)
            return
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            write = self._quantizer(source, Path(folder), steps)
            fine = model.fine or NONE
            if model.fine is None and model.quantisation.limit is not None:
                fine = self._find_fine(source, write, Path(folder), steps)
            with steps(f"quantise ({model.quantisation})") as update:
                write(target, fine, update)

    def quantised_as(self, scheme: Scheme) -> Self:
        """The same for a model that is quantised by ``scheme``, whatever the recipe says."""
        return replace(self, recipe=self.recipe.quantised_as(scheme))

    def describe(self, folder: Path) -> Manifest:
        """Put the tokeniser beside the model in ``folder``, and describe all of it."""
        return self._described(folder, self.recipe.model.quantisation)

    def check_texts(self, texts: Texts | None) -> Texts:
        """What a new pack is verified with, of ``texts`` or of the toolchain's own."""
        texts = texts or own_texts(self.recipe.languages)
        return replace(texts, cases=texts.cases[: self.build_cases])

    @abstractmethod
    def verify(self, pack: Pack, texts: Texts, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""

    @abstractmethod
    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""

    def exact(self, steps: Steps = silent) -> Path:
        """The folder with the float32 ONNX of the model, made when it is first asked for."""
        folder = self.work / "exact"
        if not folder.exists():
            folder.mkdir()
            with steps("convert"):
                self._convert(folder / self.model_name)
        return folder

    def exact_pack(self, steps: Steps = silent) -> Pack:
        """The float32 ONNX of the model as a pack."""
        folder = self.exact(steps)
        return write_manifest(folder, self._described(folder, Scheme.NONE))

    def _find_fine(self, source: Path, write: Writer, folder: Path, steps: Steps) -> str:
        """See :mod:`edge_rerank_export.quantize.fine`; on other lists than are verified with.

        Errors of scores vary less from list to list than their orders do: for SmolLM2, of which a
        list takes 3 s, the groups are compared on a quarter of the lists.
        """
        texts = calibration_lists(self.recipe.languages, self.search_lists)
        groups = product_groups(source)
        exact = self._scores(self.exact_pack(steps), texts)
        at = folder / "searched"
        at.mkdir()

        def measure(pattern: str, few: bool) -> Measured:
            count = ceil(len(exact) * _FEW) if few else len(exact)
            write(at / self.model_name, pattern, lambda _done, _total: None)
            pack = write_manifest(at, self._described(at, self.recipe.model.quantisation))
            some = replace(texts, cases=texts.cases[:count])
            pairs = list(zip(exact[:count], self._scores(pack, some), strict=True))
            return Measured(
                float(np.mean([kendall_tau(*pair) for pair in pairs])),
                float(np.mean([np.square(one - other).mean() for one, other in pairs])),
            )

        most = most_measurements(len(groups))
        with steps(f"look for fine inputs (1 to {most} measurements)") as update:
            return find_fine(groups, measure, self.recipe.min_tau + _MARGIN, progress=update)

    @abstractmethod
    def _quantizer(self, source: Path, folder: Path, steps: Steps) -> Writer:
        """What writes ``source`` quantised as the recipe says, calibrated once.

        Args:
            source: a file of :meth:`convert`.
            folder: for files on the way, kept as long as the result is used.
            steps: told of each step.
        """

    def _writer(
        self,
        source: Path,
        *,
        maxima: ChannelMaxima | None = None,
        moments: SecondMoments | None = None,
        embedding: Embedding = Embedding.INT8,
    ) -> Writer:
        """What writes ``source`` by the recipe's scheme.

        For ``maxima``, ``moments`` and ``embedding`` see
        :func:`~edge_rerank_export.quantize.integers.quantize`.
        """

        def write(target: Path, fine: str, update: Update) -> QuantizedCount:
            return quantize(
                source,
                target,
                self.recipe.model.quantisation,
                maxima=maxima,
                moments=moments,
                fine=fine,
                embedding=embedding,
                inline_bytes=self.inline_bytes,
                progress=update,
            )

        return write

    @abstractmethod
    def _scores(self, pack: Pack, texts: Texts) -> list[NDArray[np.floating]]:
        """What a pack's model says of the candidates of each list."""

    @abstractmethod
    def _convert(self, target: Path) -> None:
        """Write the model to ``target`` as float32 ONNX."""

    @abstractmethod
    def _backend(self) -> Tokenizer:
        """The tokeniser as it is packed."""

    @abstractmethod
    def _spec(self, scheme: Scheme) -> ModelSpec:
        """What the manifest says of the model, quantised by ``scheme``."""

    def _described(self, folder: Path, scheme: Scheme) -> Manifest:
        self._backend().save(str(folder / self.tokenizer_name), pretty=False)
        return described(self.recipe, self.fetched, folder, self._spec(scheme))


def described(recipe: PackRecipe, fetched: Fetched, folder: Path, spec: ModelSpec) -> Manifest:
    """The manifest of a folder with a model and what lies beside it.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        folder: holds the model and its tokeniser.
        spec: what is said of both.
    """
    beside = data_file(folder / spec.model)
    if beside.exists():
        spec = replace(spec, external_data=beside.name)
    manifest = Manifest(
        name=recipe.name,
        release=recipe.release,
        licence=recipe.licence,
        source=Source(fetched.uri, fetched.revision, fetched.sha256),
        files=file_entries(folder),
    )
    if isinstance(spec, EncoderSpec):
        return replace(manifest, encoder=spec)
    if isinstance(spec, ScorerSpec):
        return replace(manifest, scorer=spec)
    return replace(manifest, pair_scorer=spec)
