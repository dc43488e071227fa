"""What the fault tests share. EDGE_RERANK_FULL=1 runs the counts that the promises name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FULL = os.environ.get("EDGE_RERANK_FULL") == "1"


@pytest.fixture(scope="session")
def faults_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``faults.c``, compiled, to be preloaded."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "faults.c")]
    subprocess.run([*command, "-ldl"], check=True)
    return library


@pytest.fixture
def run_script() -> Callable[..., str]:
    """Runs one of the scripts beside this file in a fresh interpreter and returns its output."""

    def run(name: str, *arguments: object, preload: Path | None = None) -> str:
        variables = dict(os.environ)
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        if preload is not None:
            variables["LD_PRELOAD"] = str(preload)
        done = subprocess.run(
            [sys.executable, str(HERE / name), *map(str, arguments)],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
