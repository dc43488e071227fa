"""The suite: every expectation, and a run of them on packs."""

from __future__ import annotations

from collections.abc import Iterable

from edge_rerank._progress import Progress
from edge_rerank.evaluation.expectations import (
    defaults,
    last_word,
    negative,
    queries,
    reading,
    reasons,
    repeats,
    searches,
    strength,
    tastes,
)
from edge_rerank.evaluation.expectations.catalogue import Catalogue, Language
from edge_rerank.evaluation.expectations.expectation import Expectation, ExpectationReport, Outcome
from edge_rerank.evaluation.expectations.visits import Host
from edge_rerank.inference.runtime import DEFAULT_RUNTIME, Runtime
from edge_rerank.packs.installed import SHIPPED
from edge_rerank.packs.shipped import MULTILINGUAL
from edge_rerank.ranking.opening import Packs
from edge_rerank.reranker import Reranker

_MODULES = (
    *(strength, last_word, queries, searches, tastes),
    *(negative, repeats, reasons, reading, defaults),
)


def all_expectations() -> tuple[Expectation, ...]:
    """All of them, group by group."""
    return tuple(one for module in _MODULES for one in module.expectations())


def run(
    pack: Packs | None = None,
    *,
    runtime: Runtime = DEFAULT_RUNTIME,
    language: Language = Language.EN,
    progress: Progress | None = None,
) -> ExpectationReport:
    """Play every expectation on packs, each person new, all in memory.

    Args:
        pack: a pack folder, or several that complete each other; ``None`` for the shipped one that
            reads the language.
        runtime: how the models run.
        language: of the catalogue and the queries.
        progress: called with (expectations done, expectations to do).

    Raises:
        PackError: when a pack is missing, malformed or unsupported.
        ProviderUnavailable: when a provider cannot be used.
        InferenceError: when a model fails.
    """
    if pack is None:
        pack = MULTILINGUAL if language is Language.ZH else SHIPPED
    with Reranker.open(pack, runtime=runtime) as reranker:
        return play(reranker, language=language, progress=progress)


def play(
    reranker: Reranker,
    expectations: Iterable[Expectation] | None = None,
    *,
    language: Language = Language.EN,
    progress: Progress | None = None,
) -> ExpectationReport:
    """Play expectations at a host with this reranker.

    Args:
        reranker: with a history in memory; people named "person 1", ... are added to it.
        expectations: at least one; all if ``None``.
        language: of the catalogue and the queries.
        progress: called with (expectations done, expectations to do).

    Raises:
        InferenceError: when a model fails.
    """
    todo = all_expectations() if expectations is None else tuple(expectations)
    host = Host(reranker, Catalogue.shipped(language), Catalogue.in_other_scripts())
    reranker.warmup([*host.catalogue.items, *host.scripts.items])
    outcomes = []
    for done, expectation in enumerate(todo, start=1):
        outcomes.append(Outcome.of(expectation, host))
        if progress is not None:
            progress(done, len(todo))
    return ExpectationReport(_model(reranker), tuple(outcomes))


def _model(reranker: Reranker) -> str:
    engine = reranker.engine
    names = [f"{engine.pack.manifest.name} {engine.pack.manifest.release}"]
    if engine.scorer is not None:
        names.append("a scorer")
    if engine.pair_scorer is not None:
        names.append("a scorer of pairs")
    return " + ".join(names)
