"""Names that docstrings refer to, and whether they exist."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`")
_DOTTED = re.compile(r"\bedge_rerank(?:_export)?(?:\.\w+)+")
_ELSEWHERE = {"time"}
"""Modules of the standard library that are referred to."""

_APART = {"flwr"}
"""Libraries with environments of their own, which are missing here as a rule."""


def unresolved(package: str, root: Path) -> Iterator[str]:
    """References in the modules of ``package``, which lies at ``root``, that lead nowhere."""
    for path in sorted(root.rglob("*.py")):
        name = ".".join([package, *path.relative_to(root).with_suffix("").parts])
        if path.name == "__main__.py" or name == "edge_rerank.export":
            continue  # they run something
        here = name.removesuffix(".__init__")
        parent = here if path.name == "__init__.py" else here.rpartition(".")[0]
        try:
            members = vars(importlib.import_module(here))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in _APART:
                continue
            raise
        classes = [one for one, value in members.items() if inspect.isclass(value)]
        text = path.read_text(encoding="utf-8")
        for target in {*_ROLE.findall(text), *_DOTTED.findall(text)}:
            if target.startswith("."):
                known = exists(parent + target)
            elif target.startswith(("edge_rerank.", "edge_rerank_export.")):
                known = exists(target)
            else:
                known = target.split(".")[0] in _ELSEWHERE or any(
                    exists(f"{place}.{target}")
                    for place in (here, *(f"{here}.{one}" for one in classes))
                )
            if not known:
                yield f"{here}: {target}"


def exists(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in _APART:
                return True
            continue
        for place, part in enumerate(parts[count:], start=count):
            if not hasattr(found, part):
                fields = [
                    vars(one).get("__annotations__", {}) for one in getattr(found, "__mro__", ())
                ]
                return place == len(parts) - 1 and any(part in one for one in fields)
            found = getattr(found, part)
        return True
    return False
