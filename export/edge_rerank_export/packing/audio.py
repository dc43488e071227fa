"""The builder of a pack with a sound encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_rerank.inference.encoders.audio import AudioEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import AudioEncoderSpec
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.graph_writer import OPSET
from edge_rerank_export.models.speech import RATE, Sound, SpeechEncoder, convert, read_speech
from edge_rerank_export.packing.media import MediaBuilder
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.convolutions import quantize_convolutions
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.media import AudioPackRecipe
from edge_rerank_export.sources.fetch import fetch
from edge_rerank_export.verify.media import Vectors
from edge_rerank_export.verify.sounds import calibration_sounds, check_sounds

AUDIO_NAME = "audio.onnx"

_CALIBRATED = 40
"""Sounds that an int8 model is calibrated on."""

_CHECKED = 100
"""Sounds that a pack is verified with."""


@dataclass(frozen=True, slots=True, repr=False)
class AudioBuilder(MediaBuilder[AudioPackRecipe, Sound]):
    """A sound encoder on its way to a pack.

    Attributes:
        encoder: the original.
    """

    model_name = AUDIO_NAME
    what = "sounds"
    encoder: SpeechEncoder

    def quantize(self, source: Path, target: Path, *, steps: Steps = silent) -> None:
        """See :meth:`~.builder.PackBuilder.quantize`."""
        audio = self.recipe.audio
        if audio.quantisation is Scheme.NONE:
            onnx_file.copy(source, target)
            return
        with steps(f"quantise ({audio.quantisation})"):
            feeds = [
                {"samples": one.samples, "rate": np.array(one.rate)}
                for one in calibration_sounds(_CALIBRATED)
            ]
            quantize_convolutions(source, target, feeds, exact=audio.exact)

    def _things(self) -> Sequence[Sound]:
        return check_sounds(_CHECKED)

    def _original(self, thing: Sound) -> Vectors:
        return self.encoder.original(thing)

    def _encoder(self, pack: Pack) -> Callable[[Sound], Vectors]:
        encoder = AudioEncoder(pack)
        return lambda thing: encoder.encode([(thing.samples, thing.rate)])

    @property
    def changed(self) -> tuple[str, ...]:
        """See :class:`~.media.MediaBuilder`."""
        over = "mean and standard deviation" if self.encoder.spread else "mean"
        return (
            "spectrum and network in one ONNX graph, with resampling before them, "
            f"the network quantised ({self.recipe.audio.quantisation})",
            f"the {over} over windows of 0.78 s, one every 0.08 s, scaled to length 1",
            f"at most {self.encoder.seconds} s of a sound are heard",
        )

    def _convert(self, target: Path) -> None:
        convert(self.encoder, target)

    def _spec(self, scheme: Scheme) -> AudioEncoderSpec:
        return AudioEncoderSpec(
            model=AUDIO_NAME,
            dim=self.encoder.dim,
            rate=RATE,
            seconds=self.encoder.seconds,
            opset=OPSET,
            quantisation=scheme,
            weight=self.recipe.audio.weight,
        )


def audio_builder(
    recipe: AudioPackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> AudioBuilder:
    """Fetch the recipe's model.

    Args:
        recipe: names the source.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.
        ignore_memory: nothing; such a model is small.

    Raises:
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they cannot be used.
    """
    del ignore_memory
    source = recipe.source
    with steps("fetch"):
        fetched = fetch(source.uri, sha256=source.sha256, work=work, subfolder=source.subfolder)
    with steps("load"):
        encoder = read_speech(
            fetched.folder, seconds=recipe.audio.seconds, spread=recipe.audio.spread
        )
    return AudioBuilder(recipe, fetched, work, encoder)
