"""Wheels of packs: one file that pip installs, and that a host opens by the pack's name.

A wheel holds the pack's folder as it is, below ``edge_rerank_packs``, and an entry point that
names it (https://packaging.python.org/specifications/entry-points/); there is no code in it.
Equal packs give equal bytes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import edge_rerank
from edge_rerank.packs.installed import GROUP, HOME
from edge_rerank.packs.manifest import MANIFEST_NAME, SIGNATURE_NAME, Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import made_folder, new_file
from edge_rerank_export.packing.folder import CARD_NAME

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""What a distribution may be called: packaging.python.org/specifications/name-normalization."""

_README = "README.md"

_EPOCH = "1580601600"
"""The date of the files in a wheel, so that it does not depend on the day."""


def distribution_name(pack_name: str) -> str:
    """What pip calls the wheel of a pack of this name.

    Raises:
        RecipeError: when no distribution can be called so.
    """
    if not _NAME.fullmatch(pack_name):
        raise RecipeError(
            "wheel: expected a pack whose name is of letters, digits, '.', '-' and '_', and begins "
            "and ends with a letter or digit"
        )
    return f"edge-rerank-pack-{re.sub(r'[-_.]+', '-', pack_name).lower()}"


def write_wheel(pack: Path, output: Path) -> Path:
    """Make a wheel of the pack at ``pack``, signature included, in the folder ``output``.

    Args:
        pack: a pack's folder.
        output: a folder, made if missing.

    Returns:
        The wheel's path.

    Raises:
        PackError: when it is no sound pack.
        RecipeError: when its name or licence cannot be that of a distribution, or a wheel of the
            same name and release is there already.
    """
    opened = Pack.open(pack)
    table = _project(opened.manifest, opened.path.absolute())
    made_folder(output)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pyproject.toml").write_text(table, encoding="utf-8")
        card = opened.path / CARD_NAME
        page = card.read_text(encoding="utf-8") if card.is_file() else ""
        (project / _README).write_text(page, encoding="utf-8")
        # As a program of its own: its hook looks for the project in the working folder.
        built = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
            cwd=project,
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list((project / "dist").glob("*.whl"))
        if built.returncode or len(wheels) != 1:
            raise RecipeError(f"wheel: hatchling did not write it: {_last_line(built.stderr)}")
        with new_file(output / wheels[0].name) as target:
            shutil.copyfile(wheels[0], target)
    return output / wheels[0].name


def _project(manifest: Manifest, folder: Path) -> str:
    """The pyproject.toml of a wheel with the pack in ``folder``."""
    place = f"{HOME}/{re.sub(r'[^a-z0-9]+', '_', manifest.name.lower())}"
    project = {
        "name": distribution_name(manifest.name),
        "version": str(manifest.release),
        "description": f"The model pack {manifest.name} of edge-rerank",
        "readme": _README,
        "license": manifest.licence,
        "requires-python": ">=3.11",
        "dependencies": [f"edge-rerank>={edge_rerank.__version__}"],
    }
    names = [MANIFEST_NAME, *(entry.name for entry in manifest.files)]
    if (folder / SIGNATURE_NAME).is_file():
        names.append(SIGNATURE_NAME)
    files = {str(folder / name): f"{place}/{name}" for name in names}
    tables: dict[str, dict[str, Any]] = {
        "project": project,
        f'project.entry-points."{GROUP}"': {manifest.name: place.replace("/", ".")},
        "tool.hatch.build.targets.wheel": {"bypass-selection": True},
        "tool.hatch.build.targets.wheel.force-include": files,
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _toml(value: object) -> str:
    """A key or value; a string, a boolean or an array of these is the same in JSON."""
    return json.dumps(value, ensure_ascii=False)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason was given"
