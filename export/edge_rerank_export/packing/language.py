"""The builder of a pack with a language model: what is the same for all that read texts."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank_export.models import onnx_file
from edge_rerank_export.packing.builder import PackBuilder
from edge_rerank_export.packing.calibration import calibration_lists
from edge_rerank_export.packing.folder import write_manifest
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.quantize.calibrate import ChannelMaxima, SecondMoments
from edge_rerank_export.quantize.fine import (
    NONE,
    Measured,
    find_fine,
    most_measurements,
    product_groups,
)
from edge_rerank_export.quantize.integers import QuantizedCount, fine_of, quantize
from edge_rerank_export.quantize.scheme import Embedding, Scheme
from edge_rerank_export.recipes.pack import LanguagePackRecipe
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.orders import kendall_tau
from edge_rerank_export.verify.report import advice_on
from edge_rerank_export.verify.texts import Texts, own_texts

Writer: TypeAlias = Callable[[Path, str, Update], QuantizedCount]
"""Writes a model to a file, the products of a pattern fine, and is told of progress to."""

_FEW = 0.25
"""Share of the lists that groups of products are compared on."""

_MARGIN = 0.01
"""By which τ has to be above its bound there: it is verified on other lists."""

Language = TypeVar("Language", bound=LanguagePackRecipe)


@dataclass(frozen=True, slots=True, repr=False)
class LanguageBuilder(PackBuilder[Language, Texts]):
    """A recipe and its language model on their way to a pack."""

    tokenizer_name: ClassVar[str]
    """Of the tokeniser beside it."""

    build_cases: ClassVar[int | None] = None
    """Lists that a new pack is verified on, ``None`` for all; ``verify`` takes as many as there
    are."""

    search_lists: ClassVar[int] = 16
    """Lists that finer inputs are searched on."""

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

    def material(self, texts: Texts | None, *, new: bool = False) -> Texts:
        """``texts``, or the toolchain's own; for a new pack no more than it takes."""
        texts = texts or own_texts(self.recipe.languages)
        return replace(texts, cases=texts.cases[: self.build_cases]) if new else texts

    def advice(
        self, verification: Verification, pack: Pack, material: Texts, *, steps: Steps = silent
    ) -> str:
        """See :func:`~edge_rerank_export.verify.report.advice_on`."""
        if verification.ok:
            return ""
        exact = self.exact(steps) / self.model_name
        return advice_on(verification, self.recipe, pack, exact, material, steps=steps)

    def followed(self, recipe: Language, model: Path) -> Language:
        """``recipe`` with the products that were found to need finer inputs."""
        return recipe.with_fine(fine_of(model)) if recipe.model.fine is None else recipe

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
    def _backend(self) -> Tokenizer:
        """The tokeniser as it is packed."""

    def _described(self, folder: Path, scheme: Scheme) -> Manifest:
        self._backend().save(str(folder / self.tokenizer_name), pretty=False)
        return PackBuilder._described(self, folder, scheme)
