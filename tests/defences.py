"""Defences switched off, one at a time: each turns the test red that SECURITY.md names beside it.

    python tests/defences.py                    every defence; minutes
    python tests/defences.py --only audit -j 1  those whose test or file has "audit" in its name

The package is copied, one line of the copy is changed, and the one test is run on it. A test that
stays green guards nothing. Before that, all those tests are run on an unchanged copy and must be
green. A promise in SECURITY.md without a defence here is an error, and so is a defence whose line
no longer stands in the code.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tests.defences_table import DEFENCES, Defence  # noqa: E402 - found as a script as well

COPIED = ("edge_rerank", "export", "tests", ".ci")
MAX_S = 300
"""Seconds for one test; the slowest takes a minute on two busy cores."""

UNUSED = ("anyio", "platformdirs", "xdist", "xdist.looponfail")
"""Plugins that the tests do without; they are a third of what a run of one test takes to begin."""

_RED = 1
"""pytest's exit code when tests failed; others say that none ran, or that it could not begin."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test with one defence switched off."""

    defence: Defence
    code: int | None
    output: str

    @property
    def missed(self) -> str:
        """What is wrong; empty when the test turned red."""
        if self.code == _RED:
            return ""
        what = {0: "stays green", None: f"takes more than {MAX_S} s"}
        return what.get(self.code, f"does not run (exit code {self.code})")


def promised() -> list[str]:
    """The tests that SECURITY.md names, as ``path::name``."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    return list(dict.fromkeys(re.findall(r"`(tests/[\w/]+\.py::\w+)`", text)))


def gaps(defences: Sequence[Defence] = DEFENCES) -> Iterator[str]:
    """Promises without a defence, defences without a promise, and lines that are not there."""
    named = promised()
    have = {defence.test for defence in defences}
    yield from (f"no defence for {test}" for test in named if test not in have)
    yield from (f"SECURITY.md does not name {test}" for test in sorted(have - set(named)))
    for defence in defences:
        times = (ROOT / defence.file).read_text(encoding="utf-8").count(defence.old)
        if times != 1:
            yield f"{defence.file}: expected once, found {times} times: {defence.old!r}"


def node(defence: Defence) -> str:
    """What pytest is told to run: SECURITY.md leaves out the class that a test stands in."""
    path, _, name = defence.test.partition("::")
    for part in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(part, ast.ClassDef) and name in {
            getattr(one, "name", "") for one in part.body
        }:
            name = f"{part.name}::{name}"
    return f"{path}::{name}[{defence.case}]" if defence.case else f"{path}::{name}"


class Scratch:
    """A copy of the package and its tests in which lines can be changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for path in ROOT.iterdir():
            if path.name in COPIED:
                ignored = shutil.ignore_patterns("__pycache__", ".*", "build", "dist")
                shutil.copytree(path, folder / path.name, ignore=ignored)
            elif path.is_file() and not path.name.startswith("."):
                shutil.copy(path, folder)
            elif not path.name.startswith("."):
                (folder / path.name).symlink_to(path)

    def run(self, *tests: str) -> tuple[int | None, str]:
        """Run tests; returns pytest's exit code, ``None`` after too long, and what it printed."""
        paths = (self._folder, self._folder / "export")
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self._folder.parent),
        }
        without = [f"-pno:{name}" for name in ("cacheprovider", *UNUSED)]
        command = [sys.executable, "-m", "pytest", "-q", *without, *tests]
        if len(tests) == 1:
            command.append("-x")
        try:
            done = subprocess.run(
                command,
                cwd=self._folder,
                env=variables,
                capture_output=True,
                text=True,
                timeout=MAX_S * len(tests),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, ""
        return done.returncode, done.stdout + done.stderr

    def without(self, defence: Defence, test: str) -> Outcome:
        """Run the defence's ``test``, see :func:`node`, without it, and put it back."""
        path = self._folder / defence.file
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise ValueError(f"{defence.file}: only what is copied can be changed")
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole.replace(defence.old, defence.new), encoding="utf-8")
        try:
            return Outcome(defence, *self.run(test))
        finally:
            path.write_text(whole, encoding="utf-8")


def switched_off(defences: Sequence[Defence], jobs: int) -> Iterator[Outcome]:
    """Each defence's outcome, in their order."""
    with tempfile.TemporaryDirectory(prefix="defences-") as folder:
        free: SimpleQueue[Scratch] = SimpleQueue()
        for number in range(jobs):
            place = Path(folder, str(number))
            place.mkdir()
            free.put(Scratch(place))

        def run(defence: Defence, test: str) -> Outcome:
            scratch = free.get()
            try:
                return scratch.without(defence, test)
            finally:
                free.put(scratch)

        with ThreadPoolExecutor(jobs) as pool:
            # Sources are parsed by this thread alone: Python 3.11's parser is not for several.
            yield from pool.map(run, defences, list(map(node, defences)))


def control(defences: Sequence[Defence]) -> str:
    """What the tests say of an unchanged copy; empty when all are green."""
    with tempfile.TemporaryDirectory(prefix="defences-") as folder:
        place = Path(folder, "unchanged")
        place.mkdir()
        code, output = Scratch(place).run(*dict.fromkeys(map(node, defences)))
        return "" if code == 0 else output


def main(arguments: Sequence[str]) -> int:
    """Run them and print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="part of the name of a test or a file")
    parser.add_argument("--jobs", "-j", type=int, default=2, help="copies at work side by side")
    parser.add_argument("--skip-control", action="store_true", help="the suite has just been green")
    given = parser.parse_args(arguments)
    wrong = list(gaps())
    for gap in wrong:
        print(gap)
    if wrong:
        return 1
    chosen = [one for one in DEFENCES if given.only in f"{one.test} {one.file}"]
    if not given.skip_control and (output := control(chosen)):
        print(output, "a test is red although nothing was changed", sep="\n")
        return 1
    missed = 0
    for outcome in switched_off(chosen, given.jobs):
        defence = outcome.defence
        print(f"{outcome.missed or 'red':<12} {node(defence)}  {defence.file}: {defence.what}")
        missed += bool(outcome.missed)
    print(f"{len(chosen) - missed} of {len(chosen)} defences are missed when switched off")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
