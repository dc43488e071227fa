from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import board
from .__main__ import ROOT
from .board import DEPENDENCIES, PROCESSORS, missing, pins

PROGRAM = [sys.executable, "-m", "tests.arm"]


def test_without_an_emulator_the_program_says_what_to_install_and_ends_well(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        PROGRAM, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (
        "skipped: no qemu-aarch64, apt-get, dpkg-deb here: apt-get install qemu-user apt dpkg\n"
    )


def test_a_processor_says_what_its_instructions_are(tmp_path: Path) -> None:
    told = {}
    for name in PROCESSORS:
        board._say_processor(tmp_path / "proc", name)
        told[name] = (tmp_path / "proc" / "cpuinfo").read_text()
        assert told[name].count("processor\t: ") == os.cpu_count()
    assert "asimddp" in told["cortex-a76"]
    assert "asimddp" not in told["cortex-a72"]


def test_both_sides_have_the_versions_installed_here_or_named() -> None:
    assert [one.partition("==")[0] for one in pins()] == [*DEPENDENCIES]
    assert "onnxruntime==1.22.1" in pins(["onnxruntime==1.22.1"])
    assert pins()[1:2] == pins(["onnxruntime==1.22.1"])[1:2]


@pytest.mark.slow
@pytest.mark.parametrize("processor", sorted(PROCESSORS))
def test_an_emulated_board_agrees_with_this_machine(processor: str) -> None:
    """EDGE_RERANK_ARM=1 runs it: half an hour on a busy machine, and it asks the registries."""
    if os.environ.get("EDGE_RERANK_ARM") != "1":
        pytest.skip("only with EDGE_RERANK_ARM=1 is an ARM board emulated")
    if lacking := missing():
        pytest.skip(lacking)
    done = subprocess.run([*PROGRAM, "--cpu", processor], cwd=ROOT, check=False)
    assert done.returncode == 0
