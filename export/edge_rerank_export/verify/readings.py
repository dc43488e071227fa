"""Inputs of a pack's model as it reads a few texts: what layers and speed are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank.inference.pair_prompt import PairPrompt
from edge_rerank.inference.prompt import Prompt
from edge_rerank.packs.pack import Pack
from edge_rerank_export.models.language_model import readings
from edge_rerank_export.verify.encoder import encoder_rows, encoder_spec
from edge_rerank_export.verify.pairs import pair_feeds, pair_rows
from edge_rerank_export.verify.texts import Texts

MOST_READINGS = 16
"""Of a model. On 46 the worst layer of all-MiniLM-L6-v2 is the same one, and adds the same 2.1 %;
by itself exact it gains 8.6 % there, and 7.2 % on these."""

T = TypeVar("T")
Reading: TypeAlias = Mapping[str, NDArray[Any]]
"""Inputs of one run by name."""


def readings_of(pack: Pack, exact: Path, texts: Texts) -> list[Reading]:
    """What the pack's model reads of ``texts``, one text, pair or prompt at a time.

    Args:
        pack: of any kind that is made of a language model.
        exact: the same model in float32 ONNX.
        texts: spread evenly over the lists, ``MOST_READINGS`` are taken.
    """
    if pack.manifest.scorer is not None:
        rows = _prompts(pack, texts)
        return list(readings(exact, rows, causal=pack.manifest.scorer.causal))
    if (pairs := pack.manifest.pair_scorer) is not None:
        prompt = PairPrompt(pairs, pack.read(pairs.tokenizer))
        few = Texts(texts.texts, _spread(texts.cases))
        return [pair_feeds([row], pad_id=pairs.pad_id) for row in pair_rows(prompt, few)]
    encoder_spec(pack)
    alone = [np.array([row]) for row in encoder_rows(pack, _spread(texts.texts))]
    return [{"input_ids": row, "attention_mask": np.ones_like(row)} for row in alone]


def _prompts(pack: Pack, texts: Texts) -> list[list[int]]:
    """A history, what was asked for and a candidate after one another, of each case."""
    spec = pack.manifest.scorer
    assert spec is not None  # noqa: S101 - asked before
    prompt = Prompt(spec, pack.read(spec.tokenizer))
    rows = []
    for number, case in enumerate(_spread(texts.cases)):
        candidates, history, query = texts.of(case)
        lines = [*history, *([] if query is None else [query])]
        rows.append(
            [
                *prompt.prefix,
                *(token for line in lines for token in prompt.line(line)),
                *prompt.candidate(candidates[number % len(candidates)]),
            ]
        )
    return rows


def _spread(values: tuple[T, ...]) -> tuple[T, ...]:
    return values[:: max(1, -(-len(values) // MOST_READINGS))]
