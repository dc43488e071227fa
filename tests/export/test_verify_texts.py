"""Texts of users: files of lines, what they hold, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from edge_rerank.errors import DataError
from edge_rerank_export.verify.texts import Texts, texts_of
from edge_rerank_export.verify.texts.lines import texts_in

SECRET = "quiet river"
LINES = [f"{SECRET} number {number}" for number in range(12)]


def written(folder: Path, name: str, *lines: object) -> Path:
    path = folder / name
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    raw = "".join(f"{text}\n" for text in texts).encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def candidates(texts: Texts, number: int) -> list[str]:
    return texts.of(texts.cases[number])[0]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.jsonl.gz", "a"])
def test_lines_become_lists_of_neighbours(name: str, tmp_path: Path) -> None:
    plain = name in {"a.txt", "a"}
    lines = [*LINES, "", LINES[0]] if plain else [{"text": line, "id": 1} for line in LINES]
    texts = texts_in(written(tmp_path, name, *lines))
    assert texts.texts == tuple(LINES)  # each once, blank lines passed over
    assert texts.cases[0].history == (0, 1, 2)
    assert len(texts.cases) == 9
    for case in texts.cases:
        assert set(case.history).isdisjoint(case.candidates)
        assert len(set(case.candidates)) == 9
        assert not case.clicked
    assert ("lines of text" if plain else "JSON lines") in texts.source
    assert SECRET not in texts.source
    assert len(texts_in(tmp_path / name, limit=4).cases) == 3  # spread over the file


def test_requests_as_they_were_shown(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "requests.jsonl",
        {"query": "a", "candidates": ["x", "y", "x"], "clicked": ["y"]},
        {"history": [str(n) for n in range(12)], "candidates": ["x", "z"]},
        {"query": "a", "pos": ["p"], "neg": ["n", "m"], "prompt": "passed over"},
    )
    texts = texts_in(path)
    asked, told, trained = (texts.of(case) for case in texts.cases)
    assert asked == (["x", "y"], [], "a")
    assert texts.cases[0].clicked == (1,)
    assert told == (["x", "z"], [str(n) for n in range(2, 12)], None)  # the newest ten
    assert trained == (["p", "n", "m"], [], "a")
    assert texts.cases[2].clicked == (0,)
    assert "3 requests" in texts.source
    assert "2 with a click" in texts.source


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "got an empty file"),
        ([SECRET], "expected 5 different texts, got 1"),
        (
            [{"text": SECRET}, f'{{"text": "{SECRET}"'],
            ":2: expected one JSON object, got something",
        ),
        ([{"text": SECRET}, {"text": 7}], ":2: text: expected a string, got int"),
        ([{"text": SECRET}, {"text": " "}], ":2: text: expected a text, got an empty one"),
        ([{"name": SECRET}], ':1: expected "text", or "candidates"'),
        ([{"query": SECRET, "candidates": SECRET}], ":1: candidates: expected a list of texts"),
        (
            [{"query": SECRET, "candidates": [SECRET]}],
            ":1: candidates: expected two or more, got 1",
        ),
        ([{"candidates": [SECRET, "b"]}], ':1: expected a "query" or a "history", got neither'),
        (
            [{"query": SECRET, "candidates": ["a", "b"], "clicked": [SECRET]}],
            ":1: clicked: expected some of candidates, got another text",
        ),
        ([{"query": 7, "candidates": ["a", "b"]}], ":1: query: expected a string, got int"),
        ([SECRET, *LINES], ":1: expected one JSON object a line, got another text"),
    ],
)
def test_a_bad_file_is_named_by_line_and_never_quoted(
    lines: list[object], reason: str, tmp_path: Path
) -> None:
    name = "a.txt" if lines == [SECRET] else "a.jsonl"
    with pytest.raises(DataError) as caught:
        texts_in(written(tmp_path, name, *lines))
    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(DataError, match=":2: expected UTF-8, got other bytes"):
        texts_in(tmp_path / "a.txt")
    (tmp_path / "a.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read: BadGzipFile"):
        texts_in(tmp_path / "a.gz")
    with pytest.raises(
        DataError, match="expected a data set folder or a file of lines, found none"
    ):
        texts_of(tmp_path / "nothing")


def test_several_files_are_told_apart(tmp_path: Path) -> None:
    first = written(tmp_path, "a.txt", *LINES)
    second = written(tmp_path, "b.jsonl", {"query": LINES[3], "candidates": [LINES[0], "new"]})
    texts = texts_of(first, second)
    assert [case.source for case in texts.cases] == ["a.txt"] * 9 + ["b.jsonl"]
    assert texts.of(texts.cases[-1]) == ([LINES[0], "new"], [], LINES[3])
    assert len(texts.texts) == 13
