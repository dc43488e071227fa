"""The builder of a pack with a scorer: what that kind of model does at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from edge_rerank.inference.prompt import Prompt
from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import (
    ScorerSpec,
    Scoring,
    Template,
)
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.adapter import apply_adapter
from edge_rerank_export.models.checkpoint import (
    Form,
    check_language_model,
    classifies,
    is_causal,
    labels_of,
)
from edge_rerank_export.models.families import family_of, trunk_of
from edge_rerank_export.models.language_model import (
    ScoringModel,
    answer_head,
    check_scoring,
    convert_scorer,
    load_language_model,
    load_tokenizer,
    read_head,
    readings,
    scoring_model,
)
from edge_rerank_export.models.memory import give_back
from edge_rerank_export.models.text_encoder import OPSET
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.calibration import calibration_texts
from edge_rerank_export.packing.cards.scorer import ScorerFacts, scorer_card
from edge_rerank_export.packing.expected import expect_memory
from edge_rerank_export.packing.language import LanguageBuilder, Writer
from edge_rerank_export.packing.prior import prior_weight
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize.calibrate import SecondMoments, second_moments
from edge_rerank_export.quantize.gptq import round_products
from edge_rerank_export.quantize.int4 import came_in_blocks
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.adapter import find_adapter
from edge_rerank_export.recipes.pack import ScorerPackRecipe
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.scorer import (
    CONVERSION_TEXTS,
    Original,
    by_head,
    by_likelihood,
    conversion_error,
    list_scores,
    verify_scorer,
)
from edge_rerank_export.verify.texts import Texts, own_texts

SCORER_NAME = "scorer.onnx"
TOKENIZER_NAME = "scorer-tokenizer.json"

SPARE = 64
"""Positions beyond history, query and candidate, for separators."""

_BUILD_CASES = 40

_PRIOR_TEXTS = 48
"""Texts whose scores say what scale a head is on."""

_PROMPT_TOKENS = 128
"""Length of the prompts that weights are rounded on."""


@dataclass(frozen=True, slots=True, repr=False)
class ScorerBuilder(LanguageBuilder[ScorerPackRecipe]):
    """A scorer on its way to a pack.

    The model as it was loaded is in memory only until it is converted, and again while the
    conversion is verified: two copies of it are never there at once.

    Attributes:
        tokenizer: the model's, of transformers.
        causal: see :class:`~edge_rerank.packs.specs.ScorerSpec`.
        facts: what the model card says of the model.
        model: makes it in the runtime's contract.
        original: loads it as it came, and gives what is compared with.
    """

    model_name = SCORER_NAME
    tokenizer_name = TOKENIZER_NAME
    build_cases = _BUILD_CASES

    tokenizer: Any
    causal: bool
    facts: ScorerFacts
    model: Callable[[], ScoringModel]
    original: Callable[[], Original]

    def verify(self, pack: Pack, material: Texts, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""
        exact = self.exact(steps)
        rows = [self.tokenizer(text).input_ids for text in material.texts[:CONVERSION_TEXTS]]
        with steps("compare"):
            error = self._conversion_error(exact / SCORER_NAME, [row for row in rows if row[1:]])
        # What the first was loaded from is let go of before the second is loaded.
        reference = Scorer(self.exact_pack(steps))
        with steps("verify") as update:
            return verify_scorer(
                reference,
                Scorer(pack),
                material,
                self.recipe.bounds,
                error=error,
                progress=update,
            )

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""
        facts = replace(self.facts, training=training or self.facts.training)
        return scorer_card(self.recipe, self.fetched, verification, facts)

    def _convert(self, target: Path) -> None:
        convert_scorer(self.model(), target, inline_bytes=self.inline_bytes)

    def _backend(self) -> Tokenizer:
        backend: Tokenizer = self.tokenizer.backend_tokenizer
        return backend

    def _spec(self, scheme: Scheme) -> ScorerSpec:
        likely = self.facts.form is Form.LIKELIHOOD
        return replace(
            scorer_spec(self.recipe, self._backend()),
            quantisation=scheme,
            scoring=Scoring.LIKELIHOOD if likely else Scoring.HEAD,
            causal=self.causal,
            weight=self.facts.weight,
        )

    def _conversion_error(self, exact: Path, rows: Sequence[Sequence[int]]) -> float:
        """Between the model as it came and the ONNX file ``exact``."""
        original = self.original()
        with torch.inference_mode():
            wanted = iter([original(torch.tensor(row)) for row in rows])
        del original
        give_back()
        session = Session(onnx_file.read(exact))
        inputs = readings(exact, rows, causal=self.causal)
        return conversion_error(
            lambda _row: next(wanted),
            lambda _row: torch.from_numpy(session.run(next(inputs))[0][:, 0]),
            rows,
        )

    def _quantizer(self, source: Path, folder: Path, steps: Steps) -> Writer:
        scheme = self.recipe.scorer.quantisation
        moments = None
        if scheme is Scheme.INT4 and not came_in_blocks(source):
            moments = self._moments(source, calibration_texts(), steps)
        if scheme.limit is not None:
            moments = self._moments(source, own_texts().texts, steps)
            rounded = folder / "rounded.onnx"
            with steps("round") as update:
                round_products(
                    source,
                    rounded,
                    moments,
                    limit=scheme.limit,
                    paired=scheme is Scheme.INT8,
                    fine=self.recipe.scorer.fine or "",
                    inline_bytes=self.inline_bytes,
                    progress=update,
                )
            source = rounded
        return self._writer(source, moments=moments)

    def _scores(self, pack: Pack, texts: Texts) -> list[NDArray[np.floating]]:
        scorer = Scorer(pack)
        return [list_scores(scorer, texts, case) for case in texts.cases]

    def _moments(self, source: Path, texts: Sequence[str], steps: Steps) -> SecondMoments:
        """Of the inputs of the products of ``source``, ``texts`` read as histories."""
        backend = self._backend()
        prompt = Prompt(scorer_spec(self.recipe, backend), backend.to_str().encode())
        prompts = _prompts(prompt, texts)
        with steps("calibrate") as update:
            return second_moments(
                source,
                readings(source, prompts, causal=self.causal),
                progress=lambda done: update(done, len(prompts)),
            )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model as it was loaded, and what it scores by.

    Attributes:
        model: of transformers, an adapter's changes in it.
        head: float32 of shape (1, hidden); ``None`` for likelihoods.
        form: what the head is.
        training: how an adapter was trained; empty without one.
    """

    model: Any
    head: Tensor | None
    form: Form
    training: str = ""

    @classmethod
    def read(cls, recipe: ScorerPackRecipe, folder: Path, tokenizer: Any) -> Self:
        model = load_language_model(folder)
        if recipe.source.adapter:
            path = find_adapter(recipe.source.adapter)
            head, training = apply_adapter(trunk_of(model), path)
            return cls(model, head, Form.HEAD, training)
        if answers := recipe.scorer.answers:
            backend = tokenizer.backend_tokenizer
            ids = [_token(backend, "answers", name) for name in answers]
            return cls(model, answer_head(model, ids), Form.ANSWERS)
        found = read_head(folder)
        return cls(model, found, Form.LIKELIHOOD if found is None else Form.HEAD)


