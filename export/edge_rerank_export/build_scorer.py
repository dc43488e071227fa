"""From a recipe to a verified pack with a scorer."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from edge_rerank.inference.manifest import Architecture, Manifest, ScorerSpec, Scoring, Source
from edge_rerank.inference.pack import Pack
from edge_rerank.inference.prompt import Prompt
from edge_rerank.inference.scorer import Scorer
from edge_rerank_export.adapter import apply_adapter
from edge_rerank_export.build import Report, quietly
from edge_rerank_export.card import scorer_card
from edge_rerank_export.convert import OPSET
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.language_model import (
    ScoringModel,
    convert_scorer,
    is_causal,
    load_language_model,
    load_tokenizer,
    read_head,
    round_scorer,
    scoring_model,
)
from edge_rerank_export.packing import CARD_NAME, file_entries, staged, write_manifest
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.quantize import Scheme, quantize
from edge_rerank_export.recipe import ScorerPackRecipe, find_adapter
from edge_rerank_export.sources import Fetched, fetch
from edge_rerank_export.texts import Texts, own_texts
from edge_rerank_export.verify import Verification
from edge_rerank_export.verify_scorer import (
    by_head,
    by_likelihood,
    conversion_error,
    verify_scorer,
)

SCORER_NAME = "scorer.onnx"
TOKENIZER_NAME = "scorer-tokenizer.json"

_SPARE = 64
"""Positions beyond history, query and candidate, for separators."""

_BUILD_CASES = 40
"""Lists that a new pack is verified on; ``verify`` takes as many as there are."""

_PROMPT_TOKENS = 128
"""Length of the prompts that weights are rounded on."""


def build_scorer(
    recipe: ScorerPackRecipe,
    output: Path,
    *,
    texts: Texts | None = None,
    overwrite: bool = False,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
    weigh: Callable[[Scorer], float] | None = None,
) -> Verification:
    """Make the pack of ``recipe`` at ``output``; on any error nothing is left there.

    A checkpoint or an adapter with a trained head, as :mod:`edge_rerank_export.finetune_scorer`
    writes them, scores by that; any other by likelihood.

    Args:
        recipe: what to make.
        output: the pack's folder to be.
        texts: what to verify with; ``None`` for those that come with the toolchain.
        overwrite: whether a pack that is there already may be replaced.
        steps: told of each step.
        report: called with the figures, good or bad.
        training: what the model card says of how the head was trained, where no adapter does.
        weigh: finds the packed scorer's weight in the blend; ``None`` keeps a likelihood's.

    Raises:
        RecipeError, SourceError, UnsupportedModel: when the recipe cannot be followed.
        VerificationFailed: when the result falls short of the original.
    """
    texts = texts or own_texts()
    texts = replace(texts, cases=texts.cases[:_BUILD_CASES])
    wanted = recipe.scorer
    with staged(output, overwrite=overwrite) as stage, tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        start = _original(recipe, texts, work, steps)
        source, quantised = start.reference.path / SCORER_NAME, work / "quantised.onnx"
        limit = wanted.quantisation.limit
        if limit is not None:
            with steps("round") as update:
                prompts = _prompts(start.reference, own_texts().texts)
                round_scorer(start.model, prompts, limit=limit, progress=update)
                source = work / "rounded.onnx"
                convert_scorer(start.model, source)
        if wanted.quantisation is Scheme.NONE:
            shutil.copyfile(source, quantised)
        else:
            with steps(f"quantise ({wanted.quantisation})") as update:
                quantize(source, quantised, wanted.quantisation, fine=wanted.fine, progress=update)
        shutil.move(quantised, stage / SCORER_NAME)
        draft = describe(
            recipe,
            start.fetched,
            start.backend,
            stage,
            wanted.quantisation,
            causal=start.causal,
            scoring=start.scoring,
        )
        with steps("verify") as update:
            verification = verify_scorer(
                Scorer(start.reference),
                Scorer(draft),
                texts,
                recipe.bounds,
                error=start.error,
                progress=update,
            )
        report(verification)
        verification.require()
        spec = cast("ScorerSpec", draft.manifest.scorer)
        if weigh is not None:
            with steps("weigh"):
                spec = replace(spec, weight=weigh(Scorer(draft)))
        with steps("pack"):
            card = scorer_card(
                recipe, start.fetched, verification, training=training or start.training
            )
            (stage / CARD_NAME).write_text(card, encoding="utf-8")
            final = replace(
                draft.manifest,
                files=file_entries(stage),
                scorer=spec,
                verification=verification.for_manifest(),
            )
            write_manifest(stage, final)
        return verification


def compare_scorer(
    recipe: ScorerPackRecipe, pack: Pack, texts: Texts, *, steps: Steps = silent
) -> Verification:
    """Compare the scorer in ``pack`` with the float32 model of ``recipe``.

    Args:
        recipe: what the pack was made by.
        pack: a pack that the runtime has accepted.
        texts: what to score and in which lists.
        steps: told of each step.

    Raises:
        RecipeError, SourceError, UnsupportedModel: when the recipe cannot be followed.
        PackUnsupported: when the pack has no scorer.
    """
    packed = Scorer(pack)
    with tempfile.TemporaryDirectory() as folder:
        start = _original(recipe, texts, Path(folder), steps)
        with steps("verify") as update:
            return verify_scorer(
                Scorer(start.reference),
                packed,
                texts,
                recipe.bounds,
                error=start.error,
                progress=update,
            )


@dataclass(frozen=True, slots=True)
class _Original:
    """A recipe's model before anything is rounded.

    Attributes:
        fetched: where the weights came from.
        backend: the model's tokeniser, of the tokenizers library.
        model: in PyTorch, in the runtime's contract.
        causal: see :class:`~edge_rerank.inference.manifest.ScorerSpec`.
        scoring: by likelihood, or by the head that came with the weights.
        error: see :func:`~edge_rerank_export.verify_scorer.conversion_error`.
        reference: a float32 pack of it.
        training: how an adapter was trained; empty without one.
    """

    fetched: Fetched
    backend: Any
    model: ScoringModel
    causal: bool
    scoring: Scoring
    error: float
    reference: Pack
    training: str


def _original(recipe: ScorerPackRecipe, texts: Texts, work: Path, steps: Steps) -> _Original:
    source, wanted = recipe.source, recipe.scorer
    with steps("fetch"):
        fetched = fetch(source.uri, sha256=source.sha256, work=work, subfolder=source.subfolder)
    with steps("load"):
        loaded = load_language_model(fetched.folder)
        tokenizer = load_tokenizer(fetched.folder)
        rows = [tokenizer(text).input_ids for text in texts.texts]
        head: Tensor | None
        if source.adapter:
            head, training = apply_adapter(loaded.base_model, find_adapter(source.adapter))
        else:
            head, training = read_head(fetched.folder), ""
        model = scoring_model(
            copy.deepcopy(loaded),
            positions=wanted.history_tokens + 2 * wanted.line_tokens + _SPARE,
            vocabulary=wanted.vocabulary,
            head=head,
        ).eval()
        original = (
            by_head(loaded, head) if head is not None else by_likelihood(loaded, wanted.vocabulary)
        )
        error = conversion_error(original, lambda row: model.read(row)["score"][:, 0], rows)
    exact = work / "exact"
    exact.mkdir()
    with steps("convert"):
        convert_scorer(model, exact / SCORER_NAME)
    backend, causal = tokenizer.backend_tokenizer, is_causal(loaded.config)
    scoring = Scoring.LIKELIHOOD if head is None else Scoring.HEAD
    reference = describe(
        recipe, fetched, backend, exact, Scheme.NONE, causal=causal, scoring=scoring
    )
    return _Original(fetched, backend, model, causal, scoring, error, reference, training)


def describe(
    recipe: ScorerPackRecipe,
    fetched: Fetched,
    backend: Any,
    folder: Path,
    scheme: Scheme,
    *,
    causal: bool = True,
    scoring: Scoring = Scoring.LIKELIHOOD,
) -> Pack:
    """Write tokeniser and manifest beside the model in ``folder`` and read all of it back.

    Args:
        recipe: what to make.
        fetched: where the weights came from.
        backend: the model's tokeniser, of the tokenizers library.
        folder: holds the model.
        scheme: how it is quantised.
        causal: see :class:`~edge_rerank.inference.manifest.ScorerSpec`.
        scoring: what its numbers mean.

    Raises:
        RecipeError: when the tokeniser lacks a token of the recipe.
    """
    spec = scorer_spec(recipe, backend)
    backend.save(str(folder / TOKENIZER_NAME), pretty=False)
    manifest = Manifest(
        name=recipe.name,
        release=recipe.release,
        architecture=Architecture.CROSS_ENCODER,
        licence=recipe.licence,
        source=Source(fetched.uri, fetched.revision, fetched.sha256),
        files=file_entries(folder),
        scorer=replace(spec, quantisation=scheme, scoring=scoring, causal=causal),
    )
    return write_manifest(folder, manifest)


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
        separator = tuple(backend.encode("\n", add_special_tokens=False).ids)
        if not separator:
            raise RecipeError("scorer.separator: expected, for this tokeniser has no line break")
    heading = backend.encode(wanted.heading, add_special_tokens=False).ids
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


def _token(backend: Any, key: str, name: str) -> int:
    found: int | None = backend.token_to_id(name)
    if found is None:
        raise RecipeError(f"scorer.{key}: not a token of this model")
    return found


def _prompts(pack: Pack, texts: Sequence[str]) -> list[list[int]]:
    """All ``texts`` as histories of ``_PROMPT_TOKENS``, neighbours together."""
    spec = cast("ScorerSpec", pack.manifest.scorer)
    prompt = Prompt(spec, pack.read(spec.tokenizer))
    prompts = [list(prompt.prefix)]
    for text in texts:
        if len(prompts[-1]) >= _PROMPT_TOKENS:
            prompts.append(list(prompt.prefix))
        prompts[-1] += prompt.line(text)
    return prompts
