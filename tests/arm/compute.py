"""What one machine makes of texts and lists, written to a file: run on both, by their own Python.

A program that imports the runtime and numpy alone. Each list is 50 items of an example's catalogue
for a person with eight events in it, a third of them with a query; all that is drawn is drawn from
seeds, and the moment is given.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Event, Item, RankingEngine, Runtime
from edge_rerank.formats.items import read_items
from edge_rerank.inference.signed_products import exact_products

NOW = 1_772_000_000.0
"""UTC seconds at which all is ranked."""

_KINDS = ("click", "click", "like", "view", "dismiss")
_HISTORY = 8
_QUERY_EACH = 3

Case = tuple[list[Item], list[Event], str | None]
"""Candidates, what the person did, and their query."""


def catalogues(examples: Path) -> list[list[Item]]:
    """The items in English of every example."""
    return [read_items(path) for path in sorted(examples.glob("*/*.jsonl")) if _is_english(path)]


def cases(shelves: Sequence[Sequence[Item]], count: int, candidates: int) -> Iterator[Case]:
    """Lists to be ranked, the catalogues in turn."""
    for number in range(count):
        rng = random.Random(number)
        shelf = list(shelves[number % len(shelves)])
        rng.shuffle(shelf)
        had, offered = shelf[:_HISTORY], shelf[_HISTORY : _HISTORY + candidates]
        events = [
            Event(
                kind := rng.choice(_KINDS),
                item,
                timestamp=NOW - 3600 * (len(had) - place),
                dwell_s=rng.randrange(5, 200) if kind == "view" else None,
            )
            for place, item in enumerate(had)
        ]
        query = None
        if number % _QUERY_EACH == 0:
            query = " ".join(rng.choice(shelf).text.split()[:3])
        yield offered, events, query


def ranked(
    engine: RankingEngine, lists: Sequence[Case]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Scores and places of each candidate, one list after the other, and how long each list is."""
    scores: list[float] = []
    places: list[int] = []
    for items, events, query in lists:
        ranking = engine.rank(items, history=events, query=query, now=NOW)
        found = {one.item.id: one for one in ranking}
        scores += [found[item.id].score for item in items]
        places += [found[item.id].rank for item in items]
    lengths = np.array([len(items) for items, _, _ in lists])
    return np.array(scores), np.array(places), lengths


def facts() -> dict[str, Any]:
    """What the machine is, and which form of int8 weights its trial chose."""
    exact = exact_products()
    names = ("cryptography", "numpy", "onnxruntime", "sqlite-utils", "tokenizers")
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in names},
        "signed": None if exact is None else {"from": exact.least, "in pairs": exact.in_pairs},
    }


def main() -> None:
    """Write the shipped pack's vectors and lists, and the lists of another pack if one is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--lists", type=int, required=True)
    parser.add_argument("--pack")
    parser.add_argument("--pack-lists", type=int, default=0)
    parser.add_argument("--pack-candidates", type=int, default=10)
    arguments = parser.parse_args()
    shelves = catalogues(arguments.examples)
    kept: dict[str, NDArray[Any]] = {}
    opening: list[tuple[str, str | None, list[Case]]] = [
        ("shipped", None, list(cases(shelves, arguments.lists, 50)))
    ]
    if arguments.pack:
        few = list(cases(shelves, arguments.pack_lists, arguments.pack_candidates))
        opening.append(("pack", arguments.pack, few))
    for name, pack, lists in opening:
        begun = time.perf_counter()
        with RankingEngine.open(pack, runtime=Runtime(threads=1)) as engine:
            if pack is None:
                kept["vectors"] = engine.vectors([item for shelf in shelves for item in shelf])
            scores, places, lengths = ranked(engine, lists)
        kept |= {f"{name}.scores": scores, f"{name}.places": places, f"{name}.lengths": lengths}
        np.savez(arguments.out, **kept)
        sys.stderr.write(f"{name}: {len(lists)} lists in {time.perf_counter() - begun:.0f} s\n")
    print(json.dumps(facts()))


def _is_english(path: Path) -> bool:
    return path.stem != "events" and not path.parent.name.endswith("_zh")


if __name__ == "__main__":
    main()
