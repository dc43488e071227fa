from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_rerank._check import (
    check_bool,
    check_fraction,
    check_id,
    check_integer,
    check_list,
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
        (strings, ("a", "b"), ("a", "b")),
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
        (check_id, 7, "x: expected a string, got int"),
        (check_id, "", "x: expected 1 to 512 characters, got 0"),
        (check_id, "i" * 513, "x: expected 1 to 512 characters, got 513"),
        (check_id, "\ud800", "x: expected valid Unicode, got a lone surrogate"),
        (check_path, b"a", "x: expected a path, got bytes"),
        (strings, "ab", "x: expected a sequence of strings, got str"),
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
