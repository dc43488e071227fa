"""The builder of a pack with a scorer: what that kind of model does at each step."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from edge_rerank.inference.prompt import Prompt
from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.manifest import Manifest, ScorerSpec, Scoring, Source
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.models.adapter import apply_adapter
from edge_rerank_export.models.language_model import (
    ScoringModel,
    check_language_model,
    convert_scorer,
    is_causal,
    load_language_model,
    load_tokenizer,
    read_head,
    readings,
    scoring_model,
)
from edge_rerank_export.models.text_encoder import OPSET
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.card import scorer_card
from edge_rerank_export.packing.folder import file_entries, write_manifest
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.calibrate import second_moments
from edge_rerank_export.quantize.gptq import round_products
from edge_rerank_export.quantize.integers import quantize
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import ScorerPackRecipe, find_adapter
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.scorer import (
    by_head,
    by_likelihood,
    conversion_error,
    verify_scorer,
)
from edge_rerank_export.verify.texts import Texts, own_texts

SCORER_NAME = "scorer.onnx"
TOKENIZER_NAME = "scorer-tokenizer.json"

_SPARE = 64
"""Positions beyond history, query and candidate, for separators."""

_BUILD_CASES = 40
"""Lists that a new pack is verified on; ``verify`` takes as many as there are."""

_PROMPT_TOKENS = 128
"""Length of the prompts that weights are rounded on."""


@dataclass(frozen=True, slots=True, repr=False)
class ScorerBuilder:
    """A scorer on its way to a pack, see :class:`~edge_rerank_export.packing.steps.PackBuilder`.

    Attributes:
        recipe: what to make.
        fetched: where the weights came from.
        tokenizer: the model's, of transformers.
        loaded: the model as it was loaded, an adapter's changes in it.
        head: what it scores by, float32 of shape (1, hidden); ``None`` for likelihoods.
        model: the same in the runtime's contract.
        training: how an adapter was trained; empty without one.
        work: folder for the float32 model, which is compared with.
    """

    recipe: ScorerPackRecipe
    fetched: Fetched
    tokenizer: Any
    loaded: Any
    head: Tensor | None
    model: ScoringModel
    training: str
    work: Path

    @property
    def model_name(self) -> str:
        """Of the ONNX file in the pack."""
        return SCORER_NAME

    def convert(self, target: Path, *, steps: Steps = silent) -> None:
        """Write the model to ``target`` as float32 ONNX."""
        shutil.copyfile(self._exact(steps) / SCORER_NAME, target)

    def quantize(self, source: Path, target: Path, *, steps: Steps = silent) -> None:
        """Write ``source`` to ``target`` as the recipe says, rounded on our own texts."""
        wanted = self.recipe.scorer
        scheme = wanted.quantisation
        if scheme is Scheme.NONE:
            shutil.copyfile(source, target)
            return
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            if scheme.limit is not None:
                source = self._rounded(source, Path(folder), scheme.limit, steps)
            with steps(f"quantise ({scheme})") as update:
                quantize(source, target, scheme, fine=wanted.fine, progress=update)

    def quantised_as(self, scheme: Scheme) -> Self:
        """The same for a model that is quantised by ``scheme``, whatever the recipe says."""
        fine = self.recipe.scorer.fine if scheme.limit is not None else ""
        scorer = replace(self.recipe.scorer, quantisation=scheme, fine=fine)
        return replace(self, recipe=replace(self.recipe, scorer=scorer))

    def describe(self, folder: Path) -> Manifest:
        """Put the tokeniser beside the model in ``folder``, and describe all of it."""
        return self._describe(folder, self.recipe.scorer.quantisation)

    def check_texts(self, texts: Texts | None) -> Texts:
        """What a new pack is verified with: ``_BUILD_CASES`` lists at most."""
        texts = texts or own_texts()
        return replace(texts, cases=texts.cases[:_BUILD_CASES])

    def verify(self, pack: Pack, texts: Texts, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""
        exact = self._exact(steps)
        reference = write_manifest(exact, self._describe(exact, Scheme.NONE))
        rows = [self.tokenizer(text).input_ids for text in texts.texts]
        original = (
            by_likelihood(self.loaded, self.recipe.scorer.vocabulary)
            if self.head is None
            else by_head(self.loaded, self.head)
        )
        with steps("verify") as update:
            return verify_scorer(
                Scorer(reference),
                Scorer(pack),
                texts,
                self.recipe.bounds,
                error=conversion_error(
                    original, lambda row: self.model.read(row)["score"][:, 0], rows
                ),
                progress=update,
            )

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card."""
        return scorer_card(
            self.recipe, self.fetched, verification, training=training or self.training
        )

    def _exact(self, steps: Steps) -> Path:
        """A folder with the float32 ONNX of the model, made when it is first asked for."""
        folder = self.work / "exact"
        if not folder.exists():
            folder.mkdir()
            with steps("convert"):
                convert_scorer(self.model, folder / SCORER_NAME)
        return folder

    def _describe(self, folder: Path, scheme: Scheme) -> Manifest:
        return describe(
            self.recipe,
            self.fetched,
            self.tokenizer.backend_tokenizer,
            folder,
            scheme,
            causal=is_causal(self.loaded.config),
            scoring=Scoring.LIKELIHOOD if self.head is None else Scoring.HEAD,
        )

    def _rounded(self, source: Path, folder: Path, limit: int, steps: Steps) -> Path:
        backend = self.tokenizer.backend_tokenizer
        prompt = Prompt(scorer_spec(self.recipe, backend), backend.to_str().encode())
        prompts = _prompts(prompt, own_texts().texts)
        with steps("calibrate") as update:
            moments = second_moments(
                source,
                readings(source, prompts, causal=is_causal(self.loaded.config)),
                progress=lambda done: update(done, len(prompts)),
            )
        rounded = folder / "rounded.onnx"
        with steps("round") as update:
            round_products(source, rounded, moments, limit=limit, progress=update)
        return rounded


