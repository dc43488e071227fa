"""llama.cpp with the same weights in its own format, and the history in its own memory.

Its best way through: all candidates in one batch, each a sequence of its own that shares the
history's cells.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_rerank.inference.prompt import Prompt
from edge_rerank.inference.session import default_threads
from edge_rerank_export.studies.peers.contender import NotRunnable, optional
from edge_rerank_export.studies.peers.task import LINE_TOKENS

_CELLS = 2048
_MOST_CANDIDATES = 64

_TRIAL = """
import sys, llama_cpp
llama_cpp.Llama(sys.argv[1], n_ctx=64, verbose=False).eval([1] * 32)
"""


def crashes(gguf: Path) -> bool:
    """Whether llama.cpp, as it comes, brings its process down when it runs ``gguf``.

    Version 0.3.36 of its package does on processors with AMX when GCC 12 built it: the compiler
    takes a tile configuration for 8 bytes and drops the rest of it.

    Raises:
        NotRunnable: when llama.cpp is not installed.
    """
    optional("llama_cpp", "llama-cpp-python")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _TRIAL, str(gguf)], capture_output=True, check=False
    )
    return done.returncode < 0


class LlamaCpp:
    """A GGUF file under llama.cpp.

    Args:
        gguf: the model.
        prompt: makes tokens of texts, the same as for the scorer.
        likelihood: whether the probability of every token of a candidate is asked for, as
            the scorer's are, or of one after it alone.
        plain: whether to do without AMX and whatever else wants weights of another layout.
    """

    def __init__(
        self, gguf: Path, prompt: Prompt, *, likelihood: bool, plain: bool = False
    ) -> None:
        self._library = library = optional("llama_cpp", "llama-cpp-python")
        self._prompt = prompt
        self._likelihood = likelihood
        library.llama_backend_init()
        # Kept as long as it is used, or it would be collected while C calls it.
        self._silence = library.llama_log_callback(lambda *_: None)
        library.llama_log_set(self._silence, None)
        wanted = library.llama_model_default_params()
        wanted.use_extra_bufts = not plain
        self._model = library.llama_model_load_from_file(str(gguf).encode(), wanted)
        options = library.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = _CELLS
        options.n_seq_max = _MOST_CANDIDATES
        options.kv_unified = True
        options.n_threads = options.n_threads_batch = default_threads()
        self._context = self._model and library.llama_init_from_model(self._model, options)
        if not self._context:
            raise NotRunnable("does not start: the model cannot be loaded")
        self._memory = library.llama_get_memory(self._context)
        self._batch = library.llama_batch_init(_CELLS, 0, _MOST_CANDIDATES)
        self._past = 0

    def read(self, history: Sequence[str]) -> None:
        """Read ``history`` into the first sequence."""
        library = self._library
        library.llama_memory_clear(self._memory, True)
        tokens = [*self._prompt.prefix]
        for line in history:
            tokens += self._prompt.line(line)
        self._decode([(token, place, 0, False) for place, token in enumerate(tokens)])
        self._past = len(tokens)

    def meet(self, candidates: Sequence[str]) -> None:
        """Nothing can be done ahead."""

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``."""
        library, rows = self._library, []
        for sequence, text in enumerate(candidates, start=1):
            library.llama_memory_seq_cp(self._memory, 0, sequence, 0, self._past)
            # As many as the scorer reads: for a likelihood the last one predicts nothing.
            line = self._prompt.line(text)[: LINE_TOKENS - self._likelihood]
            for place, token in enumerate(line):
                asked = self._likelihood or place == len(line) - 1
                rows.append((token, self._past + place, sequence, asked))
        self._decode(rows)
        library.llama_get_logits(self._context)
        for sequence in range(1, len(candidates) + 1):
            library.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        batch: Any = self._batch
        batch.n_tokens = len(rows)
        for place, (token, position, sequence, asked) in enumerate(rows):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = asked
        if self._library.llama_decode(self._context, batch):
            raise NotRunnable("refuses the batch")
        self._library.llama_synchronize(self._context)
