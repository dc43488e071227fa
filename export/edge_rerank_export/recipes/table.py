"""TOML tables as frozen dataclasses: exactly the fields there are, each of its type."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from edge_rerank.errors import InvalidRequest
from edge_rerank_export.errors import RecipeError

T = TypeVar("T")


def read_table(kind: type[T], members: Mapping[str, Any], where: str = "") -> T:
    """Make the dataclass ``kind`` of a TOML table with exactly its fields.

    Args:
        kind: with fields of type str, int, float, bool, a StrEnum, a tuple of one of these, or
            such a dataclass; or one of these or ``None``, which no TOML table can say.
        members: the table.
        where: what stands before a key in an error, as "encoder.".

    Raises:
        RecipeError: when a key is not known or missing, or a value has the wrong type.
    """
    types = get_type_hints(kind)
    entries = fields(kind)  # type: ignore[arg-type]  # every kind is a dataclass
    for key in members:
        if all(key != entry.name for entry in entries):
            known = ", ".join(entry.name for entry in entries)
            raise RecipeError(f"{where}{key}: not a known key; expected one of {known}")
    values = {}
    for entry in entries:
        name = f"{where}{entry.name}"
        if entry.name in members:
            values[entry.name] = _value(types[entry.name], members[entry.name], name)
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise RecipeError(f"{name}: expected, not found")
    try:
        return kind(**values)
    except InvalidRequest as error:  # of a kind that the runtime has, too
        raise RecipeError(f"{where}{error}") from error


def write_table(table: Any) -> str:
    """The TOML that :func:`read_table` makes an equal dataclass of.

    What is as by default is left out.

    Args:
        table: a dataclass with fields of the types that :func:`read_table` takes.
    """
    return "".join(_lines(table, ""))


def _lines(table: Any, where: str) -> Iterator[str]:
    inner = []
    for entry in fields(table):
        value = getattr(table, entry.name)
        default = entry.default
        if entry.default_factory is not MISSING:
            default = entry.default_factory()
        if value is None or value == default:
            continue
        if is_dataclass(value):
            inner.append((entry.name, value))
        else:
            # A string, number, bool or array of these is the same in JSON.
            yield f"{entry.name} = {json.dumps(value, ensure_ascii=False)}\n"
    for name, value in inner:
        yield f"\n[{where}{name}]\n"
        yield from _lines(value, f"{where}{name}.")


def read_toml(path: Path) -> dict[str, Any]:
    """The top table of a TOML file.

    Raises:
        RecipeError: when it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path.name}: not readable as TOML: {error}") from error


def check_integers(table: Any, where: str, **least: int) -> None:
    """Refuse integers of a dataclass that are too small: below 1, or what ``least`` says.

    Raises:
        RecipeError: at the first.
    """
    for entry in fields(table):
        value = getattr(table, entry.name)
        low = least.get(entry.name, 1)
        if type(value) is int and value < low:
            raise RecipeError(f"{where}.{entry.name}: expected an integer ≥ {low}")


def check_release(release: int) -> None:
    """Refuse a number of a pack's release that is too small.

    Raises:
        RecipeError: when it is below 1.
    """
    if release < 1:
        raise RecipeError("release: expected an integer ≥ 1")


def _value(kind: Any, value: Any, name: str) -> Any:
    if get_origin(kind) is UnionType:
        (kind,) = set(get_args(kind)) - {NoneType}
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{name}: expected an array, got {type(value).__name__}")
        return tuple(_value(get_args(kind)[0], one, f"{name}[{n}]") for n, one in enumerate(value))
    if get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise RecipeError(f"{name}: expected a table, got {type(value).__name__}")
        return {key: _value(get_args(kind)[1], one, f"{name}.{key}") for key, one in value.items()}
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise RecipeError(f"{name}: expected one of {', '.join(kind)}, got {value!r}")
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind in {str, int, float, bool}:
        if type(value) is not kind:
            raise RecipeError(f"{name}: expected {kind.__name__}, got {type(value).__name__}")
        return value
    if not isinstance(value, dict):
        raise RecipeError(f"{name}: expected a table, got {type(value).__name__}")
    return read_table(kind, value, f"{name}.")
