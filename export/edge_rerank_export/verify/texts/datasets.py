"""Texts of users: requests of data set folders, and files of lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import DataSet, chosen
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.verify.texts.cases import HISTORY, REQUESTS, Places, RankingCase, Texts
from edge_rerank_export.verify.texts.lines import texts_in


def texts_of(*paths: Path, split: str = "test", limit: int = REQUESTS) -> Texts:
    """What each path holds, as one: a folder's first requests, or a file's lists.

    Args:
        paths: data set folders, see :mod:`edge_rerank.formats.dataset`, and files of lines, see
            :mod:`~edge_rerank_export.verify.texts.lines`.
        split: name of a folder's requests file.
        limit: how many requests or lists of each path at most.

    Raises:
        DataError: when a path is malformed, or there is none.
        RecipeError: when no request has a history or a query, and two candidates with a text.
    """
    places = Places()
    cases: list[RankingCase] = []
    sources: list[str] = []
    for path in (one.resolve() for one in paths):
        if path.is_file():
            read = texts_in(path, limit=limit)
        elif path.is_dir():
            read = _texts_of_folder(path, split, limit)
        else:
            raise DataError(path, "expected a data set folder or a file of lines, found none")
        at = places.of(read.texts)
        cases += (_moved(case, at, path.name) for case in read.cases)
        sources.append(read.source)
    if not cases:
        raise RecipeError("texts: expected requests with a history and candidates, found none")
    return Texts(places.texts, tuple(cases), "; ".join(sources))


def _texts_of_folder(folder: Path, split: str, limit: int) -> Texts:
    places = Places()
    cases = tuple(islice(_cases(folder, split, places), limit))
    return Texts(places.texts, cases, f"{folder.name}: {len(cases):,} requests of {split}")


def _cases(folder: Path, split: str, places: Places) -> Iterator[RankingCase]:
    for request in DataSet.open(folder).requests(split):
        history = [item.text for item in chosen(request.history) if item.text][-HISTORY:]
        candidates = [item for item in request.candidates if item.text]
        if (history or request.query) and len(candidates) >= 2:
            yield RankingCase(
                places.of(history),
                places.of([item.text for item in candidates]),
                tuple(n for n, item in enumerate(candidates) if item.id in request.clicked),
                places.of([request.query])[0] if request.query else None,
            )


def _moved(case: RankingCase, at: tuple[int, ...], source: str) -> RankingCase:
    """The case with the places that its texts have among those of all paths."""
    return replace(
        case,
        history=tuple(at[place] for place in case.history),
        candidates=tuple(at[place] for place in case.candidates),
        query=None if case.query is None else at[case.query],
        source=source,
    )
