"""The text encoder: item texts and queries become unit vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import Unigram

from edge_rerank._progress import Progress
from edge_rerank.errors import PackInvalid, PackUnsupported
from edge_rerank.inference.encoders.cache import Encoder
from edge_rerank.inference.encoders.scripts import ScriptReader
from edge_rerank.inference.pace import LEAST_TOKENS
from edge_rerank.inference.session import Session, finite
from edge_rerank.inference.tokenizing import read_tokenizer, token_ids, tokens_of_words
from edge_rerank.packs.onnx_sizes import Shape, Size, Symbol
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import EncoderSpec
from edge_rerank.packs.tokenizer_check import CHARS_A_TOKEN

BATCH_TOKENS = 256
"""Padded tokens in one run of the model. On two cores 1,024 are 3 % faster an item and take
200 MiB more."""

MAX_UNKNOWN = 0.3
"""Share of unknown tokens from which on a text counts as unreadable: its vector would say how
much is unknown, not what is said. Titles in the model's language stay below 0.01, Chinese ones
read by an English tokeniser lie around 0.7."""


class TextEncoder:
    """Runs the ``encoder`` part of a pack. Safe from several threads.

    Args:
        pack: a pack whose manifest has an encoder.
        providers: execution providers by preference, see
            :func:`edge_rerank.inference.session.resolve_providers`.
        threads: batches that are read at once, each on one thread.
        last: see :meth:`edge_rerank.packs.pack.Pack.model`.

    Raises:
        PackUnsupported: when the pack has no encoder.
        PackInvalid: when its tokeniser cannot be read, or its prompt of queries does not fit it.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        last: bool = False,
    ) -> None:
        spec = pack.manifest.encoder
        if spec is None:
            raise PackUnsupported("the pack has no text encoder")
        self._spec = spec
        self.dim: int = spec.dim
        pack.check_runs(spec.model, _feed(spec))
        self._tokenizer = read_tokenizer(pack.read(spec.tokenizer), spec.tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec.max_tokens)
        # An item called "[SEP]" is text, not a separator.
        self._tokenizer.encode_special_tokens = True
        self._special_tokens: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if (prompt := spec.query_prompt) is not None:
            self._closing = self._special_tokens - prompt.at - prompt.replaces
            if self._closing < 0 or prompt.at + len(prompt.ids) + self._closing >= spec.max_tokens:
                raise PackInvalid("encoder.query_prompt: not one of this tokeniser's texts")
        self._unknown_id = _unknown_id(self._tokenizer, pack.read(spec.tokenizer))
        # CLIP's token for what it cannot read is the one that ends every text.
        self._ends_unknown = sum(one == self._unknown_id for one in token_ids(self._tokenizer, ""))
        self._scripts = ScriptReader(self._tokenizer)
        self._session = Session(
            lambda: pack.model(spec.model, last=last),
            providers=providers,
            threads=threads,
        )
        self.providers = self._session.providers
        self.threads = self._session.threads
        self.rest = self._session.rest
        self.queries: Encoder = self if spec.query_prompt is None else _QueryEncoder(self)
        """Encodes what people ask for, where that has a prompt of its own."""

    def encode(
        self, texts: Sequence[str], *, query: bool = False, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Encode texts, batched by length.

        Args:
            texts: any strings; each is cut to the pack's ``max_tokens``.
            query: whether they are queries, which some encoders read in another way than items.
            progress: called after each batch.

        Returns:
            float32 of shape (len(texts), dim); rows have length 1, or are zero for a text
            that the tokeniser cannot read or only spells out, and do not depend on which other
            texts are in the call, but for the last bit.

        Raises:
            InferenceError: when the model fails.
        """
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        items = [self._tokenize(text) for text in texts]
        tokens = [self._as_query(ids) for ids in items] if query else items
        done = 0
        batches = self._batches(self._widths(tokens), self._session.at_once)
        for some in _several(batches, self._session.at_once):
            found = self._run([self._padded([tokens[row] for row in rows]) for rows in some])
            for rows, vectors_of_rows in zip(some, found, strict=True):
                vectors[rows] = vectors_of_rows
            done += sum(map(len, some))
            if progress is not None:
                progress(done, len(texts))
        vectors[
            [
                row
                for row, (text, ids) in enumerate(zip(texts, items, strict=True))
                if not self._reads(text, ids)
            ]
        ] = 0.0
        return vectors

    def _padded(self, tokens: Sequence[list[int]]) -> dict[str, NDArray[np.int64]]:
        """What the model takes for rows of tokens."""
        width = max(self._widths(tokens))
        ids = np.full((len(tokens), width), self._spec.pad_id, dtype=np.int64)
        mask = np.zeros((len(tokens), width), dtype=np.int64)
        for place, row in enumerate(tokens):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def _widths(self, tokens: Sequence[list[int]]) -> list[int]:
        """Tokens that the model reads of each row, padding that counts included."""
        least = self._spec.fixed_tokens or 0
        return [max(len(row), least) for row in tokens]

    def _run(self, feeds: Sequence[dict[str, NDArray[np.int64]]]) -> list[NDArray[np.float32]]:
        """Vectors of the rows of each feed, none of which is NaN or infinite."""
        with_tokens = [feed for feed in feeds if feed["input_ids"].shape[1]]
        outputs = iter(self._session.run_each(with_tokens))
        vectors = []
        for feed in feeds:
            rows, width = feed["input_ids"].shape
            if width:
                vectors.append(finite(next(outputs), 0, (rows, self.dim), "the text encoder"))
            else:
                vectors.append(np.zeros((rows, self.dim), dtype=np.float32))  # no token, no text
        return vectors

    def is_word(self, word: str) -> bool:
        """Whether the tokeniser knows a word as a whole: one that people write, no typo."""
        ids = token_ids(self._tokenizer, self._cut(word), special=False)
        return len(ids) == 1 and ids[0] != self._unknown_id

    def tokens_of(self, words: Sequence[str]) -> list[int]:
        """How many tokens each word has; 0 for those beyond what is read of a text."""
        return tokens_of_words(self._tokenizer, words)

    def unreadable(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which texts have a vector of zeros, bool of shape (len(texts),); no model runs."""
        return np.array([not self._reads(text, self._tokenize(text)) for text in texts], np.bool_)

    def _tokenize(self, text: str) -> list[int]:
        return token_ids(self._tokenizer, self._cut(text))

    def _as_query(self, ids: list[int]) -> list[int]:
        """An item's tokens with the prompt of a query, cut to the same length after the item's."""
        prompt = self._spec.query_prompt
        if prompt is None:
            return ids
        whole = [*ids[: prompt.at], *prompt.ids, *ids[prompt.at + prompt.replaces :]]
        text = len(whole) - self._closing
        return whole[: min(text, self._spec.max_tokens - self._closing)] + whole[text:]

    def _cut(self, text: str) -> str:
        return text[: self._spec.max_tokens * CHARS_A_TOKEN]

    def _reads(self, text: str, ids: Sequence[int]) -> bool:
        """Whether the tokeniser knows a text's signs, and more of its script than these."""
        words = len(ids) - self._special_tokens
        unknown = ids.count(self._unknown_id) - self._ends_unknown
        if words > 0 and unknown > MAX_UNKNOWN * words:
            return False
        return self._scripts.reads(self._cut(text))

    @staticmethod
    def _batches(lengths: Sequence[int], at_once: int = 1) -> list[list[int]]:
        """Group rows of like length so that padding stays small; longest last.

        A few rows make as many batches as run at once, unless these would be too small.
        """
        most = max(LEAST_TOKENS, min(BATCH_TOKENS, -(-sum(lengths) // at_once)))
        batches: list[list[int]] = []
        for row in sorted(range(len(lengths)), key=lengths.__getitem__):
            if batches and (len(batches[-1]) + 1) * lengths[row] <= most:
                batches[-1].append(row)
            else:
                batches.append([row])
        return batches


class _QueryEncoder:
    """The same encoder for queries."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self.dim = encoder.dim

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """See :meth:`TextEncoder.encode`."""
        return self._encoder.encode(texts, query=True, progress=progress)


def _several(batches: Sequence[list[int]], count: int) -> list[Sequence[list[int]]]:
    """Batches that run at once, ``count`` together."""
    return [batches[start : start + count] for start in range(0, len(batches), count)]


def _feed(spec: EncoderSpec) -> dict[str, Shape]:
    """The inputs of a run: one text of any length, or several within a batch."""
    whole = max(BATCH_TOKENS, spec.fixed_tokens or spec.max_tokens)
    shape: Shape
    if spec.fixed_tokens is None:
        batch = Symbol("batch", 1, BATCH_TOKENS, "tokens", whole)
        shape = Size(1, [batch]), Size(1, [Symbol("tokens", 1, spec.max_tokens)])
    else:
        batch = Symbol("batch", 1, whole // spec.fixed_tokens)
        shape = Size(1, [batch]), Size(spec.fixed_tokens)
    return {"input_ids": shape, "attention_mask": shape}


def _unknown_id(tokenizer: Tokenizer, raw: bytes) -> int | None:
    """The token for what the tokeniser cannot read, if it has one."""
    if isinstance(tokenizer.model, Unigram):
        number: int | None = json.loads(raw)["model"]["unk_id"]  # the library does not tell
        return number
    unknown = getattr(tokenizer.model, "unk_token", None)
    return None if unknown is None else tokenizer.token_to_id(unknown)
