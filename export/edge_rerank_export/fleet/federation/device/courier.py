"""The courier beside a device: carries a round's terms in and a sealed vector out, by a folder.

It talks to the server, and the application has the history. So that these never meet, the courier
is a process of its own that sees sealed bytes alone: it puts a round into the exchange folder and
waits for the application, which decides by itself, to lay an answer beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import made_folder, write_whole

ROUND_FILE, ANSWER_FILE, PRIOR_FOLDER = "round.json", "answer.sealed", "prior"

MOST_BYTES = 1 << 16
"""Of an answer, which has about 1 KiB."""

_OFTEN_S = 0.2


def carry(
    exchange: Path,
    terms: str,
    prior: Mapping[str, bytes],
    *,
    seconds: float,
    wait: Callable[[float], object] = time.sleep,
) -> bytes | None:
    """Lay a round into the exchange folder and fetch its answer.

    Args:
        exchange: shared with the application; readable by both alone.
        terms: of the round, see :meth:`edge_rerank.FleetRound.from_json`.
        prior: files of the pack that heads begin with in it, by plain name; none for the first.
        seconds: to wait.
        wait: waits that long.

    Returns:
        The answer; ``None`` where there is none in time, or it is no such file.

    Raises:
        RecipeError: when a file of the prior is called like a path, or the folder cannot be made.
    """
    folder = made_folder(exchange)
    answer = folder / ANSWER_FILE
    for stale in (folder / ROUND_FILE, answer):
        stale.unlink(missing_ok=True)
    _lay(made_folder(folder / PRIOR_FOLDER), prior)
    write_whole(folder / ROUND_FILE, terms)
    waited = 0.0
    while not answer.is_file():
        if waited >= seconds:
            (folder / ROUND_FILE).unlink(missing_ok=True)
            return None
        wait(_OFTEN_S)
        waited += _OFTEN_S
    sealed = answer.read_bytes() if answer.stat().st_size <= MOST_BYTES else None
    for done in (folder / ROUND_FILE, answer):
        done.unlink(missing_ok=True)
    return sealed


def _lay(folder: Path, files: Mapping[str, bytes]) -> None:
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        if Path(name).name != name or name.startswith("."):
            raise RecipeError("prior: expected plain file names")
        (folder / name).write_bytes(content)
