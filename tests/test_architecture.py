"""The floor plan holds: no circles, layers in their order, no module too long to read."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 450

RUNTIME = (
    "_telemetry",
    "_lazy",
    "_discreet",
    "errors",
    "_process",
    "_progress",
    "_check",
    "_media",
    "_resampling",
    "_files",
    "types",
    "ranked",
    "render",
    "result",
    "packs",
    "inference",
    "formats",
    "privacy",
    "history",
    "learning",
    "ranking",
    "tables",
    "profile",
    "feedback",
    "texts",
    "guest",
    "reranker",
    "batch",
    "integrations",
    "serve",
    "compliance",
    "evaluation",
    "export",
    "_pyinstaller",
    "cli",
    "__main__",
)
"""Packages of the runtime, the lowest layer first: each may import those before it, no other."""

TOOLCHAIN = (
    "errors",
    "files",
    "progress",
    "datasets",
    "sources",
    "models",
    "quantize",
    "recipes",
    "verify",
    "packing",
    "train",
    "studies",
    "fleet",
    "commands",
    "cli",
)
"""Likewise the toolchain's."""

HISTORY = (
    "crypto",
    "keys",
    "vault",
    "sessions",
    "clean",
    "description",
    "personal_data",
    "transfer",
    "releases",
    "budget",
    "aggregates",
    "import_log",
    "recent",
    "aliases",
    "recording",
    "overview",
    "safekeeping",
    "person_states",
    "history",
)
"""Likewise inside of the history: bytes below meaning."""

FEDERATION = ("wire", "grid", "device", "server", "evidence", "simulation")
"""Likewise inside of the fleet's federation: a device knows nothing of its server."""


@cache
def parsed(path: Path) -> ast.Module:
    """A file's syntax, read once: every rule asks for it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    base = ROOT if package == "edge_rerank" else ROOT / "export"
    found = {}
    for path in sorted((base / package).rglob("*.py")):
        name = ".".join(path.relative_to(base).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Modules that a file imports, wherever in it, for types alone as well."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in known:
                    yield whole
                elif node.module in known:
                    yield node.module


@cache
def graph(package: str) -> dict[str, set[str]]:
    """What each module imports of its own package; `__init__` itself is not counted."""
    known = modules(package)
    return {
        name: {one for one in imports(path, known) if one not in {name, package}}
        for name, path in known.items()
        if name != package
    }


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """A circle of arrows, empty where there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def children(edges: Mapping[str, set[str]], parent: str) -> dict[str, set[str]]:
    """Arrows among the children of a package: a module each, or a whole package."""
    depth = parent.count(".") + 2
    found: dict[str, set[str]] = {}
    for name, targets in edges.items():
        if not name.startswith(f"{parent}."):
            continue
        own = ".".join(name.split(".")[:depth])
        inside = {
            ".".join(one.split(".")[:depth]) for one in targets if one.startswith(f"{parent}.")
        }
        found.setdefault(own, set()).update(inside - {own})
    return found


@pytest.mark.parametrize("package", ["edge_rerank", "edge_rerank_export"])
def test_no_file_imports_itself_by_way_of_others(package: str) -> None:
    assert circle(graph(package)) == []


@pytest.mark.parametrize("package", ["edge_rerank", "edge_rerank_export"])
def test_no_circle_between_the_children_of_any_package(package: str) -> None:
    edges = graph(package)
    parents = {name.rpartition(".")[0] for name in edges}
    found = {parent: circle(children(edges, parent)) for parent in parents}
    assert {parent: one for parent, one in found.items() if one} == {}


@pytest.mark.parametrize(
    ("package", "parent", "order"),
    [
        ("edge_rerank", "edge_rerank", RUNTIME),
        ("edge_rerank", "edge_rerank.history", HISTORY),
        ("edge_rerank_export", "edge_rerank_export", TOOLCHAIN),
        ("edge_rerank_export", "edge_rerank_export.fleet.federation", FEDERATION),
    ],
)
def test_every_package_imports_from_lower_layers_alone(
    package: str, parent: str, order: tuple[str, ...]
) -> None:
    arrows = children(graph(package), parent)
    height = {f"{parent}.{name}": floor for floor, name in enumerate(order)}
    assert set(arrows) == set(height)
    upwards = [
        f"{name} -> {one}"
        for name, targets in arrows.items()
        for one in targets
        if height[one] >= height[name]
    ]
    assert upwards == []


def test_packages_that_know_little() -> None:
    """What the layers' order alone would let pass."""
    edges = children(graph("edge_rerank"), "edge_rerank")

    def below(name: str) -> set[str]:
        return {one.removeprefix("edge_rerank.") for one in edges[f"edge_rerank.{name}"]}

    assert below("types") <= {"errors", "_check", "_media"}
    assert below("privacy") <= {"errors", "types", "_check"}
    assert not below("history") & {"packs", "inference", "ranking", "render", "result"}
    assert not below("inference") & {"types", "formats", "privacy", "history"}
    assert not below("packs") & {"types", "inference"}
    # Sittings are cut where the history is; nothing else of it takes part in ranking.
    assert {
        target
        for name, targets in graph("edge_rerank").items()
        if name.startswith("edge_rerank.ranking.")
        for target in targets
        if target.startswith("edge_rerank.history")
    } <= {"edge_rerank.history.sessions"}


def test_the_runtime_names_the_toolchain_in_one_module_alone() -> None:
    guilty = [
        name
        for name, path in modules("edge_rerank").items()
        if "edge_rerank_export" in path.read_text(encoding="utf-8")
    ]
    assert guilty == ["edge_rerank.export"]


@pytest.mark.parametrize("package", ["edge_rerank", "edge_rerank_export"])
def test_no_module_is_too_long_to_read(package: str) -> None:
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in modules(package).items()
    }
    assert {name: count for name, count in lengths.items() if count > MAX_LINES} == {}


@pytest.mark.parametrize("package", ["edge_rerank", "edge_rerank_export"])
def test_every_module_says_what_it_is_for(package: str) -> None:
    for name, path in modules(package).items():
        lines = (ast.get_docstring(parsed(path)) or "").split("\n")
        assert lines[0], name
        assert lines[0].endswith((".", ":")), name
