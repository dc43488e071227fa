"""Measurement: every contender on every shape in turn, quiet and beside a neighbour."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from edge_rerank.errors import PackUnsupported
from edge_rerank.evaluation.neighbour import neighbour
from edge_rerank.inference.prompt import Prompt
from edge_rerank.inference.session import default_threads
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import (
    ScorerSpec,
    Scoring,
)
from edge_rerank_export.progress import Update
from edge_rerank_export.recipes.file import find_recipe
from edge_rerank_export.recipes.read import read_recipe
from edge_rerank_export.sources.fetch import fetch
from edge_rerank_export.studies.peers.contender import Contender, NotRunnable
from edge_rerank_export.studies.peers.gguf_layers import first_layers
from edge_rerank_export.studies.peers.llama import LlamaCpp, crashes
from edge_rerank_export.studies.peers.minilm import (
    FastEmbed,
    FlashRank,
    SentenceTransformers,
    make_checkpoint,
    make_graph,
)
from edge_rerank_export.studies.peers.ours import Naive, Ours, layers_of
from edge_rerank_export.studies.peers.task import SHAPES, Shape, candidates, history

OURS = "edge-rerank"
"""What the names of our own contenders begin with."""

ROUNDS, QUICK_ROUNDS = 5, 2
_ENOUGH_S = 10.0
"""A contender that took this long on a shape is not run again on it."""

_REST_S = 0.05
"""Before each call, for the threads of the one before, which go on waiting for work a while."""

_Makers = dict[str, Callable[[], Contender]]


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender on one shape.

    Attributes:
        contender: its name.
        candidates, history_tokens: see :class:`~.task.Shape`.
        median_ms: milliseconds that a call lasts; ``None`` when it could not be run.
        runs: how many calls that is the median of.
        note: why it could not be run.
        processor_ms: milliseconds of the processor that a call takes in all threads, the 10 %
            quantile; ``None`` likewise.
        loaded_ms: like ``median_ms``, beside a neighbour that burns every core; ``None`` where
            that was not run.
    """

    contender: str
    candidates: int
    history_tokens: int
    median_ms: float | None
    runs: int
    note: str = ""
    processor_ms: float | None = None
    loaded_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PeerReport:
    """What was measured.

    Attributes:
        threads: those that each contender was given.
        timings: by shape, in the order of the contenders.
        skipped: a line for each shape that was not measured, with the reason.
    """

    threads: int
    timings: tuple[Timing, ...]
    skipped: tuple[str, ...] = ()

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Those that were measured."""
        sizes = ((one.candidates, one.history_tokens) for one in self.timings)
        return tuple(Shape(*size) for size in dict.fromkeys(sizes))

    def of(self, shape: Shape) -> list[Timing]:
        """The timings of one shape, in the order of the contenders."""
        size = (shape.candidates, shape.history_tokens)
        return [one for one in self.timings if (one.candidates, one.history_tokens) == size]

    def to_json(self, *, indent: int | None = 2) -> str:
        """``{"threads", "timings": [{"contender", "candidates", …}], "skipped": […]}``.

        A timing has its attributes; what was not measured is null.
        """
        return json.dumps(asdict(self), indent=indent)


def compare(
    pack: Pack,
    *,
    quick: bool = False,
    loaded: bool = False,
    shapes: Sequence[Shape] = SHAPES,
    progress: Update = lambda _done, _total: None,
) -> PeerReport:
    """Measure the scorer of ``pack`` and its peers, each shape in rounds of one call each.

    Args:
        pack: has a scorer. llama.cpp runs beside it if its weights are those of the recipe
            ``smollm2``, for which there is a GGUF file.
        quick: fewer rounds, for a first look.
        loaded: whether to measure once more beside a neighbour that burns every core.
        shapes: what is ranked; those with a longer history than the scorer reads are skipped.
        progress: called with (shapes done, shapes to do).

    Raises:
        PackUnsupported: when the pack has no scorer.
        InferenceError: when the neighbour cannot be started.
        SourceError: when the peers' weights cannot be fetched.
    """
    spec = pack.manifest.scorer
    if spec is None:
        raise PackUnsupported("the pack has no scorer")
    prompt = Prompt(spec, pack.read(spec.tokenizer))
    fitting = [shape for shape in shapes if _fits(shape, prompt)]
    skipped = tuple(
        f"{shape.label}: skipped, this pack reads at most {spec.history_tokens} tokens of history"
        for shape in shapes
        if shape not in fitting
    )
    timings: list[Timing] = []
    if fitting:
        with tempfile.TemporaryDirectory() as folder:
            makers = {**_own(pack), **_peers(pack, prompt, Path(folder))}
            contenders = {name: _made(make) for name, make in makers.items()}
            for done, shape in enumerate(fitting, start=1):
                timings += _measure(
                    contenders,
                    shape,
                    QUICK_ROUNDS if quick else ROUNDS,
                    ends=spec.scoring is Scoring.HEAD,
                    loaded=loaded,
                )
                progress(done, len(fitting))
    return PeerReport(default_threads(), tuple(timings), skipped)


def _fits(shape: Shape, prompt: Prompt) -> bool:
    lines = [prompt.line(text) for text in history(shape)]
    return len(prompt.window(lines)) == len(lines)


def _own(pack: Pack) -> _Makers:
    manifest = pack.manifest
    spec = cast("ScorerSpec", manifest.scorer)
    precision = "float32" if spec.quantisation == "none" else spec.quantisation
    makers: _Makers = {f"{OURS}, {manifest.name} {precision}": lambda: Ours(pack, known=True)}
    if spec.scoring is Scoring.LIKELIHOOD:
        # A trained head needs nothing of an item ahead, so that there it would be the same again.
        makers[f"{OURS}, items never seen"] = lambda: Ours(pack, known=False)
    makers["the same model, history repeated"] = lambda: Naive(pack)
    return makers


def _peers(pack: Pack, prompt: Prompt, work: Path) -> _Makers:
    checkpoint, graph = work / "checkpoint", work / "graph"
    make_checkpoint(_weights("default", work), checkpoint)
    make_graph(checkpoint, graph)
    return {
        "MiniLM 22M, sentence-transformers": lambda: SentenceTransformers(checkpoint, onnx=False),
        "MiniLM 22M int8, sentence-transformers": lambda: SentenceTransformers(graph, onnx=True),
        "MiniLM 22M int8, FlashRank": lambda: FlashRank(graph, work / "flashrank"),
        "MiniLM 22M int8, fastembed": lambda: FastEmbed(graph),
        **_llama(pack, prompt, work),
    }


def _llama(pack: Pack, prompt: Prompt, work: Path) -> _Makers:
    spec = cast("ScorerSpec", pack.manifest.scorer)
    original = read_recipe(find_recipe("smollm2")).source
    if pack.manifest.source.sha256 != original.sha256:
        return {"llama.cpp": _not_runnable("no GGUF file of this pack's weights is known")}
    gguf = next(_weights("smollm2", work).glob("*.gguf"))
    name, gguf = first_layers(gguf, layers_of(pack), work / "layers.gguf")
    try:
        plain = crashes(gguf)
    except NotRunnable as error:
        return {"llama.cpp": _not_runnable(str(error))}
    name = f"llama.cpp{' without AMX' if plain else ''}, {name}"
    makers: _Makers = {}
    if spec.scoring is Scoring.LIKELIHOOD:
        makers[f"{name}, likelihood"] = lambda: LlamaCpp(gguf, prompt, likelihood=True, plain=plain)
    makers[f"{name}, last token"] = lambda: LlamaCpp(gguf, prompt, likelihood=False, plain=plain)
    return makers


def _not_runnable(reason: str) -> Callable[[], Contender]:
    def make() -> Contender:
        raise NotRunnable(reason)

    return make


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


def _measure(
    contenders: Mapping[str, Contender | str],
    shape: Shape,
    rounds: int,
    *,
    ends: bool,
    loaded: bool,
) -> list[Timing]:
    running = {name: one for name, one in contenders.items() if not isinstance(one, str)}
    for one in running.values():
        one.read(history(shape))
    texts = [candidates(shape, turn, ends=ends) for turn in range(2 * rounds + 1)]
    quiet = _in_turn(running, texts[: rounds + 1])
    beside: dict[str, list[_Call]] = {}
    if loaded:
        with neighbour():
            # Nothing has to warm up any more, but a first round is left out here, too.
            beside = _in_turn(running, [texts[0], *texts[rounds + 1 :]])
    return [
        Timing(
            name,
            shape.candidates,
            shape.history_tokens,
            _median([call.wall_ms for call in quiet.get(name, ())]),
            len(quiet.get(name, ())),
            one if isinstance(one, str) else "",
            _low([call.processor_ms for call in quiet.get(name, ())]),
            _median([call.wall_ms for call in beside.get(name, ())]),
        )
        for name, one in contenders.items()
    ]


@dataclass(frozen=True, slots=True)
class _Call:
    """Milliseconds that one call lasted, and that it took of the processor."""

    wall_ms: float
    processor_ms: float


def _in_turn(
    running: Mapping[str, Contender], rounds: Sequence[Sequence[str]]
) -> dict[str, list[_Call]]:
    """Calls of each contender, one a round, without the first round.

    That warms up, unless it took so long that it says enough.
    """
    calls: dict[str, list[_Call]] = {name: [] for name in running}
    for turn, texts in enumerate(rounds):
        for name, one in running.items():
            if sum(call.wall_ms for call in calls[name]) > _ENOUGH_S * 1e3:
                continue
            one.meet(texts)
            time.sleep(_REST_S)
            call = _timed(one, texts)
            if turn or call.wall_ms > _ENOUGH_S * 1e3:
                calls[name].append(call)
    return calls


def _timed(one: Contender, texts: Sequence[str]) -> _Call:
    began, spent = time.perf_counter(), time.process_time()
    one.rank(texts)
    wall, processor = time.perf_counter() - began, time.process_time() - spent
    return _Call(wall * 1e3, processor * 1e3)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _low(values: Sequence[float]) -> float | None:
    return sorted(values)[len(values) // 10] if values else None
