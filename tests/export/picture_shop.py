"""A data set folder of pictures: families that look alike, and people who stay with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.export.records import write_records

Paint = Callable[[int, int], NDArray[np.uint8]]
"""A picture of a family, by numbers of both."""


def write_shop(
    folder: Path,
    paint: Paint,
    *,
    families: int,
    each: int,
    people: int = 100,
    lists: int = 60,
    candidates: int = 8,
    new: int = 0,
    text: Callable[[int, int], str] = lambda _family, _number: "",
    media: bool = True,
    seed: int = 0,
) -> Path:
    """Write one.

    Args:
        folder: new.
        paint: paints.
        families: of things.
        each: things of a family.
        people: who choose five of one family, each fifth choice any thing.
        lists: of each split; what is asked for stands among things of any family.
        candidates: of a list.
        new: things of each family that are in lists alone, which nobody chose before.
        text: of a thing.
        media: whether the pictures are there.
        seed: of all chance.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    names = [[f"{family}-{number}" for number in range(each)] for family in range(families)]
    if media:
        (folder / "media").mkdir()
        for family in range(families):
            for number, name in enumerate(names[family]):
                Image.fromarray(paint(family, number)).save(folder / "media" / f"{name}.png")
    items = [
        {"id": name, "text": text(family, number), "image": f"{name}.png"}
        for family in range(families)
        for number, name in enumerate(names[family])
    ]
    write_records(folder / "items.jsonl", items)
    old = [own[: each - new] for own in names]
    every = [name for own in old for name in own]
    shelf = [name for own in names for name in own]

    def choices(family: int, count: int) -> list[str]:
        own = rng.choice(old[family], count, replace=False).tolist()
        made = [str(rng.choice(every)) if rng.random() < 0.2 else name for name in own]
        return list(dict.fromkeys(made))

    def asked(family: int) -> tuple[list[str], str]:
        *before, wanted = choices(family, 5)
        if rng.random() < new / each:
            return before, str(rng.choice(names[family][-new:] if rng.random() < 0.8 else shelf))
        return before, wanted

    def dated(chosen: list[str]) -> list[int]:
        return [86_400 * (1 + day) for day in range(len(chosen))]

    sequences = [choices(int(rng.integers(families)), 5) for _ in range(people)]
    write_records(
        folder / "train.jsonl",
        [
            {"user": str(user), "items": chosen, "timestamps": dated(chosen)}
            for user, chosen in enumerate(sequences)
        ],
    )
    for split in ("valid", "test"):
        requests = []
        for number in range(lists):
            before, wanted = asked(int(rng.integers(families)))
            others = [name for name in shelf if name not in {*before, wanted}]
            shown = [wanted, *rng.choice(others, candidates - 1, replace=False).tolist()]
            rng.shuffle(shown)
            history = [
                {"item": name, "timestamp": at}
                for name, at in zip(before, dated(before), strict=True)
            ]
            requests.append(
                {
                    "user": f"{split} {number}",
                    "history": history,
                    "candidates": shown,
                    "clicked": [wanted],
                    "timestamp": 86_400 * 9,
                }
            )
        write_records(folder / f"{split}.jsonl", requests)
    return folder
