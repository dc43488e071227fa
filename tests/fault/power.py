"""Replaying a recording of faults.c up to a power cut."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
FOLDER = "watched"
"""Name of the folder that the recorded files lie in."""


@dataclass(frozen=True)
class Step:
    """One entry of the recording; see faults.c."""

    kind: str
    name: str
    offset: int
    content: bytes


def read_recording(path: Path) -> list[Step]:
    raw = path.read_bytes()
    steps, at = [], 0
    while at < len(raw):
        kind = chr(raw[at])
        (size,) = struct.unpack_from("=H", raw, at + 1)
        name = raw[at + 3 : at + 3 + size].decode()
        offset, length = struct.unpack_from("=QQ", raw, at + 3 + size)
        at += 3 + size + 16
        content = raw[at : at + length] if kind in "WN" else b""
        at += len(content)
        steps.append(Step(kind, name, offset, content))
    return steps


@dataclass
class Disk:
    """What is safely on disk, and what was written since the last sync, by file name."""

    durable: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[Step]] = field(default_factory=dict)

    def step(self, step: Step) -> None:
        if step.kind == "S" and step.name == FOLDER:
            self._settle_deletions()
        elif step.kind == "S":
            self._settle(step.name, len(self.pending.get(step.name, [])))
        elif step.kind != "N":
            self.pending.setdefault(step.name, []).append(step)

    def _settle(self, name: str, count: int) -> None:
        """The first ``count`` steps of a file are on disk from now on."""
        steps = self.pending.pop(name, [])
        content = self.durable.pop(name, None)
        for step in steps[:count]:
            content = apply(content, step)
        if content is not None:
            self.durable[name] = content
        if steps[count:]:
            self.pending[name] = steps[count:]

    def _settle_deletions(self) -> None:
        """A sync of the folder makes what was deleted in it stay deleted."""
        for name, steps in list(self.pending.items()):
            last = max((n for n, step in enumerate(steps, start=1) if step.kind == "D"), default=0)
            if last:
                self._settle(name, last)

    def after_power_cut(self, rng: random.Random) -> dict[str, bytes]:
        """What may be found afterwards: unsynced steps kept, dropped or torn, each by lot."""
        files = dict(self.durable)
        for name, steps in self.pending.items():
            content = files.get(name)
            for step in steps:
                fate = rng.random()
                if fate < 0.4:
                    continue
                tear = fate < 0.6 and step.kind == "W" and len(step.content) > SECTOR
                content = apply(content, torn(step, rng) if tear else step)
            if content is None:
                files.pop(name, None)
            else:
                files[name] = content
        return files


def apply(content: bytes | None, step: Step) -> bytes | None:
    if step.kind == "D":
        return None
    before = content or b""
    if step.kind == "T":
        return before[: step.offset].ljust(step.offset, b"\0")
    head = before[: step.offset].ljust(step.offset, b"\0")
    return head + step.content + before[step.offset + len(step.content) :]


def torn(step: Step, rng: random.Random) -> Step:
    """Only the first sectors of a write."""
    sectors = rng.randrange(1, len(step.content) // SECTOR + 1)
    return Step("W", step.name, step.offset, step.content[: sectors * SECTOR])


def cuts(steps: list[Step], count: int, seed: int) -> Iterator[tuple[dict[str, bytes], list[str]]]:
    """Files after each of ``count`` power cuts, and what had been acknowledged before it."""
    rng = random.Random(seed)
    points = sorted(rng.choices(range(1, len(steps) + 1), k=count))
    disk, notes, done = Disk(), list[str](), 0
    for point in points:
        for step in steps[done:point]:
            disk.step(step)
            if step.kind == "N":
                notes.append(step.content.decode())
        done = point
        yield disk.after_power_cut(rng), list(notes)