def scorer_builder(recipe: ScorerPackRecipe, work: Path, *, steps: Steps = silent) -> ScorerBuilder:
    """Fetch the recipe's model and bring it into the runtime's contract.

    A checkpoint or an adapter with a trained head, as :mod:`edge_rerank_export.train.scorer`
    writes them, scores by that; any other by likelihood.

    Args:
        recipe: what to make.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.

    Raises:
        RecipeError: when the recipe does not fit the model.
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they are of a model that cannot be used.
    """
    source, wanted = recipe.source, recipe.scorer
    adapter = find_adapter(source.adapter) if source.adapter else None
    with steps("fetch"):
        fetched = fetch_model(source, work, accept=check_language_model)
    with steps("load"):
        loaded = load_language_model(fetched.folder)
        tokenizer = load_tokenizer(fetched.folder)
        scorer_spec(recipe, tokenizer.backend_tokenizer)
        head: Tensor | None
        if adapter is None:
            head, training = read_head(fetched.folder), ""
        else:
            head, training = apply_adapter(loaded.base_model, adapter)
        model = scoring_model(
            copy.deepcopy(loaded),
            positions=wanted.history_tokens + 2 * wanted.line_tokens + _SPARE,
            vocabulary=wanted.vocabulary,
            head=head,
        ).eval()
    return ScorerBuilder(recipe, fetched, tokenizer, loaded, head, model, training, work)


def describe(
    recipe: ScorerPackRecipe,
    fetched: Fetched,
    backend: Any,
    folder: Path,
    scheme: Scheme,
    *,
    causal: bool,
    scoring: Scoring,
) -> Manifest:
    """Write the tokeniser beside the model in ``folder``, and describe both.

    Args:
        recipe: what to make.
        fetched: where the weights came from.
        backend: the model's tokeniser, of the tokenizers library.
        folder: holds the model.
        scheme: how it is quantised.
        causal: see :class:`~edge_rerank.packs.manifest.ScorerSpec`.
        scoring: what its numbers mean.

    Raises:
        RecipeError: when the tokeniser lacks a token of the recipe.
    """
    spec = scorer_spec(recipe, backend)
    backend.save(str(folder / TOKENIZER_NAME), pretty=False)
    return Manifest(
        name=recipe.name,
        release=recipe.release,
        licence=recipe.licence,
        source=Source(fetched.uri, fetched.revision, fetched.sha256),
        files=file_entries(folder),
        scorer=replace(spec, quantisation=scheme, scoring=scoring, causal=causal),
    )


def scorer_spec(recipe: ScorerPackRecipe, backend: Any) -> ScorerSpec:
    """How a scorer of ``recipe`` is used, before it is quantised and its scoring is known.

    Raises:
        RecipeError: when the tokeniser lacks a token of the recipe.
    """
    wanted = recipe.scorer
    start = _token(backend, "start", wanted.start)
    if wanted.separator:
        separator: tuple[int, ...] = (_token(backend, "separator", wanted.separator),)
    else:
        separator = _ids(backend, "\n")
        if not separator:
            raise RecipeError("scorer.separator: expected, for this tokeniser has no line break")
    heading = _ids(backend, wanted.heading)
    spec = ScorerSpec(
        model=SCORER_NAME,
        tokenizer=TOKENIZER_NAME,
        scoring=Scoring.LIKELIHOOD,
        causal=True,
        prefix=(start, *heading, *separator),
        separator=separator,
        line_tokens=wanted.line_tokens,
        history_tokens=wanted.history_tokens,
        opset=OPSET,
    )
    return spec if wanted.weight is None else replace(spec, weight=wanted.weight)


def _ids(backend: Any, text: str) -> tuple[int, ...]:
    """The text's tokens, without those that a tokeniser pads it with."""
    encoded = backend.encode(text, add_special_tokens=False)
    return tuple(
        number for number, real in zip(encoded.ids, encoded.attention_mask, strict=True) if real
    )


def _token(backend: Any, key: str, name: str) -> int:
    found: int | None = backend.token_to_id(name)
    if found is None:
        raise RecipeError(f"scorer.{key}: not a token of this model")
    return found


def _prompts(prompt: Prompt, texts: Sequence[str]) -> list[list[int]]:
    """All ``texts`` as histories of ``_PROMPT_TOKENS``, neighbours together."""
    prompts = [list(prompt.prefix)]
    for text in texts:
        if len(prompts[-1]) >= _PROMPT_TOKENS:
            prompts.append(list(prompt.prefix))
        prompts[-1] += prompt.line(text)
    return prompts
