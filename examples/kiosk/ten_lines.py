"""A public terminal: each visitor has a session in memory, wiped when they walk away."""

import json
from pathlib import Path

from edge_rerank import Event, Item, Reranker

lines = (Path(__file__).parents[1] / "catalogue" / "items.jsonl").read_text("utf-8").splitlines()
items = [Item(**json.loads(line)) for line in lines]

with Reranker.open() as reranker:
    reranker.warmup(items)
    for touched in ("first-telescope", "rye-loaf"):
        with reranker.guest_session() as guest:
            guest.record(Event("like", next(item for item in items if item.id == touched)))
            print(touched, "→", *(ranked.item.id for ranked in guest.rank(items, top_k=4)))
