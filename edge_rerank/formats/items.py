"""Item files and example data for the commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_rerank.errors import DataError, InvalidInput
from edge_rerank.formats.events import HOST_MEMBERS, ITEM_MEMBERS, item_from_dict
from edge_rerank.formats.jsonl import Record, by_our_names, expect_members, read_records
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.lines import TextFile
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.formats.members import ITEMS, members_of
from edge_rerank.formats.table import Table, is_table
from edge_rerank.types import Event, Item


def read_items(path: Path, layout: FileLayout | None = None) -> list[Item]:
    """The items of a file, in its order.

    A line of JSON is ``{"id", "text", "categories"?, "popularity"?, "score"?, "vector"?,
    "fields"?, "published"?}``, as the fields of :class:`~edge_rerank.types.Item`; a table, by its
    name ``.csv``, ``.tsv``, ``.txt`` or ``.dat``, has columns of these names but "vector" and
    "fields". Names that resemble them are recognised, as ``title`` for ``text``.

    Args:
        path: plain or gzipped.
        layout: what its columns are called and how it is written; ``None`` for our own names.

    Raises:
        DataError: when the file cannot be read, or at the first malformed line.
    """
    layout = layout or FileLayout()
    if is_table(path):
        text = TextFile(path, layout.encoding)
        records = Table.of(text, ITEMS, layout, "id").records(text.lines())
        return [_item_of(record, path, line) for line, record in records]
    expect_members(TextFile(path), ITEMS, layout)

    def parse(record: Record) -> Item:
        members = members_of(tuple(record), ITEMS, layout.named)
        return _item(by_our_names(dict(record), members))

    return [item for _, item in read_records(path, parse)]


def _item(record: Record) -> Item:
    return item_from_dict(record, (*ITEM_MEMBERS, *HOST_MEMBERS))


def _item_of(record: Record | str, path: Path, line: int) -> Item:
    """The item of a row of a table.

    Raises:
        DataError: when it is none.
    """
    if isinstance(record, str):
        raise DataError(path, record, line=line)
    try:
        return _item(record)
    except InvalidInput as error:
        raise DataError(path, str(error), line=line) from None


def read_events(
    path: Path,
    items: Iterable[Item],
    *,
    user: str | None = None,
    layout: FileLayout | None = None,
) -> tuple[list[Event], list[BadLine]]:
    """The events of a log, and the lines that could not be used.

    Args:
        path: see :mod:`edge_rerank.formats.logs`.
        items: give their text and categories to events that name an item by its id alone.
        user: whose events; everybody's if ``None``.
        layout: what the log's columns are called and how it is written.

    Raises:
        DataError: when the log cannot be read, or holds several people's events, or one
            person's beside some of nobody, and ``user`` is ``None``.
    """
    events: list[Event] = []
    bad: list[BadLine] = []
    users: set[str | None] = set()
    nobodys = False
    for found in read_log(path, layout, items):
        if isinstance(found, BadLine):
            bad.append(found)
        elif user is None or found.user == user:
            users.add(found.user)
            nobodys = nobodys or found.nobodys
            events.append(found.event)
    people = len(users - {None})
    if people > 1:
        raise DataError(path, f"expected one person's events or --user, got {people} people's")
    if people and nobodys:
        raise DataError(path, "expected one person's events or --user, got some of nobody as well")
    return events, bad


def example_catalogue(language: str = "en") -> Path:
    """The folder of the example catalogue, in an installed wheel or in a checkout.

    Args:
        language: "en" or "zh".

    Raises:
        DataError: when this installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    name = "catalogue" if language == "en" else f"catalogue_{language}"
    places = (package / "examples" / name, package.parent / "examples" / name)
    for folder in places:
        if folder.is_dir():
            return folder
    raise DataError(places[0], "this installation lacks the example catalogue")
