from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank import Retention
from edge_rerank._check import (
    check_bool,
    check_date,
    check_fraction,
    check_id,
    check_integer,
    check_kind,
    check_label,
    check_list,
    check_moment,
    check_number,
    check_path,
    check_sequence,
    check_text,
)
from edge_rerank.errors import InvalidEvent, InvalidRequest

small = partial(check_integer, minimum=1, maximum=9)
positive = partial(check_integer, minimum=1)
worded = partial(check_integer, minimum=1, wanted="a whole number from 1")
optional = partial(check_text, wanted="a string or None")
strings = partial(check_sequence, wanted="a sequence of strings", of=str)


@pytest.mark.parametrize(
    ("check", "value", "result"),
    [
        (check_bool, False, False),
        (check_integer, -3, -3),
        (small, 9, 9),
        (positive, np.int64(1), 1),
        (check_number, None, None),
        (check_number, 3, 3.0),
        (check_number, np.float32(0.5), 0.5),
        (check_fraction, 1, 1.0),
        (check_text, "", ""),
        (check_id, "i" * 512, "i" * 512),
        (check_path, "a/b", Path("a/b")),
        (check_path, Path("a"), Path("a")),
        (check_id, 7, "7"),
        (check_id, np.int64(-7), "-7"),
        (check_bool, np.bool_(True), True),
        (check_fraction, np.float32(0.5), 0.5),
        (check_moment, None, None),
        (check_moment, np.int64(7), 7.0),
        (check_moment, datetime(1970, 1, 1, 1, 0, 7, tzinfo=timezone(timedelta(hours=1))), 7.0),
        (check_date, 4e9, 4e9),
        (strings, ("a", "b"), ("a", "b")),
        (strings, (letter for letter in "ab"), ["a", "b"]),
        (strings, np.array(["a", "b"]), ["a", "b"]),
        (strings, {"k": "a"}.values(), ["a"]),
        (partial(strings, most=2), itertools.repeat("a"), ["a"] * 3),
        (check_list, [None], [None]),
    ],
)
def test_what_passes(check: Callable[..., object], value: object, result: object) -> None:
    found = check(value, "x", InvalidRequest)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (check_bool, 1, "x: expected a bool, got int"),
        (check_integer, True, "x: expected an integer, got bool"),
        (check_integer, 1.0, "x: expected an integer, got float"),
        (small, 10, "x: expected an integer from 1 to 9, got a number outside"),
        (small, -(10**400), "x: expected an integer from 1 to 9, got a number outside"),
        (positive, 0, "x: expected an integer ≥ 1, got a number outside"),
        (worded, "1", "x: expected a whole number from 1, got str"),
        (check_number, "1", "x: expected a number or None, got str"),
        (check_number, True, "x: expected a number or None, got bool"),
        (check_number, float("nan"), "x: expected a finite number, got nan"),
        (check_number, 10**400, "x: expected a finite number, got inf"),
        (partial(check_number, minimum=0.0), -1, "x: expected a finite number ≥ 0, got -1.0"),
        (check_fraction, 1.5, "x: expected a number from 0 to 1"),
        (check_fraction, float("nan"), "x: expected a number from 0 to 1"),
        (check_fraction, True, "x: expected a number from 0 to 1"),
        (check_text, b"", "x: expected a string, got bytes"),
        (optional, 3, "x: expected a string or None, got int"),
        (check_id, 7.0, "x: expected a string, got float"),
        (check_id, True, "x: expected a string, got bool"),
        (check_id, 1 << 3000, "x: expected 1 to 512 characters, got 513"),
        (check_label, 7, "x: expected a string, got int"),
        (check_id, "", "x: expected 1 to 512 characters, got 0"),
        (check_id, "i" * 513, "x: expected 1 to 512 characters, got 513"),
        (check_id, "\ud800", "x: expected valid Unicode, got a lone surrogate"),
        (check_path, b"a", "x: expected a path, got bytes"),
        (strings, "ab", "x: expected a sequence of strings, got str"),
        (strings, {"a": 1}, "x: expected a sequence of strings, got dict"),
        (strings, np.array([["a"]]), "x: expected a sequence of strings, got an array of 2 axes"),
        (
            check_moment,
            datetime(2026, 1, 1),
            "x: expected UTC seconds, a datetime with a time zone, or None, got a datetime without"
            " one: datetime.now(timezone.utc) has one",
        ),
        (
            check_moment,
            "2026-01-01",
            "x: expected UTC seconds, a datetime with a time zone, or None, got str:"
            " datetime.fromisoformat() reads it",
        ),
        (check_moment, -1, "x: expected a finite number ≥ 0, got -1.0"),
        (
            check_date,
            1_790_000_000_000,
            "x: expected UTC seconds, got a time after the year 5138 (milliseconds?)",
        ),
        (
            check_number,
            np.array(1.0),
            "x: expected a number or None, got ndarray: .item() gives its number",
        ),
        (strings, {"a"}, "x: expected a sequence of strings, got set"),
        (strings, ["a", 1], "x: expected only str, got int at index 1"),
        (check_list, ("a",), "x: expected a list, got tuple"),
    ],
)
def test_what_does_not(check: Callable[..., Any], value: object, message: str) -> None:
    for error in (InvalidRequest, InvalidEvent):
        with pytest.raises(error) as caught:
            check(value, "x", error)
        assert str(caught.value) == message


def test_the_message_says_how_one_is_made() -> None:
    check_kind(Retention(), "retention", Retention, example="Retention(max_age_days=30)")
    with pytest.raises(InvalidRequest) as caught:
        check_kind(30, "retention", Retention, example="Retention(max_age_days=30)")
    wanted = "expected a Retention, got int: Retention(max_age_days=30) is one"
    assert str(caught.value) == f"retention: {wanted}"
