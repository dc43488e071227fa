"""Making the table of results: what is missing of its parts, then their figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import torch

from edge_rerank.errors import PackError
from edge_rerank_export.files import made_folder, write_whole
from edge_rerank_export.progress import Steps
from edge_rerank_export.studies.results.ledger import Entry, Ledger
from edge_rerank_export.studies.results.parts import Part, StudyRunner, Wanted
from edge_rerank_export.studies.results.table import Row, as_json, as_markdown, read_rows


def make_results(
    wanted: Wanted,
    *,
    only: Collection[str] | None = None,
    steps: Steps,
    announce: Callable[[str], None],
) -> list[Row]:
    """Make what is missing; after each folder the table is in ``wanted.out``.

    Args:
        wanted: see there.
        only: names of the folders to make parts for; ``None`` for all.
        steps: told of each part.
        announce: told before each part how much is left, in words.

    Returns:
        The rows of the table.

    Raises:
        EdgeRerankError: see what makes the parts; finished ones are kept.
    """
    if wanted.threads is not None:
        torch.set_num_threads(wanted.threads)
    ledger = Ledger(made_folder(wanted.out) / "ledger.json")
    parts = StudyRunner(wanted).parts()
    finished: list[Part] = []
    for number, part in enumerate(parts):
        if not _is_finished(part, ledger):
            if only is not None and part.folder not in only:
                continue
            announce(_left(part, parts[number:], ledger))
            began = time.monotonic()
            with steps(part.name) as update:
                part.make(update)
            ledger.put(part.name, Entry(part.kind, part.mark(), time.monotonic() - began))
        finished.append(part)
        if part.judges is not None:
            rows = read_rows(finished)
            write_whole(wanted.out / "results.json", as_json(rows, wanted.split))
            write_whole(wanted.out / "results.md", as_markdown(rows, wanted.split))
    return read_rows(finished)


def _is_finished(part: Part, ledger: Ledger) -> bool:
    if not part.result.exists():
        return False
    try:
        return ledger.holds(part.name, part.mark())
    except (PackError, OSError):  # what it is made of is not there
        return False


def _left(part: Part, left: Sequence[Part], ledger: Ledger) -> str:
    seconds = ledger.seconds([one.kind for one in left])
    by_others = "" if seconds is None else f", about {seconds / 60:.0f} minutes by those done"
    return f"{part.name}; at most {len(left)} parts are left{by_others}"
