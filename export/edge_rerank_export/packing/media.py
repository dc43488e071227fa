"""The builder of a pack that reads pictures or sounds: what is the same for both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.packing.builder import PackBuilder
from edge_rerank_export.packing.cards.media import media_card
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.media import AudioPackRecipe, ImagePackRecipe
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.media import MediaVerification, Vectors, verify_media
from edge_rerank_export.verify.texts import Texts

Recipe = TypeVar("Recipe", ImagePackRecipe, AudioPackRecipe)
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, repr=False)
class MediaBuilder(PackBuilder[Recipe, Sequence[Thing]], Generic[Recipe, Thing]):
    """An encoder of pictures or sounds on its way to a pack."""

    what: ClassVar[str]
    """Plural of what it reads."""

    def material(self, texts: Texts | None, *, new: bool = False) -> Sequence[Thing]:
        """What it is verified with: the toolchain's own."""
        del new
        if texts is not None:
            raise RecipeError(
                f"--texts: expected only with a language model, this one reads {self.what}"
            )
        return self._things()

    def verify(
        self, pack: Pack, material: Sequence[Thing], *, steps: Steps = silent
    ) -> MediaVerification:
        """Compare ``pack`` with the model."""
        exact = self._encoder(self.exact_pack(steps))
        with steps("verify") as update:
            return verify_media(
                material,
                self._original,
                exact,
                self._encoder(pack),
                self.recipe.bounds,
                what=self.what,
                told=update,
            )

    def advice(
        self,
        verification: Verification,
        pack: Pack,
        material: Sequence[Thing],
        *,
        steps: Steps = silent,
    ) -> str:
        """What to try next with a pack that falls short; empty for one that does not."""
        del pack, material, steps
        if verification.ok:
            return ""
        if self.recipe.model.quantisation is Scheme.NONE or "conversion_error" in {
            *verification.short
        }:
            return "the conversion is off; please report it with the model's type"
        return f'try {self.recipe.table}.quantisation = "none" in the recipe'

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""
        return media_card(
            self.recipe, self.fetched, verification, changed=self.changed, training=training
        )

    @abstractmethod
    def _things(self) -> Sequence[Thing]:
        """What a pack is verified with."""

    @abstractmethod
    def _original(self, thing: Thing) -> Vectors:
        """Its vector by the original, (1, dim)."""

    @property
    @abstractmethod
    def changed(self) -> tuple[str, ...]:
        """What is not as in the original, for the card."""

    @abstractmethod
    def _encoder(self, pack: Pack) -> Callable[[Thing], Vectors]:
        """What makes vectors by a pack's model, as the runtime does."""
