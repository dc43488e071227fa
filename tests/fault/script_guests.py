"""A server with a history in which guests are busy until it is killed; see test_guests.py."""

from __future__ import annotations

import sys

from edge_rerank import Reranker
from edge_rerank.serve.service import Service


def main(folder: str, words: str) -> None:
    """Serve one guest after the other, each of whom brings the same words."""
    item = {"id": words, "text": f"{words} at home", "categories": [words]}
    with (
        Reranker.open(history=f"{folder}/h.db", key=bytes(range(32))) as reranker,
        Service(reranker) as service,
    ):
        service.call("consent", {"user": "ada", "granted": True})
        while True:
            guest = service.call("guest_open", {})["guest"]
            search = {"type": "search", "query": words}
            events = [search, {"type": "like", "item": item}]
            service.call("record", {"guest": guest, "events": events})
            service.call("rank", {"guest": guest, "items": [item], "query": words})
            service.call("record", {"user": "ada", "event": {"type": "click", "item": "plain"}})
            service.call("guest_close", {"guest": guest})
            sys.stdout.write("a guest has come and gone\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
