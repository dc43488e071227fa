"""Runs the runtime on an emulated ARM board, and compares it with this machine.

A program: ``python -m tests.arm``, in a checkout, by a Python that has the runtime's dependencies
and pip. It wants qemu-user, apt-get and the registries; where one of the tools is missing it says
so, and ends well. What must hold stands in ``agreement``; a miss ends with 1. Under emulation 200
lists of the shipped pack take minutes, and each list of a scorer some more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .agreement import Figure, compare, table
from .board import EMULATOR, PROCESSORS, Board, make_board, missing, pins, pip, variables

ROOT = Path(__file__).parents[2]
COMPUTE = Path(__file__).with_name("compute.py")
TIMEOUT_S = 4 * 3600


def main() -> int:
    """Make the board, run both, print a table; 0 where all that must hold does."""
    arguments = _parser().parse_args()
    if lacking := missing():
        print(f"skipped: {lacking}")
        return 0
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        wheel = build_wheel(temporary / "wheel")
        folder = arguments.folder or temporary / "board"
        board = make_board(folder, arguments.cpu, wheel, pins(arguments.pin))
        figures = [demo_runs(board)]
        wanted = ["--examples", str(ROOT / "examples"), "--lists", str(arguments.lists)]
        if arguments.pack:
            wanted += ["--pack", str(arguments.pack.resolve())]
            wanted += ["--pack-lists", str(arguments.pack_lists)]
        here = run_here(wheel, folder, wanted)
        there = run_there(board, folder, wanted)
    print(about(arguments.cpu, here[0], there[0]))
    figures += compare(here[1], there[1])
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


def build_wheel(folder: Path) -> Path:
    """The runtime's wheel, of this checkout."""
    pip("wheel", "--no-deps", "-w", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def demo_runs(board: Board) -> Figure:
    """Whether the demo ends well on the board, and shows an order."""
    done = board.run("-m", "edge_rerank", "demo", timeout=TIMEOUT_S)
    sys.stderr.write(done.stderr)
    shown = "for everybody" in done.stdout
    return Figure("demo", "runs" if shown else "fails", "runs", done.returncode == 0 and shown)


def run_here(
    wheel: Path, folder: Path, wanted: list[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What this machine computes with the wheel and the dependencies that are installed."""
    packages, out = folder / "here", folder / "here.npz"
    shutil.rmtree(packages, ignore_errors=True)
    pip("install", "--no-deps", "--target", str(packages), str(wheel))
    done = subprocess.run(
        [sys.executable, str(COMPUTE), str(out), *wanted],
        env={"PYTHONPATH": str(packages), **variables()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    return json.loads(done.stdout), _read(out)


def run_there(
    board: Board, folder: Path, wanted: list[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the board computes."""
    out = folder / "there.npz"
    done = board.run(str(COMPUTE), str(out), *wanted, timeout=TIMEOUT_S)
    sys.stderr.write(done.stderr)
    done.check_returncode()
    return json.loads(done.stdout), _read(out)


def about(processor: str, here: dict[str, Any], there: dict[str, Any]) -> str:
    """What was compared, in a few lines."""
    version = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, check=True)
    lines = [f"{processor}, emulated by {version.stdout.splitlines()[0]}"]
    for name, side in (("here", here), ("there", there)):
        signed = side["signed"]
        weights = "unsigned"
        if signed is not None:
            small = ", in small pairs" if signed["in pairs"] else ""
            weights = f"signed from {signed['from']}{small}"
        versions = ", ".join(f"{one} {version}" for one, version in side["versions"].items())
        lines.append(f"{name}: {side['machine']}, Python {side['python']}, {versions}")
        lines.append(f"{' ' * len(name)}  int8 weights {weights}")
    return "\n".join(lines)


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as kept:
        return dict(kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.arm", description=__doc__)
    parser.add_argument("--cpu", choices=sorted(PROCESSORS), default="cortex-a76")
    parser.add_argument("--folder", type=Path, help="keep the board, and what was computed")
    parser.add_argument("--pin", action="append", default=[], metavar="NAME==VERSION")
    parser.add_argument("--lists", type=int, default=200, help="of the shipped pack")
    parser.add_argument("--pack", type=Path, help="another pack's folder, as of a scorer")
    parser.add_argument("--pack-lists", type=int, default=3, help="of 10 candidates")
    return parser


if __name__ == "__main__":
    sys.exit(main())
