"""Replaying a recording of faults.c up to a power cut."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Iterator
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
        content = applied(self.durable.pop(name, None), steps[:count])
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
            kept = []
            for step in steps:
                fate = rng.random()
                if fate < 0.4:
                    continue
                tear = fate < 0.6 and step.kind == "W" and len(step.content) > SECTOR
                kept.append(torn(step, rng) if tear else step)
            content = applied(files.get(name), kept)
            if content is None:
                files.pop(name, None)
            else:
                files[name] = content
        return files


def applied(before: bytes | None, steps: Iterable[Step]) -> bytes | None:
    """What a file holds after steps; ``None`` where there is no file."""
    # In place: a copy of the whole file a step is most of what a cut takes.
    content = None if before is None else bytearray(before)
    for step in steps:
        if step.kind == "D":
            content = None
            continue
        if content is None:
            content = bytearray()
        if len(content) < step.offset:
            content.extend(bytes(step.offset - len(content)))
        if step.kind == "T":
            del content[step.offset :]
        else:
            content[step.offset : step.offset + len(step.content)] = step.content
    return None if content is None else bytes(content)


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
