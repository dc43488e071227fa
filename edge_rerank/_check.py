"""Argument checks: the value as it is used from then on, or a typed error.

A message names the argument, what was expected and what came. What came is a type, a length
or a number, never text of an item, a query or a person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_rerank.errors import InvalidInput

MAX_ID_CHARS = 512


def kind_of(value: object) -> str:
    """The name of the value's type, for "expected ..., got ..."."""
    return type(value).__name__


def check_bool(value: object, name: str, error: type[InvalidInput]) -> bool:
    """``value`` if it is a bool."""
    if not isinstance(value, bool):
        raise error(f"{name}: expected a bool, got {kind_of(value)}")
    return value


def check_integer(
    value: object,
    name: str,
    error: type[InvalidInput],
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    wanted: str | None = None,
) -> int:
    """``value`` if it is an integer, numpy's included, from ``minimum`` to ``maximum``.

    Args:
        value: what came.
        name: of the argument.
        error: what to raise.
        minimum: the smallest allowed; no limit if ``None``.
        maximum: the largest allowed; no limit if ``None``. Goes with a minimum.
        wanted: words for what is expected, where "an integer from 1 to 9" does not say it.
    """
    if wanted is None:
        wanted = "an integer"
        if minimum is not None:
            wanted += f" ≥ {minimum}" if maximum is None else f" from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        raise error(f"{name}: expected {wanted}, got a number outside")
    return int(value)


def check_number(
    value: object, name: str, error: type[InvalidInput], *, minimum: float = -math.inf
) -> float | None:
    """``value`` as a finite float ≥ ``minimum``; ``None`` as it is."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise error(f"{name}: expected a number or None, got {kind_of(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < minimum:
        wanted = "a finite number" if minimum == -math.inf else f"a finite number ≥ {minimum:g}"
        raise error(f"{name}: expected {wanted}, got {number}")
    return number


def check_fraction(value: object, name: str, error: type[InvalidInput]) -> float:
    """``value`` as a float if it is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise error(f"{name}: expected a number from 0 to 1")
    return float(value)


def check_text(
    value: object, name: str, error: type[InvalidInput], *, wanted: str = "a string"
) -> str:
    """``value`` if it is a string; ``wanted`` says what is expected, as "a string or None"."""
    if not isinstance(value, str):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    return value


def check_id(value: object, name: str, error: type[InvalidInput]) -> str:
    """``value`` if it can serve as an identifier: 1 to 512 characters of valid Unicode."""
    text = check_text(value, name, error)
    if not 0 < len(text) <= MAX_ID_CHARS:
        raise error(f"{name}: expected 1 to {MAX_ID_CHARS} characters, got {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise error(f"{name}: expected valid Unicode, got a lone surrogate") from None
    return text


def check_path(
    value: object, name: str, error: type[InvalidInput], *, wanted: str = "a path"
) -> Path:
    """``value`` as a path if it is one or a string."""
    if not isinstance(value, str | Path):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    return Path(value)


def check_sequence(
    value: object,
    name: str,
    error: type[InvalidInput],
    *,
    wanted: str = "a sequence",
    of: type[Any] | None = None,
) -> Sequence[Any]:
    """``value`` if it is a sequence, but no string and no bytes.

    Args:
        value: what came.
        name: of the argument.
        error: what to raise.
        wanted: words for what is expected, as "a sequence of strings".
        of: the type of each of its members, if that is to be checked here.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    if of is not None:
        for place, member in enumerate(value):
            if not isinstance(member, of):
                came = f"{kind_of(member)} at index {place}"
                raise error(f"{name}: expected only {of.__name__}, got {came}")
    return value


def check_list(
    value: object, name: str, error: type[InvalidInput], *, wanted: str = "a list"
) -> list[Any]:
    """``value`` if it is a list, as an array of JSON is; ``wanted`` as "a list of ids"."""
    if not isinstance(value, list):
        raise error(f"{name}: expected {wanted}, got {kind_of(value)}")
    return value
