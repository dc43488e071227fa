"""Model cards: every kind says the same things in the same order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rerank_export.models.checkpoint import Form
from edge_rerank_export.packing.cards.dual import dual_card
from edge_rerank_export.packing.cards.media import media_card
from edge_rerank_export.packing.cards.pairs import pair_card
from edge_rerank_export.packing.cards.scorer import ScorerFacts, scorer_card
from edge_rerank_export.packing.cards.text import text_card
from edge_rerank_export.recipes.media import ImagePackRecipe
from edge_rerank_export.recipes.pack import (
    EncoderPackRecipe,
    EncoderRecipe,
    PairPackRecipe,
    PairRecipe,
    ScorerPackRecipe,
    ScorerRecipe,
    SourceRecipe,
)
from edge_rerank_export.sources.fetch import Fetched
from edge_rerank_export.verify.dual import dual_verification
from edge_rerank_export.verify.figures import Figure, Verification
from edge_rerank_export.verify.media import MediaVerification

FETCHED = Fetched(Path("weights"), "hf:org/model@rev", "rev", "0" * 64)
FIGURES = (
    Figure("kendall_tau", 0.991, 0.95, at_least=True),
    Figure("batch_effect", 2e-6, 1e-4, at_least=False),
)
TEXTS = Verification(FIGURES, texts=7, rankings=3)
SEEN = MediaVerification(
    (Figure("conversion_error", 1e-6, 1e-4, at_least=False),), 0, 0, what="pictures", count=5
)
HEAD = {
    "name": "demo",
    "release": 3,
    "licence": "MIT",
    "summary": "One sentence.",
    "source": SourceRecipe("hf:org/model@rev", "0" * 64),
}
ENCODER = EncoderPackRecipe(**HEAD, encoder=EncoderRecipe(128, prefix="query: ", centre=True))
SCORER = ScorerPackRecipe(**HEAD, scorer=ScorerRecipe("Read:", "<s>", 24, 512))


def text(training: str) -> str:
    return text_card(ENCODER, FETCHED, TEXTS, made="mean pooling", training=training)


def scorer(training: str) -> str:
    facts = ScorerFacts(Form.ANSWERS, ("yes", "no"), turned=True, weight=1.0, training=training)
    return scorer_card(SCORER, FETCHED, TEXTS, facts)


def pair(training: str) -> str:
    return pair_card(
        PairPackRecipe(**HEAD, pair=PairRecipe()), FETCHED, TEXTS,
        labels=("no", "yes"), scored="yes", weights_a_token=1_000_000, training=training,
    )  # fmt: skip


def media(training: str) -> str:
    return media_card(
        ImagePackRecipe(**HEAD), FETCHED, SEEN, changed=("cropped",), training=training
    )


def dual(training: str) -> str:
    both = dual_verification(TEXTS, SEEN)
    return dual_card(
        ENCODER, FETCHED, both, made="mean pooling", pictures=("cropped",), training=training
    )


Card = Callable[[str], str]

KINDS: list[Card] = [text, scorer, pair, media, dual]


@pytest.mark.parametrize("card", KINDS)
@pytest.mark.parametrize("training", ["", "Tuned on what a shop's people chose"])
def test_every_card_says_the_same_things_in_the_same_order(card: Card, training: str) -> None:
    said = card(training)
    headings = re.findall("^#.*", said, re.MULTILINE)
    assert headings[0] == "# demo, release 3"
    assert headings[1].startswith("## Compared with the ")
    assert headings[2:] == ["## Limits"]
    assert "- Weights: `hf:org/model@rev`, revision rev" in said
    assert "- Licence of the weights: MIT" in said
    assert "changed against the original" in said.lower()
    assert "carry what the original learnt, its gaps and its prejudices included" in said
    assert "\n\n\n" not in said
    assert said.endswith(".\n")


@pytest.mark.parametrize("card", KINDS)
def test_a_card_says_who_trained_the_weights(card: Card) -> None:
    assert "Tuned on what a shop's people chose" in card("Tuned on what a shop's people chose")
    assert "Tuned" not in card("")
    assert re.search("publisher|published", card(""))


@pytest.mark.parametrize("card", KINDS)
def test_figures_stand_in_words_beside_their_bounds(card: Card) -> None:
    rows = re.findall("^\\| (?!figure|-).*", card(""), re.MULTILINE)
    assert rows
    assert all(re.search("[≥≤] [0-9]", row) and "_" not in row for row in rows)


def test_what_is_not_as_in_the_original_is_on_the_card() -> None:
    assert "every text begins with `query:`" in text("")
    assert "mean vector of the toolchain's own texts is taken off" in text("")
    assert "states turned into a basis without outliers" in scorer("")
    assert "by the log-odds of the answer `yes` against `no`" in scorer("")
    assert "pictures: what the smallest cosine by conversion alone lacks to 1" in dual("")
