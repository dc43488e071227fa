"""The package as a whole: its names, its weight, its manners."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge_rerank
from edge_rerank import errors
from tests.references import exists, unresolved

PACKAGE = Path(edge_rerank.__file__).parent
ROOT = Path(__file__).parents[1]
MODULES = [
    info.name
    for info in pkgutil.walk_packages([str(PACKAGE)], "edge_rerank.")
    if not info.name.endswith("__main__")
    and not info.name.startswith("edge_rerank.integrations.")  # imports its framework
]


def test_all_is_what_is_public() -> None:
    public = {
        name
        for name in dir(edge_rerank)
        if not name.startswith("_")
        and (name == "errors" or not inspect.ismodule(getattr(edge_rerank, name)))
    }
    assert public == set(edge_rerank.__all__)
    assert list(edge_rerank.__all__) == sorted(edge_rerank.__all__)


def test_the_door_documents_what_is_public() -> None:
    named = re.findall(r":(?:class|func|mod):`(\w+)`", edge_rerank.__doc__ or "")
    assert sorted(named) == list(edge_rerank.__all__)


@pytest.mark.parametrize("name", edge_rerank.__all__)
def test_what_is_public_is_explained_without_what_is_not(name: str) -> None:
    """Its own docstring and those of its methods name the door, never a module behind it."""
    value = getattr(edge_rerank, name)
    assert inspect.getdoc(value)
    members = vars(value).items() if inspect.isclass(value) else ()
    for member, one in (("", value), *members):
        if not member.startswith("_"):
            found = re.findall(r"`~?(edge_rerank\.[a-z_]\w*\.[\w.]+)`", inspect.getdoc(one) or "")
            inside = [target for target in found if not target.startswith("edge_rerank.errors.")]
            assert not inside, f"{name}.{member}"


def test_everything_else_is_private_or_says_that_it_is_internal() -> None:
    assert "every other module is internal" in (edge_rerank.__doc__ or "")
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert text.startswith("Internal: "), path.parent.name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Rerankers'"):
        edge_rerank.Rerankers  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from edge_rerank import Rerankers  # type: ignore[attr-defined]  # noqa: F401


def python_of(path: Path) -> list[str]:
    """The Python code of a document or of an example."""
    text = path.read_text(encoding="utf-8")
    return [text] if path.suffix == ".py" else re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("*.md"), *(ROOT / "export").glob("*.md"), *(ROOT / "examples").glob("*.py")],
    ids=lambda path: path.name,
)
def test_documents_and_examples_import_from_the_door_alone(path: Path) -> None:
    for code in python_of(path):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge_rerank."):
                assert node.module == "edge_rerank.errors", node.module
            elif isinstance(node, ast.ImportFrom) and node.module == "edge_rerank":
                assert {alias.name for alias in node.names} <= set(edge_rerank.__all__)


def test_every_error_stands_in_the_tree_of_the_docstring() -> None:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, errors.EdgeRerankError), name
            assert name in (errors.__doc__ or ""), name


def test_the_base_is_never_raised_and_only_the_command_line_prints() -> None:
    """What each module raises and calls, all of them read once."""
    guilty = []
    for path in PACKAGE.rglob("*.py"):
        prints = "cli" in path.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                assert getattr(node.exc.func, "id", "") != "EdgeRerankError", path
            elif isinstance(node, ast.Call) and not prints:
                called = node.func
                if isinstance(called, ast.Attribute):
                    told = called.attr == "basicConfig" and ast.unparse(called.value) == "logging"
                else:
                    told = getattr(called, "id", "") == "print"
                if told:
                    guilty.append(path.name)
    assert not guilty


def test_no_module_imports_torch_or_transformers() -> None:
    """In one fresh interpreter, where both may well be installed."""
    script = (
        "import importlib, sys\n"
        f"for name in {[name for name in MODULES if name != 'edge_rerank.export']!r}:\n"
        "    importlib.import_module(name)\n"
        "heavy = {'torch', 'transformers', 'optimum', 'onnx', 'pandas', 'scipy', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_package_does_not_load_onnxruntime() -> None:
    script = "import sys, edge_rerank; print('onnxruntime' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_telemetry_is_off_before_onnxruntime_loads() -> None:
    script = (
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "import edge_rerank._telemetry as t\n"
        "print(t.TELEMETRY_OFF, os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "1"]


def test_a_host_that_loaded_onnxruntime_first_is_warned() -> None:
    script = (
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "import sys, types; sys.modules['onnxruntime'] = types.ModuleType('onnxruntime')\n"
        "import edge_rerank\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "telemetry may be on" in done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, name
    for member, value in vars(module).items():
        local = getattr(value, "__module__", None) == name
        if local and not member.startswith("_") and (inspect.isclass(value) or callable(value)):
            assert inspect.getdoc(value), f"{name}.{member}"


def test_docstrings_refer_to_names_that_exist() -> None:
    assert exists("edge_rerank.ranking.request.RankOptions.query")
    assert not exists("edge_rerank.ranking.request.RankOptions.words")
    assert sorted(unresolved("edge_rerank", PACKAGE)) == []
