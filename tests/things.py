"""A folder of people who choose things of one kind first, for replays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

COLOURS = ("red", "blue", "green", "plain", "striped", "gold", "old", "new")
KINDS = ("lamp", "teapot", "scarf", "notebook", "tent", "kettle")


def write_things(made: Path) -> Path:
    """48 things, of which each of 20 people chooses those of one kind first."""
    texts = [(f"{colour} {kind}", kind) for kind in KINDS for colour in COLOURS]
    items = [
        json.dumps({"id": str(row), "text": text, "categories": [kind]})
        for row, (text, kind) in enumerate(texts)
    ]
    (made / "items.jsonl").write_text("\n".join(items))
    rng = np.random.default_rng(0)
    lines = []
    for person in range(20):
        kind = person % len(KINDS)
        own = [kind * 8 + one for one in rng.permutation(8).tolist()]
        rest = [row for row in rng.permutation(48).tolist() if row not in own]
        chosen = [*own, *rest[:8]]
        times = [1_600_000_000 + 86_400 * (day + 2 * person) for day in range(len(chosen))]
        lines.append(
            json.dumps({"user": str(person), "items": [*map(str, chosen)], "timestamps": times})
        )
    (made / "train.jsonl").write_text("\n".join(lines))
    request = {"history": ["1", "2"], "candidates": ["3", "20", "40"], "clicked": ["3"]}
    (made / "test.jsonl").write_text(f"{json.dumps(request)}\n" * 3)
    return made
