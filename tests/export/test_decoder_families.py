"""Decoders of every family beside transformers' own, from a checkpoint to a pack's scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.scoring import PRIOR_SHARE
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import Scoring
from edge_rerank_export.models.language_model import (
    convert_scorer,
    load_language_model,
    read_head,
    scoring_model,
)
from edge_rerank_export.quantize.integers import quantize
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.pack import ScorerPackRecipe, ScorerRecipe, SourceRecipe
from tests.export.families import MEMBERS, VOCABULARY, random_checkpoint
from tests.inference.tiny import write_scorer_manifest

HISTORY = ["garden tools", "a quiet river walk", "how to prune roses"]
CANDIDATES = ["roses", "a pair of garden gloves", "the river at night", "football", "maps"]
# Longer than the windows of the models that have some.
assert len(HISTORY[0]) > 9

_WANTED = ScorerRecipe("Liked:", "<s>", 12, 60, VOCABULARY)
_RECIPE = ScorerPackRecipe(
    "tiny", 1, "Apache-2.0", "Random.", SourceRecipe("path:x", "0" * 64), _WANTED
)


def packs(checkpoint: Path, folder: Path, *, labels: int) -> tuple[Pack, Pack]:
    """The float32 pack of a checkpoint, and its int8."""
    head = read_head(checkpoint)
    assert (head is None) == (labels == 0)
    model = scoring_model(
        load_language_model(checkpoint), positions=200, vocabulary=VOCABULARY, head=head
    ).eval()
    made = []
    for scheme in (Scheme.NONE, Scheme.INT8):
        pack = folder / scheme
        pack.mkdir()
        if scheme is Scheme.NONE:
            convert_scorer(model, pack / "scorer.onnx")
        else:
            quantize(folder / "none" / "scorer.onnx", pack / "scorer.onnx", scheme)
        write_scorer_manifest(
            pack,
            _RECIPE.quantised_as(scheme),
            causal=True,
            scoring=Scoring.HEAD if labels else Scoring.LIKELIHOOD,
        )
        made.append(Pack.open(pack))
    return made[0], made[1]


def by_transformers(checkpoint: Path, scorer: Scorer, *, labels: int) -> Callable[..., list[float]]:
    """The same scores, every candidate's whole text read by the checkpoint's own class."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    auto: Any = AutoModelForSequenceClassification if labels else AutoModelForCausalLM
    model = auto.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    prompt = scorer.prompt

    def log_likelihood(before: Sequence[int], line: Sequence[int]) -> float:
        logits = model(torch.tensor([[*before, *line]])).logits[0, len(before) - 1 : -1].double()
        wanted = logits.gather(1, torch.tensor(line)[:, None])[:, 0]
        return float((wanted - logits[:, :VOCABULARY].logsumexp(dim=1)).sum())

    def head(text: Sequence[int]) -> float:
        logits = model(torch.tensor([text])).logits[0]
        return float(logits[0] if labels == 1 else logits[1] - logits[0])

    @torch.inference_mode()
    def score(candidates: Sequence[str], history: Sequence[str]) -> list[float]:
        past = [*prompt.prefix, *(token for text in history for token in prompt.line(text))]
        if labels:
            return [head([*past, *prompt.line(text)]) for text in candidates]
        lines = [prompt.line(text)[: -len(prompt.separator)] for text in candidates]
        return [
            log_likelihood(past, line) - PRIOR_SHARE * log_likelihood(prompt.prefix, line)
            for line in lines
        ]

    return score


def company_effect(scorer: Scorer) -> float:
    """Of candidates together, alone, and after a history that was read line by line."""
    together = scorer.score(CANDIDATES, HISTORY)
    scorer.forget()
    for end in range(1, len(HISTORY)):
        scorer.score(CANDIDATES[:1], HISTORY[:end])
    alone = [float(scorer.score([one], HISTORY)[0]) for one in CANDIDATES]
    return float(np.abs(together - alone).max())


@pytest.mark.parametrize(
    ("form", "labels"),
    [
        *((form, 0) for form in MEMBERS if form not in {"llama", "qwen2", "qwen3"}),
        *((form, 1) for form in ("mistral-window", "gemma3_text", "phi3")),
        *((form, 2) for form in ("llama-biases", "gemma2")),
    ],
)
def test_a_pack_scores_as_transformers_does(form: str, labels: int, tmp_path: Path) -> None:
    checkpoint = random_checkpoint(
        tmp_path / "checkpoint", form, labels=labels, max_shard_size="60KB"
    )
    assert len(list(checkpoint.glob("*.safetensors"))) > 1
    exact, rounded = (Scorer(pack) for pack in packs(checkpoint, tmp_path, labels=labels))
    original = by_transformers(checkpoint, exact, labels=labels)
    for history in (HISTORY, HISTORY[:1]):
        wanted = original(CANDIDATES, history)
        assert exact.score(CANDIDATES, history) == pytest.approx(wanted, abs=1e-4)
    assert company_effect(exact) <= 1e-5
    assert company_effect(rounded) <= 1e-5
    together = exact.score(CANDIDATES, HISTORY), rounded.score(CANDIDATES, HISTORY)
    assert np.corrcoef(together)[0, 1] > 0.95
