"""What a model costs where it runs: size, time beside processor time, and memory at its peak.

Each form of a model runs in a process of its own that does nothing else and has neither PyTorch
nor the other form in memory: ``python -m edge_rerank_export.verify.cost READINGS MODEL [WEIGHTS]``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InferenceError
from edge_rerank.inference.session import Session
from edge_rerank.packs.external_data import Model
from edge_rerank_export.files import data_file

ROUNDS = 3
"""Times that each input is read; the first of them, which touches all memory, does not count."""

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one form of a model costs, by one thread.

    Attributes:
        size: of the ONNX file, bytes.
        wall_ms: median of one run, milliseconds.
        processor_ms: processor time of the same, which other work on the machine does not lengthen.
        peak_mib: of the process that ran it, MiB; Python and onnxruntime are about 60 of them.
    """

    size: int
    wall_ms: float
    processor_ms: float
    peak_mib: float


def cost_of(model: Path, readings: Sequence[Mapping[str, NDArray[Any]]]) -> Cost:
    """Run a model in a fresh process.

    Args:
        model: an ONNX file.
        readings: inputs of its runs.

    Raises:
        InferenceError: when it cannot be run.
    """
    beside = data_file(model)
    files = [model, beside] if beside.exists() else [model]
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "readings.npz"
        arrays: dict[str, Any] = {
            f"{number}/{name}": value
            for number, reading in enumerate(readings)
            for name, value in reading.items()
        }
        np.savez(inputs, **arrays)
        command = [sys.executable, "-m", __name__, str(inputs), *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise InferenceError(f"a measurement process ended with code {done.returncode}")
    size = sum(path.stat().st_size for path in files)
    return Cost(size=size, **json.loads(done.stdout))


def _main(inputs: Path, model: Path, beside: Path | None = None) -> dict[str, float]:
    read = Model(model.read_bytes())
    if beside is not None:
        read = replace(read, data=beside.read_bytes(), location=beside.name)
    session = Session(read, threads=1)
    del read
    readings = _readings(inputs, session)
    wall, processor = [], []
    for turn in range(ROUNDS):
        for reading in readings:
            began, spent = time.perf_counter(), time.process_time()
            session.run(reading)
            if turn:
                wall.append(time.perf_counter() - began)
                processor.append(time.process_time() - spent)
    return {
        "wall_ms": 1e3 * statistics.median(wall),
        "processor_ms": 1e3 * statistics.median(processor),
        "peak_mib": _peak_mib(),
    }


def _readings(inputs: Path, session: Session) -> list[dict[str, NDArray[Any]]]:
    readings: dict[str, dict[str, NDArray[Any]]] = {}
    with np.load(inputs) as values:
        for name in values.files:
            number, _, entry = name.partition("/")
            if entry in session.inputs:
                readings.setdefault(number, {})[entry] = values[name]
    return list(readings.values())


def _peak_mib() -> float:
    """``VmHWM`` of proc(5) where there is one: ``ru_maxrss`` counts the starting process too."""
    if _STATUS.exists():
        text = _STATUS.read_text(encoding="ascii")
        return int(text.partition("VmHWM:")[2].split()[0]) / 1024
    import resource  # noqa: PLC0415 - not on Windows

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(*map(Path, sys.argv[1:]))))