def scorer_builder(
    recipe: ScorerPackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> ScorerBuilder:
    """Fetch the recipe's model and bring it into the runtime's contract.

    A checkpoint or an adapter with a trained head scores by that, one of a recipe with answers by
    their log-odds, any other by likelihood.

    Args:
        recipe: what to make.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.
        ignore_memory: whether it is tried where less memory is free than it may take.

    Raises:
        RecipeError: when the recipe does not fit the model.
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they are of a model that cannot be used.
        NotEnoughMemory: when less is free than that takes.
    """
    source, wanted = recipe.source, recipe.scorer
    if source.adapter:
        find_adapter(source.adapter)
    with steps("fetch"):
        fetched = fetch_model(source, work, accept=check_language_model)
    expect_memory(fetched.folder, steps, ignore=ignore_memory)
    with steps("load"):
        tokenizer = load_tokenizer(fetched.folder)
        spec = scorer_spec(recipe, tokenizer.backend_tokenizer)
        loaded = _Loaded.read(recipe, fetched.folder, tokenizer)
        if loaded.head is None and wanted.template is not None:
            raise RecipeError("scorer.template: expected only with a trained head or answers")
        check_scoring(loaded.model, head=loaded.head, positions=_sizes(recipe)["positions"])
        causal, facts = is_causal(loaded.model.config), _facts(recipe, loaded, spec, tokenizer)
        first = [loaded]

    def model() -> ScoringModel:
        # The weights are taken over: what was loaded goes with the first model made of it.
        taken = first.pop() if first else _Loaded.read(recipe, fetched.folder, tokenizer)
        turned = _turned(recipe)
        return scoring_model(taken.model, head=taken.head, turned=turned, **_sizes(recipe)).eval()

    def original() -> Original:
        again = _Loaded.read(recipe, fetched.folder, tokenizer)
        if again.head is None:
            return by_likelihood(again.model, wanted.vocabulary)
        return by_head(again.model, again.head)

    return ScorerBuilder(recipe, fetched, work, tokenizer, causal, facts, model, original)


def _turned(recipe: ScorerPackRecipe) -> bool:
    """See :class:`~edge_rerank_export.models.decoder.ScoringDecoder`."""
    return recipe.scorer.quantisation is not Scheme.INT4


def _sizes(recipe: ScorerPackRecipe) -> dict[str, int]:
    """How long a text is at most, template included, and what a likelihood is normalised over."""
    wanted = recipe.scorer
    around = "" if wanted.template is None else wanted.template.before + wanted.template.after
    # A token is at least a character.
    return {
        "positions": wanted.history_tokens + 2 * wanted.line_tokens + SPARE + len(around),
        "vocabulary": wanted.vocabulary,
    }


def _facts(
    recipe: ScorerPackRecipe, loaded: _Loaded, spec: ScorerSpec, tokenizer: Any
) -> ScorerFacts:
    config = loaded.model.config
    weight = recipe.scorer.weight
    if weight is None:
        scores: list[float] = []
        if loaded.head is not None:
            prompt = Prompt(spec, tokenizer.backend_tokenizer.to_str().encode())
            scores = _of_texts(by_head(loaded.model, loaded.head), prompt)
        weight = prior_weight(loaded.form, scores)
    return ScorerFacts(
        form=loaded.form,
        labels=labels_of(config) if classifies(config) else recipe.scorer.answers,
        turned=is_causal(config) and family_of(config).turns and _turned(recipe),
        weight=weight,
        training=loaded.training,
    )


def _of_texts(original: Original, prompt: Prompt) -> list[float]:
    """Scores of a few of our own texts without a history."""
    scores = []
    with torch.inference_mode():
        for text in own_texts().texts[:_PRIOR_TEXTS]:
            # What comes after the last token does not matter: its score is not asked for.
            row = [*prompt.prefix, *prompt.candidate(text), 0]
            scores.append(float(original(torch.tensor(row))[-1]))
    return scores


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
    template = wanted.template
    return ScorerSpec(
        model=SCORER_NAME,
        tokenizer=TOKENIZER_NAME,
        scoring=Scoring.LIKELIHOOD,
        causal=True,
        prefix=(start, *heading, *(separator if template is None else ())),
        separator=separator,
        line_tokens=wanted.line_tokens,
        history_tokens=wanted.history_tokens,
        opset=OPSET,
        template=None
        if template is None
        else Template(
            _ids(backend, template.before), _ids(backend, template.after), template.spaced
        ),
    )


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
