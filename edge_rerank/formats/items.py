"""Item files and example data for the commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from edge_rerank.errors import DataError
from edge_rerank.formats.events import HOST_MEMBERS, ITEM_MEMBERS, item_from_dict
from edge_rerank.formats.jsonl import read_records
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.types import Event, Item


def read_items(path: Path) -> list[Item]:
    """The items of a JSON lines file, in its order.

    A line is ``{"id", "text", "categories"?, "popularity"?, "score"?, "vector"?,
    "fields"?}``, as the fields of :class:`~edge_rerank.types.Item`.

    Raises:
        DataError: when the file cannot be read, or at the first malformed line.
    """
    parse = partial(item_from_dict, members=(*ITEM_MEMBERS, *HOST_MEMBERS))
    return [item for _, item in read_records(path, parse)]


def read_events(
    path: Path, items: Iterable[Item], *, user: str | None = None
) -> tuple[list[Event], list[BadLine]]:
    """The events of a log, and the lines that could not be used.

    Args:
        path: see :mod:`edge_rerank.formats.logs`.
        items: give their text and categories to events that name an item by its id alone.
        user: whose events; everybody's if ``None``.

    Raises:
        DataError: when the log cannot be read, or holds several people's events, or one
            person's beside some of nobody, and ``user`` is ``None``.
    """
    known = {item.id: item for item in items}
    events: list[Event] = []
    bad: list[BadLine] = []
    users: set[str | None] = set()
    nobodys = False
    for found in read_log(path):
        if isinstance(found, BadLine):
            bad.append(found)
        elif user is None or found.user == user:
            users.add(found.user)
            nobodys = nobodys or found.nobodys
            events.append(_with_text(found.event, known))
    people = len(users - {None})
    if people > 1:
        raise DataError(path, f"expected one person's events or --user, got {people} people's")
    if people and nobodys:
        raise DataError(path, "expected one person's events or --user, got some of nobody as well")
    return events, bad


def example_catalogue() -> Path:
    """The folder of the example catalogue, in an installed wheel or in a checkout.

    Raises:
        DataError: when this installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    places = (package / "examples" / "catalogue", package.parent / "examples" / "catalogue")
    for folder in places:
        if folder.is_dir():
            return folder
    raise DataError(places[0], "this installation lacks the example catalogue")


def _with_text(event: Event, known: Mapping[str, Item]) -> Event:
    if event.item is None or event.item.text:
        return event
    return replace(event, item=known.get(event.item.id, event.item))
