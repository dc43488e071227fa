"""The command ``data``: data set folders made of logs, checked, split anew, lists drawn anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_rerank._check import check_number
from edge_rerank.cli.options import add_items, add_log_layout, items_of, log_layout, positive, share
from edge_rerank.errors import DataError, InvalidEvent
from edge_rerank.formats.times import read_timestamp
from edge_rerank.render.texttable import one_line
from edge_rerank_export.commands._arguments import (
    EXIT_CODES,
    Commands,
    add_command,
    add_counts,
    add_json,
    add_seed,
)
from edge_rerank_export.commands._output import say_json
from edge_rerank_export.datasets.check import check
from edge_rerank_export.datasets.convert import Conversion, convert
from edge_rerank_export.datasets.last import NEGATIVES, leave_last_out
from edge_rerank_export.datasets.redraw import redraw
from edge_rerank_export.progress import on_console

_SHOWN = 20
_DEFAULT = Conversion()

_CONVERT = """\
Make a data set folder of a log with a user, an item and a time in each line: what people chose
last is asked for, among items that others had chosen by then. Users become numbers. The folder is
what eval, finetune and verify --texts read. LOG may be such a folder itself, with times, which is
split anew: nothing that is learnt from is then later than a list.
"""
_CHECK = """\
Hold every line of a data set folder to the rules of the format. Violations are printed as
FILE:LINE: REASON; with any the exit code is 2. Remarks say what is allowed and makes figures mean
less.
"""


_LISTS = """\
Write the lists of a split anew: what was chosen, among items that others had chosen by then and
that the person never had to do with, ten of 19 drawn with equal chances and nine by
popularity^0.75, with the popularity of the time. Beside items that did not exist yet, what was
chosen is easily told.
"""

_LAST = """\
Make a folder of which everybody's last choice is the split test, the one before it valid, and all
earlier ones train: the split that most figures of recommenders are published on. What is learnt
from one person may be later than what is asked of another, so these figures are hopeful; convert
splits a folder at one moment for all.
"""


def register(commands: Commands) -> None:
    """Add the command with its own: convert, check, lists, last."""
    summary = "make a data set folder of a log, check one, split it anew, or draw its lists anew"
    parser = commands.add_parser("data", help=summary, description=summary, epilog=EXIT_CODES)
    actions = parser.add_subparsers(
        title="actions", metavar="ACTION", required=True, help="what to do; each has its own help"
    )
    converter = add_command(actions, "convert", _convert, "make a folder of a log", _CONVERT)
    converter.add_argument("log", type=Path, metavar="LOG", help="JSON lines, a table, or a folder")
    add_log_layout(converter)
    add_items(converter, required=False)
    converter.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="the folder to be"
    )
    for flag, kind, metavar, default, words in (
        ("--negatives", positive, "N", _DEFAULT.negatives, "items beside the chosen one in a list"),
        (
            "--max-history",
            positive,
            "N",
            _DEFAULT.history,
            "newest events before a list kept with it",
        ),
        ("--min-events", positive, "N", _DEFAULT.min_events, "choices that a person needs"),
        ("--valid", share, "X", _DEFAULT.valid, "share of the choices for the split valid"),
        ("--test", share, "X", _DEFAULT.test, "share of the choices, the last, for the split test"),
        (
            "--lists",
            positive,
            "N",
            _DEFAULT.lists,
            "lists in a split at most, drawn if there are more",
        ),
        ("--seed", int, "N", _DEFAULT.seed, "of all chance: the same gives the same bytes"),
    ):
        converter.add_argument(
            flag, type=kind, default=default, metavar=metavar, help=f"{words} (default: {default})"
        )
    converter.add_argument(
        "--split-at",
        type=_moment,
        metavar="TIME",
        help="when the split test begins, as 2025-03-31 (default: so that it has its share)",
    )
    add_json(converter)
    checker = add_command(actions, "check", _check, "hold a folder to the format", _CHECK)
    checker.add_argument("folder", type=Path, metavar="FOLDER", help="a data set folder")
    add_json(checker)
    drawer = add_command(
        actions, "lists", _lists, "write lists without leakage from the future", _LISTS
    )
    drawer.add_argument("folder", type=Path, metavar="FOLDER", help="a data set folder with times")
    drawer.add_argument(
        "--split", default="test", metavar="S", help="whose requests (default: test)"
    )
    drawer.add_argument(
        "--negatives",
        type=_negatives,
        default=_DEFAULT.negatives,
        metavar="N",
        help='items beside the chosen one, or "all" that there were (default: 19)',
    )
    drawer.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the file to be (default: FOLDER/SPLIT_born.jsonl.gz, SPLIT_born100 for 99 negatives)",
    )
    add_seed(drawer)
    add_json(drawer)
    last = add_command(actions, "last", _last, "ask everybody for their last choice", _LAST)
    last.add_argument("folder", type=Path, metavar="FOLDER", help="a data set folder")
    last.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to be")
    add_counts(last, ("negatives", NEGATIVES, "items beside the chosen one in a list, at most"))
    add_seed(last)
    add_json(last)


def _convert(arguments: argparse.Namespace, console: Console) -> None:
    conversion = Conversion(
        negatives=arguments.negatives,
        history=arguments.max_history,
        min_events=arguments.min_events,
        valid=arguments.valid,
        test=arguments.test,
        split_at=arguments.split_at,
        lists=arguments.lists,
        seed=arguments.seed,
    )
    made = convert(
        arguments.log,
        items_of(arguments),
        arguments.out,
        conversion,
        layout=log_layout(arguments),
        steps=on_console(console),
    )
    _print(console, f"read as {made.summary.form}")
    for line in made.bad[:_SHOWN]:
        _print(console, f"line {line.line}: {line.reason}")
    if len(made.bad) > _SHOWN:
        _print(console, f"{len(made.bad) - _SHOWN} more bad lines")
    table = Table("what", "count", show_edge=False)
    for what, count in made.summary.rows():
        table.add_row(what, escape(count))
    console.print(table)
    if arguments.json:
        say_json(made.summary.to_dict())


def _check(arguments: argparse.Namespace, console: Console) -> None:
    found = check(arguments.folder, steps=on_console(console))
    if arguments.json:
        say_json(found.to_dict())
    for one in found.violations[: None if arguments.json else _SHOWN]:
        _print(console, str(one))
    if len(found.violations) > _SHOWN and not arguments.json:
        _print(console, f"{len(found.violations) - _SHOWN} more; --json prints all")
    for name, count in found.attributes.items():
        _print(console, f"known of people: {one_line(name)}: {count}")
    for remark in found.remarks:
        _print(console, f"remark: {remark}")
    if found.violations:
        many = len(found.violations)
        raise DataError(arguments.folder, f"breaks the format in {many} place{'s'[: many > 1]}")
    lines = ", ".join(f"{count} in {name}" for name, count in found.counts.items())
    _print(console, f"in order: {lines}")


def _lists(arguments: argparse.Namespace, console: Console) -> None:
    negatives: int | None = arguments.negatives
    size = "" if negatives == _DEFAULT.negatives else "all" if negatives is None else negatives + 1
    name = f"{arguments.split}_born{size}.jsonl.gz"
    out = arguments.out or arguments.folder / name
    made = redraw(
        arguments.folder,
        arguments.split,
        out,
        negatives=negatives,
        seed=arguments.seed,
        steps=on_console(console),
    )
    if arguments.json:
        say_json(made.to_dict())
    _print(console, f"{made.lists} lists of {made.candidates:.3g} candidates: {out.name}")
    for count, what in (
        (made.undated, "requests without a time were left out"),
        (made.unborn, "choices of what nobody else had chosen before were left out"),
        (made.alone, "choices beside which there was nothing else were left out"),
    ):
        if count:
            _print(console, f"{count} {what}")
    _print(
        console, f"{made.late:.0%} of the choices to learn from are later than a list, in the mean"
    )


def _last(arguments: argparse.Namespace, console: Console) -> None:
    made = leave_last_out(
        arguments.folder,
        arguments.out,
        negatives=arguments.negatives,
        seed=arguments.seed,
        steps=on_console(console),
    )
    if arguments.json:
        say_json(made.to_dict())
    left = f", {made.others} with too few choices are only learnt from" if made.others else ""
    _print(
        console,
        f"{made.people} people are asked{left}; {made.choices} choices of {made.items} items",
    )


def _moment(text: str) -> float:
    try:
        moment = check_number(read_timestamp(text), "time", InvalidEvent, minimum=0.0)
    except InvalidEvent as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return moment or 0.0


def _negatives(text: str) -> int | None:
    return None if text == "all" else positive(text)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
