"""Recipe files: found by name, and read with the ``kind`` that says what they are for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.table import read_table, read_toml

T = TypeVar("T")


class Kind(StrEnum):
    """What a recipe is of.

    ``ENCODER``, ``PAIR``, ``DUAL``, ``IMAGE``, ``AUDIO``, and ``SCORER`` with a ``[source]`` are
    packs that ``build`` makes of a model as it is. ``HISTORY``, ``TEXT``, and ``SCORER`` with a
    ``checkpoint`` are trainings for ``finetune``.
    """

    ENCODER = "encoder"
    SCORER = "scorer"
    PAIR = "pair"
    DUAL = "dual"
    IMAGE = "image"
    AUDIO = "audio"
    HISTORY = "history"
    TEXT = "text"

    @classmethod
    def of_packs(cls) -> tuple[Kind, ...]:
        """Those that ``build`` makes."""
        return cls.ENCODER, cls.SCORER, cls.PAIR, cls.DUAL, cls.IMAGE, cls.AUDIO


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe as it stands in its file.

    Attributes:
        path: of the file.
        kind: what the file says it is of.
        members: its top table but for ``kind``.
    """

    path: Path
    kind: Kind
    members: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> RecipeFile:
        """Read the file ``path``.

        Raises:
            RecipeError: when it is no TOML file, or does not say what kind it is of.
        """
        members = read_toml(path)
        known = ", ".join(Kind)
        if "kind" not in members:
            line = f'kind = "{_likely(members, path.parent)}"'
            raise RecipeError(f"{path.name}: kind: missing; add the line: {line}")
        kind = members.pop("kind")
        if kind not in list(Kind):
            raise RecipeError(f"{path.name}: kind: expected one of {known}, got {kind!r}")
        return cls(path, Kind(kind), members)

    @property
    def trains(self) -> bool:
        """Whether a model is trained, or made into a pack as it is."""
        return self.kind in {Kind.HISTORY, Kind.TEXT} or (
            self.kind is Kind.SCORER and "checkpoint" in self.members
        )

    @property
    def command(self) -> str:
        """The command that follows it."""
        return "finetune" if self.trains else "build"

    def expect(self, *kinds: Kind, trains: bool) -> None:
        """Refuse a recipe of another kind, by the command that it is for.

        Args:
            kinds: those that are looked for.
            trains: see :attr:`trains`.

        Raises:
            RecipeError: when it is not of any of these.
        """
        if self.kind in kinds and self.trains is trains:
            return
        what = "that trains" if trains else "of a pack"
        raise RecipeError(
            f"{self.path.name}: expected a recipe {what}, of kind {' or '.join(kinds)}; this one, "
            f'with kind = "{self.kind}", is for the command {self.command}'
        )

    def table(self, kind: type[T], *, relative: Sequence[str] = ()) -> T:
        """Make the dataclass ``kind`` of the members.

        Args:
            kind: see :func:`~.table.read_table`.
            relative: keys of paths, or arrays of them, that are relative to the file, as "base" or
                "teacher.pack"; they come back absolute.

        Raises:
            RecipeError: when the file holds no such table.
        """
        members = copy.deepcopy(dict(self.members))
        for key in relative:
            *outer, name = key.split(".")
            table: Any = members
            for part in outer:
                table = table.get(part, {}) if isinstance(table, dict) else {}
            if isinstance(table, dict) and name in table:
                table[name] = self._absolute(table[name])
        try:
            return read_table(kind, members)
        except RecipeError as error:
            raise RecipeError(f"{self.path.name}: {error}") from None

    def _absolute(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._absolute(one) for one in value]
        return str((self.path.parent / value).resolve()) if isinstance(value, str) else value


def recipes_folder() -> Path:
    """The folder of the recipes that come with the toolchain, in a wheel or a checkout."""
    inside = Path(__file__).resolve().parent
    return inside if any(inside.glob("*.toml")) else inside.parents[1] / "recipes"


def find_recipe(name: str) -> Path:
    """The recipe file ``name`` stands for: a path, or the name of one that comes with this.

    Raises:
        RecipeError: when there is none.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise RecipeError(f"{name}: no such recipe file")
    ours = {path.stem: path for path in sorted(recipes_folder().glob("*.toml"))}
    if name not in ours:
        known = ", ".join(ours)
        raise RecipeError(
            f"recipe: expected a .toml file or one of {known}; or, for build, a model's folder, "
            f"hf:ORG/NAME or pypi:NAME==VERSION; got {name!r}"
        )
    return ours[name]


def _likely(members: Mapping[str, Any], folder: Path) -> Kind:
    """The kind that a recipe looks like, for whoever forgot to write it."""
    if "scorer" in members or "adapter" in members:
        return Kind.SCORER
    dual = "encoder" in members and "image" in members
    for kind in (Kind.PAIR, Kind.IMAGE, Kind.AUDIO):
        if kind in members:
            return Kind.DUAL if dual else kind
    if "source" in members:
        return Kind.ENCODER
    if "checkpoint" not in members:
        return Kind.HISTORY
    try:
        start = read_toml(folder / str(members["checkpoint"]))
    except RecipeError:
        return Kind.TEXT
    return Kind.SCORER if "scorer" in start else Kind.TEXT
