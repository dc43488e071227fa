r"""Recipes of packs whose texts and pictures share a space, made of a model with a tower for each.

::

    kind = "dual"
    name = "clip"
    ...                             # and [source], as for every pack

    [encoder]                       # the text tower, see EncoderRecipe; all but what is not for it
    max_tokens = 77

    [image]                         # the picture tower, see ImageRecipe; may be left out
    quantisation = "int8"

    [bounds]                        # of texts, see edge_rerank_export.recipes.bounds.EncoderBounds
    min_cosine = 0.98

    [image_bounds]                  # of pictures, see MediaBounds
    min_cosine = 0.99
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.bounds import MediaBounds
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.media import ImagePackRecipe, ImageRecipe
from edge_rerank_export.recipes.pack import EncoderPackRecipe, EncoderRecipe, Layout

_OTHERS = ("pooling", "dim", "languages", "vocabulary", "centre")
"""Keys of encoders that would take texts out of the pictures' space, or are for other models."""


@dataclass(frozen=True, slots=True)
class DualPackRecipe(EncoderPackRecipe):
    """How a pack with both towers is made; see the module's description."""

    kind: ClassVar[Kind] = Kind.DUAL

    image: ImageRecipe = field(default_factory=ImageRecipe)
    image_bounds: MediaBounds = field(default_factory=MediaBounds)

    def __post_init__(self) -> None:
        EncoderPackRecipe.__post_init__(self)
        usual = EncoderRecipe(max_tokens=self.encoder.max_tokens)
        for name in _OTHERS:
            if getattr(self.encoder, name) != getattr(usual, name):
                raise RecipeError(f"encoder.{name}: expected only with kind encoder")
        if self.source.layout is not Layout.TRANSFORMERS:
            raise RecipeError(f"source.layout: expected {Layout.TRANSFORMERS}")
        _ = self.pictures  # which is checked, too

    @property
    def table(self) -> str:
        """What the model that reads texts is made by, in a file."""
        return Kind.ENCODER.value

    @property
    def pictures(self) -> ImagePackRecipe:
        """The recipe of the picture tower by itself."""
        return ImagePackRecipe(
            name=self.name,
            release=self.release,
            licence=self.licence,
            summary=self.summary,
            source=self.source,
            image=self.image,
            bounds=self.image_bounds,
        )
