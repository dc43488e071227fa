"""Recipes of scorers that nobody wrote: derived from a checkpoint's configuration files."""

from __future__ import annotations

from pathlib import Path

from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.models.checkpoint import Form, LanguageModel
from edge_rerank_export.models.language_model import load_tokenizer
from edge_rerank_export.packing.scorer import SPARE
from edge_rerank_export.recipes.pack import ScorerRecipe, TemplateRecipe

HEADING = "Things this person liked, oldest first:"
LINE_TOKENS = 24
HISTORY_TOKENS = 512
_FEWEST_TOKENS = 64

INSTRUCTION = "Given what a person chose and searched for, find what they would choose next"
"""What a model that answers is told; a recipe's heading may say something else."""

_CHAT_START = "<|im_start|>"
_CHAT_HEADING = (
    "system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: {instruction}\n<Query>:"
)
_CHAT_TEMPLATE = TemplateRecipe(
    before="<Document>:",
    after="<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    spaced=True,
)
"""As in the model cards of Qwen3-Reranker: https://github.com/QwenLM/Qwen3-Embedding.

Compared with what Qwen3's own tokeniser makes of that prompt, with six queries and five documents:
the same tokens, but for a query that ends in a sign, which it joins to the line break."""


def derive_scorer(
    folder: Path,
    described: LanguageModel,
    *,
    answers: tuple[str, ...] = (),
    line_tokens: int = LINE_TOKENS,
) -> ScorerRecipe:
    """The ``[scorer]`` of a recipe for a checkpoint.

    Args:
        folder: holds the tokeniser; weights are not read.
        described: see :func:`~edge_rerank_export.models.checkpoint.describe_language_model`.
        answers: tokens by name that a causal language model is to answer with; empty for those
            that the checkpoint names, if any.
        line_tokens: most tokens of an item's text.

    Raises:
        RecipeError: when a template has to be written for this model.
        UnsupportedModel: when it reads too few tokens, or its tokeniser cannot be used.
    """
    tokenizer = load_tokenizer(folder)
    if described.answers and not answers:
        answers = tuple(tokenizer.convert_ids_to_tokens(list(described.answers)))
    start = tokenizer.bos_token or tokenizer.eos_token or tokenizer.pad_token
    heading, template, around = HEADING, None, 0
    if answers:
        if described.form is Form.HEAD:
            raise RecipeError("scorer.answers: this checkpoint has a head, and no vocabulary")
        if tokenizer.backend_tokenizer.token_to_id(_CHAT_START) is None:
            raise RecipeError(
                "scorer.template: expected for this model, whose chat has no "
                f"{_CHAT_START}: write what stands before and after a candidate into a recipe"
            )
        start, heading = _CHAT_START, _CHAT_HEADING.format(instruction=INSTRUCTION)
        template = _CHAT_TEMPLATE
        around = len(template.before + template.after)
    if start is None:
        raise RecipeError("scorer.start: expected for a tokeniser without a token for beginnings")
    room = described.positions - 2 * line_tokens - SPARE - around
    if room < _FEWEST_TOKENS:
        raise UnsupportedModel(f"positions: {described.positions} are too few for a history")
    return ScorerRecipe(
        heading=heading,
        start=start,
        line_tokens=line_tokens,
        history_tokens=min(HISTORY_TOKENS, room),
        answers=answers,
        template=template,
    )
