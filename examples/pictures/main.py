"""A shop of pictures without a word: what somebody likes, and what looks like it.

``python -m examples.pictures.main PACK FOLDER NAME [NAME ...]`` ranks the pictures of a folder for
somebody who liked those that are named.
"""

import sys
from pathlib import Path

from edge_rerank import Event, Item, Ranking, Reranker

KINDS = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"}


def gallery(folder: Path) -> list[Item]:
    """Pictures by the names of their files, which say nothing of them."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS)
    return [Item(path.name, image=path) for path in files]


def shown(reranker: Reranker, items: list[Item], liked: list[str]) -> Ranking:
    """What a visitor who liked some of them is shown of the others."""
    # Looked at once; in a shop of thousands, vectors="pictures.vectors" spares the next start that.
    catalogue = reranker.prepare(items)
    with reranker.guest_session() as guest:
        for name in liked:
            guest.record(Event("like", catalogue.select([name])[0]))
        return guest.rank(catalogue.select([item.id for item in items if item.id not in liked]))


def main() -> None:
    """Print the list, and why."""
    pack, folder, *liked = sys.argv[1:]
    with Reranker.open(pack) as reranker:
        for ranked in shown(reranker, gallery(Path(folder)), liked)[:10]:
            why = [
                f"{reason.code.lifts}: {reason.item_id}"
                for reason in ranked.reasons
                if reason.weight > 0
            ]
            print(f"{ranked.rank:2} {ranked.item.id}", *why, sep="  ")


if __name__ == "__main__":
    main()
