"""Recipes derived from a model: what lies in its folder says how a pack is made of it.

Only configuration is read: config.json, the files of sentence-transformers beside it, those of
the tokeniser, and the head of a README.md in the form of model cards on a hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load

from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.language_model import (
    DECODER_TYPES,
    check_language_model,
    load_tokenizer,
)
from edge_rerank_export.models.text_encoder import check_encoder
from edge_rerank_export.packing.adapted import AdapterConfig
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.pack import (
    EncoderPackRecipe,
    EncoderRecipe,
    PackRecipe,
    ScorerPackRecipe,
    ScorerRecipe,
    SourceRecipe,
)
from edge_rerank_export.sources.languages import Language

MAX_ENCODER_TOKENS = 256
"""Of an item's text, where the model reads more: attention's time grows with the square."""

HISTORY_TOKENS = 288
LINE_TOKENS = 24
VOCABULARY = 8192
HEADING = "Things this person liked, oldest first:"

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


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says beside the model; ``None`` and empty for what the model says.

    Attributes:
        kind: of pack.
        name: of the pack.
        licence: SPDX expression of the weights.
        quantisation: how its weights are rounded.
        max_tokens: of a text.
        languages: see :class:`~edge_rerank_export.recipes.pack.EncoderRecipe`.
    """

    kind: Kind | None = None
    name: str = ""
    licence: str = ""
    quantisation: Scheme = Scheme.INT8
    max_tokens: int | None = None
    languages: tuple[Language, ...] = ()


def kind_of(folder: Path) -> Kind:
    """The kind of pack that a model makes, by its configuration files.

    Args:
        folder: of the model; its weights need not be there.

    Raises:
        UnsupportedModel: when that cannot be told; what was found is named.
    """
    if any(folder.glob("*.gguf")):
        return Kind.SCORER
    if (folder / "modules.json").is_file():
        return Kind.ENCODER
    config = _read_json(folder / "config.json")
    names = config.get("architectures") or [""]
    architecture = str(names[0])
    decoder = config.get("model_type") in DECODER_TYPES
    if architecture.endswith("ForCausalLM") or (
        decoder and architecture.endswith("ForSequenceClassification")
    ):
        return Kind.SCORER
    if architecture.endswith(("Model", "ForMaskedLM")) and not decoder:
        return Kind.ENCODER
    raise UnsupportedModel(
        "config.json: expected a text encoder, a causal language model or a classifier of "
        f"sequences, got {architecture or 'no architecture'}; --kind says what to make of it"
    )


def check_model(kind: Kind) -> Callable[[Path], object]:
    """What refuses a model that no pack of this kind can be made of, by its configuration."""
    return {Kind.ENCODER: check_encoder, Kind.SCORER: check_language_model}[kind]


def kind_of_adapter(adapter: AdapterConfig) -> Kind:
    """The kind of pack that an adapter makes of its base.

    Raises:
        UnsupportedModel: when nothing that ranks comes of it.
    """
    return Kind.ENCODER if adapter.architecture == "Model" else Kind.SCORER


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
    config = check_model(kind)(folder)
    common: dict[str, Any] = {
        "name": wishes.name or name_of(source.uri),
        "release": 1,
        "licence": wishes.licence or licence_in(card or folder),
        "summary": _summary(config),
        "source": source,
    }
    if kind is Kind.ENCODER:
        return EncoderPackRecipe(**common, encoder=_encoder(folder, config, wishes))
    if wishes.languages:
        raise RecipeError("--languages: expected only with a text encoder")
    return ScorerPackRecipe(**common, scorer=_scorer(folder, config, wishes))


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


def _encoder(folder: Path, config: Any, wishes: Wishes) -> EncoderRecipe:
    declared = _read_json(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    reads = min(declared or MAX_ENCODER_TOKENS, config.max_position_embeddings)
    return EncoderRecipe(
        max_tokens=wishes.max_tokens or min(reads, MAX_ENCODER_TOKENS),
        quantisation=wishes.quantisation,
        languages=wishes.languages,
    )


def _scorer(folder: Path, config: Any, wishes: Wishes) -> ScorerRecipe:
    tokenizer = load_tokenizer(folder)
    start = tokenizer.bos_token or tokenizer.eos_token or tokenizer.cls_token
    if start is None:
        raise UnsupportedModel("tokeniser: expected a token that begins or ends a text, found none")
    room = config.max_position_embeddings - 2 * LINE_TOKENS
    return ScorerRecipe(
        heading=HEADING,
        start=start,
        line_tokens=LINE_TOKENS,
        history_tokens=wishes.max_tokens or min(HISTORY_TOKENS, room),
        vocabulary=min(VOCABULARY, config.vocab_size),
        quantisation=wishes.quantisation,
    )


def _summary(config: Any) -> str:
    layers, width = config.num_hidden_layers, config.hidden_size
    return f"{config.model_type}, {layers} layers of {width} dimensions."


def _read_json(path: Path, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    if default is not None and not path.is_file():
        return default
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnsupportedModel(f"{path.name} cannot be read: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise UnsupportedModel(f"{path.name}: expected an object")
    return content
