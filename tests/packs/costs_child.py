"""Opens packs and ranks with them, in a process of its own: what became of each, and its cost.

Run with a folder of packs; prints a line of JSON for each, before and after.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from edge_rerank.errors import EdgeRerankError
from edge_rerank.inference.runtime import Runtime
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Event, Item
from tests.peak import peak_mib

ITEMS = [Item(str(at), text) for at, text in enumerate(["a b", "c", "d e f a b", "b" * 400, "f"])]


def main() -> None:
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps({"opens": folder.name}), flush=True)
        started = time.perf_counter()
        outcome = "refused"
        try:
            with RankingEngine.open(folder, runtime=Runtime(threads=1)) as engine:
                outcome = "opened"
                history = [Event("click", ITEMS[0], timestamp=1.0)]
                engine.rank(ITEMS, history=history, query="a c")
                outcome = "ranked"
        except EdgeRerankError as error:
            outcome = f"{outcome} {type(error).__name__}: {error}"
        seconds = time.perf_counter() - started
        line = {"pack": folder.name, "outcome": outcome, "s": seconds, "mib": peak_mib()}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
