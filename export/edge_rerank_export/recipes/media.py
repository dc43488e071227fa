r"""Recipes of packs that read pictures or sounds.

::

    kind = "image"
    name = "image"
    ...                             # and [source], as for every pack

    [image]                         # all of it may be left out, see ImageRecipe
    side = 224
    fit = "squash"                  # or "crop"
    exact = ""
    quantisation = "int8"           # or "none"
    weight = 1.0

    [bounds]                        # see edge_rerank_export.recipes.bounds.MediaBounds
    min_cosine = 0.99
    min_mean_cosine = 0.99

A pack that hears has ``kind = "audio"`` and, in place of ``[image]``::

    [audio]                         # see AudioRecipe
    seconds = 10
    spread = false
    exact = ""
    quantisation = "int8"           # or "none"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from edge_rerank.packs.manifest import MAX_SECONDS
from edge_rerank.packs.specs import LIKENESS_WEIGHT, MAX_SIDE
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.models.preparation import Fit
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.bounds import MediaBounds
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.pack import Layout, PackRecipe
from edge_rerank_export.recipes.table import check_integers

SCHEMES = (Scheme.INT8, Scheme.NONE)


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """How the picture encoder is made.

    Attributes:
        side: pixels along each side that its network looks at; 0 for what the model's files say.
        fit: see :class:`Fit`; ``None`` for what the model's files say, to squash where they do not.
        exact: convolutions of such a name (a regular expression) stay in float32; empty for none.
        quantisation: see :class:`~edge_rerank_export.quantize.scheme.Scheme`.
        weight: see :class:`~edge_rerank.packs.specs.ImageEncoderSpec`.
    """

    side: int = 0
    fit: Fit | None = None
    exact: str = ""
    quantisation: Scheme = Scheme.INT8
    weight: float = LIKENESS_WEIGHT

    @property
    def external_data(self) -> bool:
        """Whether weights lie beside the model: no format of pictures has room for it."""
        return False


@dataclass(frozen=True, slots=True)
class AudioRecipe:
    """How the sound encoder is made.

    Attributes:
        seconds: how much of a sound is heard, from the beginning.
        spread: whether the standard deviation over the windows stands beside the mean.
        exact: convolutions of such a name (a regular expression) stay in float32; empty for none.
        quantisation: see :class:`~edge_rerank_export.quantize.scheme.Scheme`.
        weight: see :class:`~edge_rerank.packs.specs.AudioEncoderSpec`.
    """

    seconds: int = 10
    spread: bool = False
    exact: str = ""
    quantisation: Scheme = Scheme.INT8
    weight: float = LIKENESS_WEIGHT

    @property
    def external_data(self) -> bool:
        """Whether weights lie beside the model: no format of sounds has room for it."""
        return False


@dataclass(frozen=True, slots=True)
class ImagePackRecipe(PackRecipe):
    """How a pack with a picture encoder is made; see the module's description."""

    kind: ClassVar[Kind] = Kind.IMAGE

    image: ImageRecipe = field(default_factory=ImageRecipe)
    bounds: MediaBounds = field(default_factory=MediaBounds)

    def __post_init__(self) -> None:
        PackRecipe.__post_init__(self)
        check_integers(self.image, "image", side=0)
        if self.image.side > MAX_SIDE:
            raise RecipeError(f"image.side: expected at most {MAX_SIDE}")
        _check(self, {Layout.TRANSFORMERS, Layout.EFFICIENTNET_LITE})

    @property
    def model(self) -> ImageRecipe:
        """What its model is made by."""
        return self.image


@dataclass(frozen=True, slots=True)
class AudioPackRecipe(PackRecipe):
    """How a pack with a sound encoder is made; see the module's description."""

    kind: ClassVar[Kind] = Kind.AUDIO

    audio: AudioRecipe = field(default_factory=AudioRecipe)
    bounds: MediaBounds = field(default_factory=MediaBounds)

    def __post_init__(self) -> None:
        PackRecipe.__post_init__(self)
        check_integers(self.audio, "audio")
        if self.audio.seconds > MAX_SECONDS:
            raise RecipeError(f"audio.seconds: expected at most {MAX_SECONDS}")
        _check(self, {Layout.SPEECH_EMBEDDING})

    @property
    def model(self) -> AudioRecipe:
        """What its model is made by."""
        return self.audio


def _check(recipe: ImagePackRecipe | AudioPackRecipe, layouts: set[Layout]) -> None:
    """Refuse what is not for this kind of model."""
    if recipe.model.exact and recipe.model.quantisation is Scheme.NONE:
        raise RecipeError(f"{recipe.kind}.exact: expected only with quantisation int8")
    if recipe.model.quantisation not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise RecipeError(f"{recipe.kind}.quantisation: expected one of {known}")
    if recipe.source.layout not in layouts:
        raise RecipeError(f"source.layout: expected {' or '.join(sorted(layouts))}")
    if recipe.source.base:
        raise RecipeError("source.base: expected only with a language model")
