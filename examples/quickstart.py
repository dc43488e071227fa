"""From an event to a reordered list, with an encrypted history on disk."""

import json
import tempfile
from pathlib import Path

from edge_rerank import Event, Item, KeyFile, Reranker, as_html, as_table

catalogue = Path(__file__).parent / "catalogue" / "items.jsonl"
items = {
    item.id: item
    for item in (Item(**json.loads(line)) for line in catalogue.read_text("utf-8").splitlines())
}

with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as apart:
    # The key lies apart from the history: whoever has only one of them reads nothing.
    key = KeyFile.create(Path(apart, "history.key"))
    with Reranker.open(history=Path(folder, "me.db"), key=key) as reranker:
        reranker.consent("alice", True)
        reranker.record(
            [
                Event("view", items["ridge-walk"], dwell_s=120, scroll=0.9),
                Event("search", query="a weekend in the mountains"),
            ],
            user="alice",
        )
        ranking = reranker.rank(list(items.values()), user="alice", top_k=6)
        print(as_table(ranking))

        reranker.record(Event("click", ranking[0].item, ranking=ranking.id), user="alice")
        page = as_html(reranker.rank(list(items.values()), user="alice", top_k=6))
        print(f"\nthe same as an HTML page: {len(page)} characters")

        print(f"known about alice: {reranker.profile('alice').to_json()}")
        print(f"erased: {reranker.forget('alice')}")
