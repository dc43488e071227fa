"""The builder of a pack whose model makes vectors of texts: what is the same for all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models.text_encoder import UnitEncoder
from edge_rerank_export.packing.calibration import calibration_texts
from edge_rerank_export.packing.language import LanguageBuilder, Writer
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.quantize.calibrate import (
    ChannelMaxima,
    SecondMoments,
    channel_maxima,
    second_moments,
    text_readings,
)
from edge_rerank_export.quantize.integers import QuantizedCount, quantize
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import EncoderPackRecipe
from edge_rerank_export.verify.encoder import order_scores, verify_encoder
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import Texts, own_texts

ENCODER_NAME = "encoder.onnx"
TOKENIZER_NAME = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a scheme wants to know of the inputs of products."""

    maxima: ChannelMaxima | None = None
    moments: SecondMoments | None = None

    def quantize(
        self,
        source: Path,
        target: Path,
        scheme: Scheme,
        *,
        inline_bytes: int,
        progress: Update,
    ) -> QuantizedCount:
        """See :func:`~edge_rerank_export.quantize.integers.quantize`."""
        return quantize(
            source,
            target,
            scheme,
            maxima=self.maxima,
            moments=self.moments,
            inline_bytes=inline_bytes,
            progress=progress,
        )


def calibrate(
    source: Path, scheme: Scheme, tokenizer: Tokenizer, texts: Sequence[str], steps: Steps
) -> Calibrated:
    """Run a float32 ONNX encoder on texts, for what ``scheme`` wants to know."""
    if scheme is Scheme.FLOAT16:
        return Calibrated()
    with steps("calibrate") as update:
        if scheme is not Scheme.INT4:
            return Calibrated(maxima=channel_maxima(source, tokenizer, texts, progress=update))
        readings = text_readings(source, tokenizer, texts)
        told = partial(_of, update, len(texts))
        return Calibrated(moments=second_moments(source, readings, progress=told))


def _of(update: Update, total: int, done: int) -> None:
    update(done, total)


@dataclass(frozen=True, slots=True, repr=False)
class VectorBuilder(LanguageBuilder[EncoderPackRecipe]):
    """A model that makes vectors of texts on its way to a pack."""

    model_name = ENCODER_NAME
    tokenizer_name = TOKENIZER_NAME

    @property
    @abstractmethod
    def encoder(self) -> UnitEncoder:
        """The original."""

    def verify(self, pack: Pack, material: Texts, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""
        with steps("verify") as update:
            return verify_encoder(self.encoder, pack, material, self.recipe.bounds, progress=update)

    def _quantizer(self, source: Path, folder: Path, steps: Steps) -> Writer:
        del folder
        scheme, languages = self.recipe.encoder.quantisation, self.recipe.languages
        own = own_texts(languages).texts
        texts = calibration_texts(languages) if scheme is Scheme.INT4 else own
        calibrated = calibrate(source, scheme, self._backend(), texts, steps)

        rounded = self._writer(
            source,
            maxima=calibrated.maxima,
            moments=calibrated.moments,
            embedding=self.recipe.encoder.embedding,
        )

        def write(target: Path, fine: str, update: Update) -> QuantizedCount:
            count = rounded(target, fine, update)
            if count.left:
                raise UnsupportedModel(
                    f"quantise: {len(count.left)} of {count.products + len(count.left)} products "
                    f"with weights are not of a form that is quantised, {count.left[0]} among them"
                )
            return count

        return write

    def _scores(self, pack: Pack, texts: Texts) -> list[NDArray[np.floating]]:
        used = sorted(
            {place for case in texts.cases for place in (*case.history, *case.candidates)}
        )
        vectors = np.zeros((len(texts.texts), self.encoder.dim), dtype=np.float32)
        vectors[used] = TextEncoder(pack).encode([texts.texts[place] for place in used])
        return [order_scores(vectors, case, {}) for case in texts.cases]
