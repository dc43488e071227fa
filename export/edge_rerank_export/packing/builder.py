"""The builder of a pack: a recipe and its model, and what is the same for every kind of model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from edge_rerank.packs.manifest import Manifest, Source
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import (
    AudioEncoderSpec,
    EncoderSpec,
    ImageEncoderSpec,
    PairScorerSpec,
    ScorerSpec,
)
from edge_rerank_export.files import data_file
from edge_rerank_export.models import onnx_file
from edge_rerank_export.packing.folder import file_entries, write_manifest
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import PackRecipe
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import Texts

ModelSpec: TypeAlias = (
    EncoderSpec | ScorerSpec | PairScorerSpec | ImageEncoderSpec | AudioEncoderSpec
)
"""What a manifest says of a model that was made as it is."""

Recipe = TypeVar("Recipe", bound=PackRecipe)

Material = TypeVar("Material")
"""What a pack is verified with."""


@dataclass(frozen=True, slots=True, repr=False)
class PackBuilder(ABC, Generic[Recipe, Material]):
    """A recipe and its model on their way to a pack.

    Attributes:
        recipe: what to make.
        fetched: where the weights came from.
        work: folder for the float32 model, which is made once and may be compared with.
    """

    model_name: ClassVar[str]
    """Of the ONNX file in the pack."""

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

    @abstractmethod
    def quantize(self, source: Path, target: Path, *, steps: Steps = silent) -> None:
        """Write ``source``, a file of :meth:`convert`, to ``target`` as the recipe says.

        Raises:
            UnsupportedModel: when the model cannot be quantised so.
        """

    def quantised_as(self, scheme: Scheme) -> Self:
        """The same for a model that is quantised by ``scheme``, whatever the recipe says."""
        return replace(self, recipe=self.recipe.quantised_as(scheme))

    def describe(self, folder: Path) -> Manifest:
        """Describe the model in ``folder`` and what belongs beside it, which is put there."""
        return self._described(folder, self.recipe.model.quantisation)

    @abstractmethod
    def material(self, texts: Texts | None, *, new: bool = False) -> Material:
        """What the pack is verified with.

        Args:
            texts: of the user; ``None`` for what comes with the toolchain.
            new: whether the pack is one that is being made.

        Raises:
            RecipeError: when there are texts for a model that reads none.
        """

    @abstractmethod
    def verify(self, pack: Pack, material: Material, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""

    @abstractmethod
    def advice(
        self, verification: Verification, pack: Pack, material: Material, *, steps: Steps = silent
    ) -> str:
        """What to try next with a pack that falls short; empty for one that does not."""

    @abstractmethod
    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""

    def followed(self, recipe: Recipe, model: Path) -> Recipe:
        """``recipe`` with what was found while ``model`` was made by it."""
        del model
        return recipe

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

    @abstractmethod
    def _convert(self, target: Path) -> None:
        """Write the model to ``target`` as float32 ONNX."""

    @abstractmethod
    def _spec(self, scheme: Scheme) -> ModelSpec:
        """What the manifest says of the model, quantised by ``scheme``."""

    def _described(self, folder: Path, scheme: Scheme) -> Manifest:
        return described(self.recipe, self.fetched, folder, self._spec(scheme))


def described(recipe: PackRecipe, fetched: Fetched, folder: Path, spec: ModelSpec) -> Manifest:
    """The manifest of a folder with a model and what lies beside it.

    Args:
        recipe: what was made.
        fetched: where the weights came from.
        folder: holds the model, and its tokeniser if it has one.
        spec: what is said of the model.
    """
    beside = data_file(folder / spec.model)
    if beside.exists() and not isinstance(spec, ImageEncoderSpec | AudioEncoderSpec):
        spec = replace(spec, external_data=beside.name)
    manifest = Manifest(
        name=recipe.name,
        release=recipe.release,
        licence=recipe.licence,
        source=Source(fetched.uri, fetched.revision, fetched.sha256),
        files=file_entries(folder),
    )
    part: Any = {_PARTS[type(spec)]: spec}
    return replace(manifest, **part)


_PARTS: dict[type, str] = {
    EncoderSpec: "encoder",
    ScorerSpec: "scorer",
    PairScorerSpec: "pair_scorer",
    ImageEncoderSpec: "image_encoder",
    AudioEncoderSpec: "audio_encoder",
}
