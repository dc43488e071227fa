from __future__ import annotations

from typing import Any

import pytest

from edge_rerank.errors import DataError, InvalidInput, InvalidRequest
from edge_rerank.formats.attributes import (
    MAX_ATTRIBUTES,
    MAX_NAME_CHARS,
    MAX_VALUE_CHARS,
    check_attributes,
)
from edge_rerank.formats.dataset import DataSet
from tests.evaluation.conftest import ITEMS, REQUESTS, Folder

LONGEST = {
    f"{number:0{MAX_NAME_CHARS}d}": "v" * MAX_VALUE_CHARS for number in range(MAX_ATTRIBUTES)
}


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_people_by_user(folder: Folder, ending: str) -> None:
    users = [
        {"user": "a", "attributes": {"age": "30-39", "kids": None, "region": "Kärnten"}},
        {"user": 17, "attributes": {}, "since": 2019},
        "",
        {"user": "b"},
        {"user": "c", "attributes": None},
        {"user": "d", "attributes": LONGEST},
    ]
    data = DataSet.open(folder(ending=ending, items=ITEMS, test=REQUESTS, users=users))
    known = data.attributes()
    assert known["a"] == {"age": "30-39", "region": "Kärnten"}
    assert known["17"] == known["b"] == known["c"] == {}
    assert known["d"] == LONGEST
    assert data.splits() == ("test",)


def test_a_folder_without_people(shop: Any) -> None:
    assert DataSet.open(shop).attributes() == {}


def test_what_is_read_is_not_to_be_changed(folder: Folder) -> None:
    users = [{"user": "a", "attributes": {"age": "30-39"}}]
    known = DataSet.open(folder(items=ITEMS, users=users)).attributes()
    for mapping in (known, known["a"]):
        with pytest.raises(TypeError):
            mapping["age"] = "0-9"  # type: ignore[index]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ([["age", "secret"]], "attributes: expected an object of strings, got list"),
        ("secret", "attributes: expected an object of strings, got str"),
        ({"secret": 34}, "attributes: value: expected a string, got int"),
        ({"secret": ["a"]}, "attributes: value: expected a string, got list"),
        ({"secret": ""}, "attributes: value: expected 1 to 128 characters, not all blank, got 0"),
        ({"secret": "  "}, "attributes: value: expected 1 to 128 characters, not all blank, got 2"),
        ({"secret": "x" * 129}, "attributes: value: expected 1 to 128 characters, .* got 129"),
        ({"secret": "a\nb"}, "attributes: value: expected printable characters"),
        ({"": "secret"}, "attributes: name: expected 1 to 64 characters, not all blank, got 0"),
        ({"s" * 65: "secret"}, "attributes: name: expected 1 to 64 characters, .* got 65"),
        ({f"secret{n}": "x" for n in range(33)}, "attributes: expected at most 32, got 33"),
    ],
)
def test_malformed_attributes_are_named_by_line_without_content(
    folder: Folder, attributes: object, reason: str
) -> None:
    fine = {"user": "fine", "attributes": {"age": "30-39"}}
    data = DataSet.open(folder(items=ITEMS, users=[fine, {"user": "x", "attributes": attributes}]))
    with pytest.raises(DataError, match=rf"users.jsonl:2: {reason}") as caught:
        data.attributes()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"attributes": {"age": "30-39"}}, "user: expected a string, got NoneType"),
        ({"user": "a"}, "user: expected each person once, got one again"),
        ("[]", "expected one JSON object, got list"),
        ("{", "expected one JSON object"),
    ],
)
def test_malformed_lines(folder: Folder, line: object, reason: str) -> None:
    data = DataSet.open(folder(items=ITEMS, users=[{"user": "a"}, line]))
    with pytest.raises(DataError, match=rf"users.jsonl:2: {reason}"):
        data.attributes()


def test_a_malformed_file_is_read_only_when_it_is_asked_for(folder: Folder) -> None:
    data = DataSet.open(folder(items=ITEMS, test=REQUESTS, users=["{"]))
    assert len(list(data.requests("test"))) == len(REQUESTS)


@pytest.mark.parametrize("value", [{1: "a"}, {"a": b"b"}, {"a": "\ud800"}, None])
def test_attributes_of_a_program_are_checked_alike(value: object) -> None:
    with pytest.raises(InvalidInput, match="attributes"):
        check_attributes(value, InvalidRequest)
