"""A newcomer's path, timed: from nothing to a personalised list of their own, and to LangChain.

``python .ci/newcomer.py WHEEL FOLDER`` makes a fresh environment for each path, installs the wheel
as a package index would give it, and does what the README and the adapters' page say, on a log of
its own with columns that nobody here has named. It fails where a list is wrong or a path too long.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path

TYPING_S = 120.0
"""What a person takes to type; of the minutes allowed, the rest is the machine's."""

LOG_S, LANGCHAIN_S = 300.0 - TYPING_S, 180.0

PLANTS = (
    ("p1", "Tomato seedlings in egg boxes", "Vegetables", 40),
    ("p2", "A bed of early peas", "Vegetables", 25),
    ("p3", "Pruning old apple trees", "Orchard", 61),
    ("p4", "Climbing roses against a wall", "Flowers", 88),
    ("p5", "Saving seed from runner beans", "Vegetables", 12),
    ("p6", "Dahlias through the winter", "Flowers", 47),
)
SEEN = (("ines", "p1"), ("otto", "p4"), ("ines", "p2"))

LANGCHAIN = """
    from langchain_core.documents import Document
    from edge_rerank import Reranker
    from edge_rerank.integrations.langchain import EdgeRerankCompressor

    texts = ["Roses climb best against a south wall.", "Peas are sown in March, before the frost."]
    compressor = EdgeRerankCompressor(reranker=Reranker.open())
    found = compressor.compress_documents([Document(text) for text in texts], "when to sow peas")
    assert "Peas" in found[0].page_content, "expected the text about peas first"
    first, second = (one.metadata["relevance_score"] for one in found)
    assert first > 10 * second, (first, second)
"""


def fresh(folder: Path, *packages: str) -> Path:
    """An environment of its own with these packages; its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    run(programs / "pip", "install", "-q", *packages)
    return programs


def run(program: Path, *arguments: str, cwd: Path | None = None) -> str:
    """What a program prints; it has to succeed."""
    done = subprocess.run(  # noqa: S603
        [program, *arguments], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def own_log(wheel: str, folder: Path) -> None:
    """From a log to a personalised list."""
    programs = fresh(folder / "log", wheel)
    here = folder / "garden"
    (here / "safe").mkdir(mode=0o700, parents=True)
    with (here / "plants.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("Plant", "Title", "Bed", "Times read"), *PLANTS])
    with (here / "visits.csv").open("w", newline="") as stream:
        rows = [(*who, f"2026-11-{day:02}T09:00:00Z") for day, who in enumerate(SEEN, start=1)]
        csv.writer(stream).writerows([("Gardener", "Plant", "Read on"), *rows])
    items = ("--items", "plants.csv")
    named = ("--map-items", "id=Plant,text=Title,categories=Bed,popularity=Times read")
    history = ("--history", "garden.db", "--key-file", "safe/key")
    columns = ("--map", "user=Gardener,item=Plant,time=Read on", "--type", "view", "--consent-all")
    run(
        programs / "edge-rerank",
        "import",
        "visits.csv",
        *columns,
        *items,
        *named,
        *history,
        cwd=here,
    )
    rank = ("rank", *items, *named, *history, "--user", "ines", "--json")
    found = json.loads(run(programs / "edge-rerank", *rank, cwd=here))
    order = [one["id"] for one in found["items"]]
    if not found["personalised"] or order.index("p5") > 2:
        raise SystemExit(f"newcomer: expected a third vegetable near the top, got {order}")


def langchain(wheel: str, folder: Path) -> None:
    """From nothing to texts reranked in LangChain."""
    programs = fresh(folder / "langchain", f"{wheel}[langchain]")
    run(programs / "python", "-c", textwrap.dedent(LANGCHAIN))


def main() -> int:
    """Take both paths; 1 where one was too long."""
    wheel, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True)
    late = False
    for path, limit in ((own_log, LOG_S), (langchain, LANGCHAIN_S)):
        started = time.monotonic()
        path(wheel, folder)
        took = time.monotonic() - started
        late |= took > limit
        print(f"{path.__name__}: {took:.0f} s of {limit:.0f}")  # noqa: T201
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
