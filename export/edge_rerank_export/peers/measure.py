"""Interleaved medians of every contender on every shape."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.manifest import ScorerSpec
from edge_rerank.inference.pack import Pack
from edge_rerank.inference.prompt import Prompt
from edge_rerank.inference.session import default_threads
from edge_rerank_export.peers.contender import Contender, NotRunnable
from edge_rerank_export.peers.llama import LlamaCpp
from edge_rerank_export.peers.minilm import (
    FastEmbed,
    FlashRank,
    SentenceTransformers,
    make_checkpoint,
    make_graph,
)
from edge_rerank_export.peers.ours import Naive, Ours
from edge_rerank_export.peers.task import SHAPES, Shape, candidates, history
from edge_rerank_export.progress import Update
from edge_rerank_export.recipe import find_recipe, read_recipe
from edge_rerank_export.sources import fetch

OURS = "edge-rerank"
"""What the names of our own contenders begin with."""

ROUNDS, QUICK_ROUNDS = 5, 2
_ENOUGH_S = 10.0
"""A contender that took this long on a shape is not run again on it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender on one shape.

    Attributes:
        contender: its name.
        candidates, history_tokens: see :class:`~.task.Shape`.
        median_ms: milliseconds a call; ``None`` when it could not be run.
        runs: how many calls that is the median of.
        note: why it could not be run.
    """

    contender: str
    candidates: int
    history_tokens: int
    median_ms: float | None
    runs: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class PeerReport:
    """All timings, and the threads each contender was given."""

    threads: int
    timings: tuple[Timing, ...]

    def of(self, shape: Shape) -> list[Timing]:
        """The timings of one shape, in the order of the contenders."""
        size = (shape.candidates, shape.history_tokens)
        return [one for one in self.timings if (one.candidates, one.history_tokens) == size]

    def to_json(self, *, indent: int | None = 2) -> str:
        """``{"threads", "timings": [{"contender", "candidates", "history_tokens", …}]}``."""
        timings = [asdict(timing) for timing in self.timings]
        return json.dumps({"threads": self.threads, "timings": timings}, indent=indent)


def compare(
    pack: Pack,
    *,
    quick: bool = False,
    shapes: Sequence[Shape] = SHAPES,
    progress: Update = lambda _done, _total: None,
) -> PeerReport:
    """Measure the scorer of ``pack`` and its peers, each shape in rounds of one call each.

    Args:
        pack: has a scorer, made from a GGUF file by the recipe ``smollm2``.
        quick: fewer rounds, for a first look.
        shapes: what is ranked.
        progress: called with (shapes done, shapes to do).

    Raises:
        PackUnsupported: when the pack has no scorer.
        SourceError: when the peers' weights cannot be fetched.
    """
    if pack.manifest.scorer is None:
        raise PackUnsupported("the pack has no scorer")
    timings: list[Timing] = []
    with tempfile.TemporaryDirectory() as folder:
        contenders = {name: _made(make) for name, make in _makers(pack, Path(folder)).items()}
        for done, shape in enumerate(shapes, start=1):
            timings += _measure(contenders, shape, QUICK_ROUNDS if quick else ROUNDS)
            progress(done, len(shapes))
    return PeerReport(default_threads(), tuple(timings))


def _makers(pack: Pack, work: Path) -> dict[str, Callable[[], Contender]]:
    spec = cast("ScorerSpec", pack.manifest.scorer)
    prompt = Prompt(spec, pack.read(spec.tokenizer))
    gguf = next(_weights("smollm2", work).glob("*.gguf"))
    checkpoint, graph = work / "checkpoint", work / "graph"
    make_checkpoint(_weights("default", work), checkpoint)
    make_graph(checkpoint, graph)
    return {
        f"{OURS}, 135M int8": lambda: Ours(pack, known=True),
        f"{OURS}, items never seen": lambda: Ours(pack, known=False),
        "the same model, history repeated": lambda: Naive(pack),
        "MiniLM 22M, sentence-transformers": lambda: SentenceTransformers(checkpoint, onnx=False),
        "MiniLM 22M int8, sentence-transformers": lambda: SentenceTransformers(graph, onnx=True),
        "MiniLM 22M int8, FlashRank": lambda: FlashRank(graph, work / "flashrank"),
        "MiniLM 22M int8, fastembed": lambda: FastEmbed(graph),
        "llama.cpp 135M Q4_1, likelihood": lambda: LlamaCpp(gguf, prompt, likelihood=True),
        "llama.cpp 135M Q4_1, last token": lambda: LlamaCpp(gguf, prompt, likelihood=False),
    }


def _weights(recipe: str, work: Path) -> Path:
    source = read_recipe(find_recipe(recipe)).source
    folder = work / recipe
    folder.mkdir()
    return fetch(source.uri, sha256=source.sha256, work=folder, subfolder=source.subfolder).folder


def _made(make: Callable[[], Contender]) -> Contender | str:
    try:
        return make()
    except NotRunnable as error:
        return str(error)


def _measure(contenders: dict[str, Contender | str], shape: Shape, rounds: int) -> list[Timing]:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    running = {name: one for name, one in contenders.items() if not isinstance(one, str)}
    for one in running.values():
        one.read(history(shape))
    for turn in range(rounds + 1):
        texts = candidates(shape, turn)
        for name, one in running.items():
            if sum(times[name]) > _ENOUGH_S:
                continue
            one.meet(texts)
            started = time.perf_counter()
            one.rank(texts)
            took = time.perf_counter() - started
            # The first round warms up, unless it took so long that it says enough.
            if turn or took > _ENOUGH_S:
                times[name].append(took)
    return [
        Timing(
            name,
            shape.candidates,
            shape.history_tokens,
            statistics.median(times[name]) * 1e3 if times[name] else None,
            len(times[name]),
            one if isinstance(one, str) else "",
        )
        for name, one in contenders.items()
    ]
