"""Lists for everybody, made at night: `python examples/batch/nightly.py`.

What an engine of columns would hand over: a row a person, with what they did and what may be shown.
The callable can be pickled and sent to other processes; here it ranks in this one.
"""

import json
from pathlib import Path

from edge_rerank import BatchRanker

NIGHT = 1_764_460_800.0  # UTC seconds: the same lists whenever they are made
CATALOGUE = Path(__file__).parents[1] / "catalogue" / "items.jsonl"

items = [json.loads(line) for line in CATALOGUE.read_text(encoding="utf-8").splitlines()]
titles = {item["id"]: item["text"].partition("\n")[0] for item in items}
some = [item["id"] for item in items[::9]]

people = {
    "anna": ["click", "purchase", "click"],
    "bert": ["like"],
    "carla": [],
}
first = iter(items[4::3])
rows = {
    "person": list(people),
    "history": [[next(first)["id"] for _ in events] for events in people.values()],
    "types": list(people.values()),
    "timestamps": [
        [NIGHT - 3_600 * (hours + 1) for hours in range(len(events))] for events in people.values()
    ],
    "candidates": [some, some, [*some[:3], "sold-out"]],
}

ranker = BatchRanker(CATALOGUE, now=NIGHT, top_k=3, bad_rows="mark")
lists = ranker(rows)
for person, chosen, ids, error in zip(
    lists["person"], rows["history"], lists["ids"], lists["error"], strict=True
):
    print(f"{person}, who took {', '.join(titles[name] for name in chosen) or 'nothing yet'}:")
    print("  " + (error or "; ".join(titles[name] for name in ids)))
