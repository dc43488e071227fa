"""The locked versions that CI installs: exact, with hashes, and within the declared ranges."""

from __future__ import annotations

import os
import re
import tomllib
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCK = ROOT / ".ci" / "requirements.lock"
OURS = {"edge-rerank", "edge-rerank-export"}
APART = {"torch"}
"""Installed by the README's own pin: its wheel depends on the machine, and so would its hash."""

_PIN = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ;.*)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")

pytestmark = pytest.mark.skipif(not LOCK.exists(), reason="not a checkout")


def locked() -> dict[str, str]:
    """Versions by name."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := _PIN.match(line))}


def declared() -> dict[str, Requirement]:
    """What both distributions, and the tests, ask for themselves."""
    wanted: list[str] = []
    for folder in (ROOT, ROOT / "export"):
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted += project["dependencies"]
        wanted += project.get("optional-dependencies", {}).get("test", [])
    requirements = map(Requirement, wanted)
    return {f"{one}": one for one in requirements if canonicalize_name(one.name) not in OURS}


def test_every_line_is_an_exact_version_or_its_hash() -> None:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not (_PIN.match(line) or _HASH.match(line))] == []
    # A version line is followed by at least one hash.
    kinds = ["pin" if _PIN.match(line) else "hash" for line in lines]
    assert kinds[-1] == "hash"
    assert ("pin", "pin") not in set(pairwise(kinds))


def test_what_is_declared_is_locked_within_its_range() -> None:
    versions = locked()
    outside = [
        text
        for text, one in declared().items()
        if (name := canonicalize_name(one.name)) not in APART
        and (name not in versions or Version(versions[name]) not in one.specifier)
    ]
    assert outside == []


def test_torch_is_installed_by_the_pin_of_the_readme_alone() -> None:
    assert not APART & locked().keys()
    pin = "torch==2.13.0"
    assert pin in (ROOT / "README.md").read_text(encoding="utf-8")
    assert pin in (ROOT / ".ci" / "requirements.in").read_text(encoding="utf-8")
    assert pin in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "--require-hashes --no-deps -r .ci/requirements.lock" in (
        ROOT / ".ci" / "run"
    ).read_text(encoding="utf-8")


@pytest.mark.skipif(
    not os.environ.get("EDGE_RERANK_LOCKED"), reason="only in CI are the locked versions installed"
)
def test_what_is_installed_is_what_is_locked() -> None:
    installed = {
        canonicalize_name(one.metadata["Name"]): one.version for one in metadata.distributions()
    }
    assert {name: installed.get(name) for name in locked()} == locked()
    assert installed.keys() - locked().keys() <= {*OURS, *APART, "setuptools"}
