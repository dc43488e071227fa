"""The builder of a pack with a picture encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edge_rerank.inference.encoders.image import ImageEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import ImageEncoderSpec
from edge_rerank_export.models import efficientnet, onnx_file
from edge_rerank_export.models.graph_writer import OPSET
from edge_rerank_export.models.picture import PictureEncoder, convert
from edge_rerank_export.models.preparation import Fit, Preparation
from edge_rerank_export.models.vision_tower import check_tower, tower_encoder
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.media import MediaBuilder
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.quantize.convolutions import quantize_convolutions
from edge_rerank_export.quantize.integers import quantize
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.media import ImagePackRecipe, ImageRecipe
from edge_rerank_export.recipes.pack import Layout
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.media import Vectors
from edge_rerank_export.verify.pictures import Pixels, calibration_pictures, check_pictures

IMAGE_NAME = "image.onnx"

_CALIBRATED = 32
"""Pictures that an int8 model is calibrated on."""

_CHECKED = 32
"""Pictures that a pack is verified with."""


@dataclass(frozen=True, slots=True, repr=False)
class ImageBuilder(MediaBuilder[ImagePackRecipe, Pixels]):
    """A picture encoder on its way to a pack.

    Attributes:
        encoder: the original.
        tower: whether its network is made of products, or of convolutions.
    """

    model_name = IMAGE_NAME
    what = "pictures"
    encoder: PictureEncoder
    tower: bool

    def quantize(self, source: Path, target: Path, *, steps: Steps = silent) -> None:
        """See :meth:`~.builder.PackBuilder.quantize`."""
        image = self.recipe.image
        if image.quantisation is Scheme.NONE:
            onnx_file.copy(source, target)
            return
        with steps(f"quantise ({image.quantisation})") as update:
            self._quantize(source, target, update)

    def _quantize(self, source: Path, target: Path, update: Update) -> None:
        if self.tower:
            quantize(source, target, inline_bytes=self.inline_bytes, progress=update)
            return
        pictures = calibration_pictures(_CALIBRATED, self.encoder.prepare.side).images
        quantize_convolutions(
            source, target, [{"image": one} for one in pictures], exact=self.recipe.image.exact
        )

    def _things(self) -> Sequence[Pixels]:
        return check_pictures(_CHECKED).images

    def _original(self, thing: Pixels) -> Vectors:
        return np.asarray(self.encoder(thing).numpy(), dtype=np.float32)

    def _encoder(self, pack: Pack) -> Callable[[Pixels], Vectors]:
        encoder = ImageEncoder(pack)
        return lambda thing: encoder.encode([thing])

    @property
    def spec(self) -> ImageEncoderSpec:
        """What the manifest says of the model, quantised as the recipe says."""
        return self._spec(self.recipe.image.quantisation)

    @property
    def changed(self) -> tuple[str, ...]:
        """See :class:`~.media.MediaBuilder`."""
        image, prepare = self.recipe.image, self.encoder.prepare
        shape = (
            "bent to a square" if prepare.fit is Fit.SQUASH else "cut to the square in its middle"
        )
        return (
            "converted to ONNX with resizing and scaling to length 1 inside, "
            f"quantised ({image.quantisation})",
            f"a picture is {shape} and resized to {prepare.side} x {prepare.side} pixels",
        )

    def _convert(self, target: Path) -> None:
        convert(self.encoder, target)

    def _spec(self, scheme: Scheme) -> ImageEncoderSpec:
        return ImageEncoderSpec(
            model=IMAGE_NAME,
            dim=self.encoder.dim,
            side=self.encoder.prepare.side,
            opset=OPSET,
            quantisation=scheme,
            weight=self.recipe.image.weight,
        )


def image_builder(
    recipe: ImagePackRecipe,
    work: Path,
    *,
    steps: Steps = silent,
    ignore_memory: bool = False,
    fetched: Fetched | None = None,
) -> ImageBuilder:
    """Fetch the recipe's model.

    Args:
        recipe: names the source.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.
        ignore_memory: nothing; such a model is small.
        fetched: the model, where it is there already.

    Raises:
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they cannot be used.
    """
    del ignore_memory
    source = recipe.source
    if fetched is None:
        with steps("fetch"):
            accept = check_tower if source.layout is Layout.TRANSFORMERS else None
            fetched = fetch_model(source, work, accept=accept)
    with steps("load"):
        tower = source.layout is Layout.TRANSFORMERS
        image = recipe.image
        if tower:
            encoder = tower_encoder(fetched.folder, side=image.side, fit=image.fit)
        else:
            encoder = _efficientnet(fetched.folder, image)
    return ImageBuilder(recipe, fetched, work, encoder, tower)


def _efficientnet(folder: Path, image: ImageRecipe) -> PictureEncoder:
    network = efficientnet.EfficientNetLite(efficientnet.read_weights(folder))
    side = image.side or efficientnet.SIDE
    mean, scale = efficientnet.MEAN, efficientnet.SCALE
    prepare = Preparation(
        side, image.fit or Fit.SQUASH, True, (mean, mean, mean), (scale, scale, scale)
    )
    emit = partial(efficientnet.emit, network, side=side)
    return PictureEncoder(prepare, network, network.channels, emit=emit)
