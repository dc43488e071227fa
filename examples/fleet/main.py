"""200 simulated kiosks that find together where learning begins, and what that gives away.

``python -m examples.fleet.main FOLDER`` invents members of a museum who signed in at kiosks with
the catalogue of `examples/kiosk`, lets 200 of their devices take part in 20 rounds in one process,
and prints what the first lists of 600 other members gain by it, what it cost in ε, what an attacker
could tell (of fleets drawn at random, and of plain means), and how far a hostile device could go.
Flags behind FOLDER go to `edge-rerank-export federate simulate` in place of those here.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

KIOSK = Path(__file__).parents[1] / "kiosk" / "page" / "items.json"
MEMBERS = 800
CHOICES = range(8, 15)
CROWDED = {"space": 8, "nature": 5, "bread": 3}
"""How many times as often as others these topics are liked: what the fleet can find."""

FLEET = [
    *("--devices", "200", "--clients", "200", "--others", "600", "--lists", "30"),
    *("--candidates", "25", "--after", "5", "--after", "10"),
]


def catalogue() -> list[dict[str, object]]:
    """What the kiosk shows, in English."""
    return [
        {
            "id": one["id"],
            "text": "\n".join(one["en"]),
            "categories": [one["topic"], one["kind"]],
            "popularity": one["popularity"],
        }
        for one in json.loads(KIOSK.read_text(encoding="utf-8"))
    ]


def invent_members(folder: Path) -> Path:
    """Write a data set folder: the catalogue, and what each member chose of it before.

    A member likes two topics, many of them the crowded ones, and of each what others like.
    """
    chance = random.Random(0)
    items = catalogue()
    topics = sorted({item["categories"][0] for item in items})
    sequences = []
    for _ in range(MEMBERS):
        lots = {one: chance.random() ** (1 / CROWDED.get(one, 1)) for one in topics}
        liked = sorted(topics, key=lots.__getitem__)[-2:]
        lots = {
            item["id"]: chance.random()
            ** (1 / (item["popularity"] * (8 if item["categories"][0] in liked else 1)))
            for item in items
        }
        chosen = sorted(lots, key=lots.__getitem__, reverse=True)[: chance.choice(CHOICES)]
        sequences.append({"items": chance.sample(chosen, len(chosen))})
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("items", items), ("train", sequences)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def main() -> int:
    """Simulate the fleet; the folder has its report as `fleet.json` and `fleet.html`."""
    folder, *flags = sys.argv[1:] or ["fleet-of-kiosks"]
    data = invent_members(Path(folder) / "kiosks")
    command = [sys.executable, "-m", "edge_rerank.export", "federate", "simulate", str(data)]
    return subprocess.run([*command, "--out", folder, *(flags or FLEET)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
