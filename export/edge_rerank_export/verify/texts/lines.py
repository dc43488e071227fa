"""Files of lines that users verify with: plain texts, or JSON lines of texts or requests.

What a file holds is read from its first line that is not blank, whatever its name:

- no JSON object: each line is an item's text. Three neighbours make a history, twenty others
  stand to choose from;
- ``{"text": "..."}``: likewise;
- ``{"query"?: "...", "history"?: ["..."], "candidates": ["..."], "clicked"?: ["..."]}``: a list as
  it was shown, with a query, a history or both; ``clicked`` are some of the candidates;
- ``{"query": "...", "pos": ["..."], "neg": ["..."]}``: the same in the form that rerankers are
  trained from; what is in ``pos`` counts as clicked.

Other members are passed over. A file that ends in ".gz" is read gzipped.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from edge_rerank._check import check_list, check_text
from edge_rerank._files import reason_of
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.formats.jsonl import Record, read_records
from edge_rerank_export.verify.texts.cases import HISTORY, REQUESTS, Places, RankingCase, Texts
from edge_rerank_export.verify.texts.own import HISTORY_LINES, neighbours

MAX_LINES = 1000
"""Different lines of plain text that take part, the first: the original reads one after the other,
10 to 100 ms each."""

FEWEST_LINES = HISTORY_LINES + 2


def texts_in(path: Path, *, limit: int = REQUESTS) -> Texts:
    """The lists that a file of lines gives.

    Args:
        path: see the module's description.
        limit: how many lists at most.

    Raises:
        DataError: when it cannot be read, or a line is not like the first; it names lines by
            number, never what they say.
    """
    first = next(_lines(path), None)
    if first is None:
        raise DataError(path, "expected a text or a JSON object a line, got an empty file")
    record = _object(first[1])
    if record is None and ".jsonl" in path.suffixes:
        raise DataError(path, "expected one JSON object a line, got another text", line=first[0])
    if record is None:
        return _of_lines(path, (text for _, text in _lines(path)), limit, "lines of text")
    if "text" in record:
        texts = (text for _, text in read_records(path, _text))
        return _of_lines(path, texts, limit, 'texts of JSON lines ("text")')
    if {"candidates", "pos"} & record.keys():
        return _of_requests(path, limit)
    raise DataError(
        path,
        'expected "text", or "candidates" or "pos" and "neg" with a "query" or a "history", got '
        "an object without these",
        line=first[0],
    )


def _of_lines(path: Path, lines: Iterator[str], limit: int, kind: str) -> Texts:
    texts = tuple(islice(dict.fromkeys(lines), MAX_LINES))
    if len(texts) < FEWEST_LINES:
        raise DataError(path, f"expected {FEWEST_LINES} different texts, got {len(texts)}")
    starts = range(len(texts) - HISTORY_LINES)
    step = -(-len(starts) // limit)
    return Texts(
        texts, neighbours(len(texts), starts[::step]), f"{path.name}: {len(texts):,} {kind}"
    )


def _of_requests(path: Path, limit: int) -> Texts:
    places = Places()
    cases = tuple(
        _case(request, places) for _, request in islice(read_records(path, _request), limit)
    )
    clicks = sum(bool(case.clicked) for case in cases)
    source = f"{path.name}: {len(cases):,} requests of JSON lines, {clicks:,} with a click"
    return Texts(places.texts, cases, source)


def _case(request: dict[str, Any], places: Places) -> RankingCase:
    candidates = request["candidates"]
    clicked = set(request["clicked"])
    return RankingCase(
        places.of(request["history"]),
        places.of(candidates),
        tuple(place for place, text in enumerate(candidates) if text in clicked),
        None if request["query"] is None else places.of([request["query"]])[0],
    )


def _text(record: Record) -> str:
    return _spoken(record.get("text"), "text")


def _request(record: Record) -> dict[str, Any]:
    query, history = record.get("query"), _texts(record, "history")[-HISTORY:]
    if query is not None:
        query = _spoken(query, "query")
    if "candidates" in record:
        candidates, clicked = _texts(record, "candidates"), _texts(record, "clicked")
        if not set(clicked) <= set(candidates):
            raise InvalidRequest("clicked: expected some of candidates, got another text")
    else:
        clicked = _texts(record, "pos")
        candidates = [*clicked, *_texts(record, "neg")]
    candidates = list(dict.fromkeys(candidates))
    if query is None and not history:
        raise InvalidRequest('expected a "query" or a "history", got neither')
    if len(candidates) < 2:
        raise InvalidRequest(f"candidates: expected two or more, got {len(candidates)}")
    return {"query": query, "history": history, "candidates": candidates, "clicked": clicked}


def _texts(record: Record, member: str) -> list[str]:
    values = record.get(member)
    if values is None:
        return []
    values = check_list(values, member, InvalidRequest, wanted="a list of texts")
    return [_spoken(value, member) for value in values]


def _spoken(value: object, member: str) -> str:
    text = check_text(value, member, InvalidRequest)
    if not text.strip():
        raise InvalidRequest(f"{member}: expected a text, got an empty one")
    return text


def _object(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is, ``None`` for any other text."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line that is not blank, without spaces around it."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    reason = "expected UTF-8, got other bytes"
                    raise DataError(path, reason, line=number) from None
                if line:
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error
