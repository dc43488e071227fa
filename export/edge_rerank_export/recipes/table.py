"""TOML tables as frozen dataclasses: exactly the fields there are, each of its type."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

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
    for key in members:
        if key not in types:
            known = ", ".join(types)
            raise RecipeError(f"{where}{key}: not a known key; expected one of {known}")
    values = {}
    for entry in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass
        name = f"{where}{entry.name}"
        if entry.name in members:
            values[entry.name] = _value(types[entry.name], members[entry.name], name)
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise RecipeError(f"{name}: expected, not found")
    return kind(**values)


def read_toml(path: Path) -> dict[str, Any]:
    """The top table of a TOML file.

    Raises:
        RecipeError: when it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path.name}: not readable as TOML: {error}") from error


def read_recipe_file(kind: type[T], path: Path, *, relative: Sequence[str]) -> T:
    """Make the dataclass ``kind`` of a TOML file.

    Args:
        kind: see :func:`read_table`.
        path: of the file.
        relative: keys of paths that are relative to the file, as "base" or "teacher.pack"; they
            come back absolute.

    Raises:
        RecipeError: when the file cannot be read, or is no such table.
    """
    members = read_toml(path)
    for key in relative:
        *outer, name = key.split(".")
        table: Any = members
        for part in outer:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict) and isinstance(table.get(name), str):
            table[name] = str((path.parent / table[name]).resolve())
    try:
        return read_table(kind, members)
    except RecipeError as error:
        raise RecipeError(f"{path.name}: {error}") from None


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


def _value(kind: Any, value: Any, name: str) -> Any:
    if get_origin(kind) is UnionType:
        (kind,) = set(get_args(kind)) - {NoneType}
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{name}: expected an array, got {type(value).__name__}")
        return tuple(_value(get_args(kind)[0], one, f"{name}[{n}]") for n, one in enumerate(value))
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
