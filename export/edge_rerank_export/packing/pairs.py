"""The builder of a pack with a scorer of pairs: what that kind of model does at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rerank.inference.pair_prompt import PairPrompt
from edge_rerank.inference.pair_scorer import PairScorer
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import (
    PAIR_QUERY_WEIGHT,
    PAIR_WEIGHT,
    PairScorerSpec,
)
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.models.pair_model import (
    PairModel,
    check_pair_model,
    convert_pair_model,
    load_pair_model,
    load_pair_tokenizer,
)
from edge_rerank_export.models.text_encoder import OPSET
from edge_rerank_export.packing.adapted import fetch_model
from edge_rerank_export.packing.calibration import calibration_lists
from edge_rerank_export.packing.cards.pairs import pair_card
from edge_rerank_export.packing.expected import expect_memory
from edge_rerank_export.packing.language import LanguageBuilder, Writer
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.quantize.calibrate import maxima_of, second_moments
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import PairPackRecipe
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.pairs import (
    Original,
    list_scores,
    pair_feeds,
    pair_rows,
    verify_pairs,
)
from edge_rerank_export.verify.texts import Texts, own_texts

PAIRS_NAME = "pairs.onnx"
TOKENIZER_NAME = "pairs-tokenizer.json"

_BUILD_CASES = 25


@dataclass(frozen=True, slots=True, repr=False)
class PairBuilder(LanguageBuilder[PairPackRecipe]):
    """A scorer of pairs on its way to a pack.

    Attributes:
        tokenizer: the model's, of transformers.
        model: the original, in PyTorch float32.
    """

    model_name = PAIRS_NAME
    tokenizer_name = TOKENIZER_NAME
    build_cases = _BUILD_CASES

    tokenizer: Any
    model: PairModel

    def verify(self, pack: Pack, material: Texts, *, steps: Steps = silent) -> Verification:
        """Compare ``pack`` with the model."""
        original = Original(self.model, self.tokenizer, self.model.positions)
        exact = self.exact_pack(steps)
        with steps("verify") as update:
            return verify_pairs(
                original,
                exact,
                pack,
                material,
                self.recipe.bounds,
                progress=update,
            )

    def card(self, verification: Verification, *, training: str = "") -> str:
        """The text of the model card; ``training`` is empty for a model as it came."""
        labels = self.model.labels
        return pair_card(
            self.recipe,
            self.fetched,
            verification,
            labels=labels,
            scored=labels[self.model.label],
            weights_a_token=self.model.weights_a_token,
            training=training,
        )

    def _quantizer(self, source: Path, folder: Path, steps: Steps) -> Writer:
        del folder
        scheme = self.recipe.pair.quantisation
        maxima = moments = None
        if scheme is Scheme.INT4:
            with steps("calibrate") as update:
                rows, told = self._readings(calibration_lists(), scheme, update)
                moments = second_moments(source, rows, progress=told)
        elif scheme.limit is not None:
            with steps("calibrate") as update:
                rows, told = self._readings(own_texts(), scheme, update)
                maxima = maxima_of(source, rows, progress=told)
        return self._writer(source, maxima=maxima, moments=moments)

    def _scores(self, pack: Pack, texts: Texts) -> list[NDArray[np.floating]]:
        scorer = PairScorer(pack)
        return [list_scores(scorer, texts, case) for case in texts.cases]

    def _convert(self, target: Path) -> None:
        convert_pair_model(self.model, target, inline_bytes=self.inline_bytes)

    def _spec(self, scheme: Scheme) -> PairScorerSpec:
        pair = self.recipe.pair
        return PairScorerSpec(
            model=PAIRS_NAME,
            tokenizer=TOKENIZER_NAME,
            max_tokens=pair.max_tokens,
            item_tokens=pair.item_tokens,
            pad_id=self.model.config.pad_token_id or 0,
            heading=pair.heading,
            joiner=pair.joiner,
            opset=OPSET,
            quantisation=scheme,
            weight=PAIR_WEIGHT if pair.weight is None else pair.weight,
            query_weight=PAIR_QUERY_WEIGHT if pair.query_weight is None else pair.query_weight,
        )

    def _backend(self) -> Tokenizer:
        # Without the cut of the last call.
        backend = Tokenizer.from_str(self.tokenizer.backend_tokenizer.to_str())
        backend.no_padding()
        backend.no_truncation()
        return backend

    def _readings(
        self, texts: Texts, scheme: Scheme, update: Update
    ) -> tuple[Iterator[dict[str, Any]], Callable[[int], None]]:
        """Inputs of the model that read a pair of each list, and what is told of them."""
        spec = self._spec(scheme)
        prompt = PairPrompt(spec, self._backend().to_str().encode())
        rows = pair_rows(prompt, texts)
        return (
            (self._feeds(row, spec.pad_id) for row in rows),
            lambda done: update(done, len(rows)),
        )

    def _feeds(self, row: tuple[list[int], list[int]], pad_id: int) -> dict[str, Any]:
        made = pair_feeds([row], pad_id=pad_id)
        return {name: made[name] for name in self.model.inputs}


def pair_builder(
    recipe: PairPackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> PairBuilder:
    """Fetch the recipe's cross-encoder.

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
    source, pair = recipe.source, recipe.pair
    with steps("fetch"):
        fetched = fetch_model(source, work, accept=check_pair_model)
    expect_memory(fetched.folder, steps, ignore=ignore_memory)
    with steps("load"):
        tokenizer = load_pair_tokenizer(fetched.folder)
        model = load_pair_model(
            fetched.folder,
            label=pair.label,
            token_types="token_type_ids" in tokenizer.model_input_names,
        )
    if pair.max_tokens > model.positions:
        raise RecipeError(
            f"pair.max_tokens: the model reads at most {model.positions}, got {pair.max_tokens}"
        )
    return PairBuilder(recipe, fetched, work, tokenizer, model)
