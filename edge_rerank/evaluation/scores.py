"""Files of scores: orders that were computed elsewhere, one line a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer, check_list, check_number
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.formats.dataset import Request
from edge_rerank.formats.jsonl import Record, read_records


class Prescored:
    """A baseline from a file of ``{"request": number, "scores": [...]}``, a line for each request.

    Requests are numbered from 0 in the order of their file; the scores stand in the order of the
    request's candidates. Lines of requests that a limit has cut off are let pass.

    Args:
        name: what the report calls it.
        path: the file, plain or gzipped.
        requests: those that will be asked for.

    Raises:
        DataError: at the first line that is malformed or does not fit its request, or when
            lines are missing.
    """

    def __init__(self, name: str, path: Path, requests: Sequence[Request]) -> None:
        self.name = name
        self._scores: dict[int, NDArray[np.float64]] = {}
        seen = 0
        for request, (line, row) in zip(requests, read_records(path, _row), strict=False):
            if row.request != seen:
                reason = f"request: expected {seen}, got {row.request}"
                raise DataError(path, reason, line=line)
            if len(row.scores) != len(request.candidates):
                reason = (
                    f"scores: expected one for each of {len(request.candidates)} candidates, "
                    f"got {len(row.scores)}"
                )
                raise DataError(path, reason, line=line)
            self._scores[id(request)] = row.scores
            seen += 1
        if seen < len(requests):
            raise DataError(path, f"expected {len(requests)} lines, one a request, got {seen}")

    def scores(self, request: Request) -> NDArray[np.float64]:
        """The file's scores of one of the requests that were named at the start."""
        return self._scores[id(request)]


@dataclass(frozen=True, slots=True, repr=False)
class _Row:
    request: int
    scores: NDArray[np.float64]


def _row(record: Record) -> _Row:
    number = check_integer(record.get("request"), "request", InvalidRequest)
    values = check_list(record.get("scores"), "scores", InvalidRequest, wanted="a list of numbers")
    checked = [check_number(value, "scores", InvalidRequest) for value in values]
    if any(value is None for value in checked):
        raise InvalidRequest("scores: expected numbers, got null")
    return _Row(number, np.array(checked, dtype=np.float64))
