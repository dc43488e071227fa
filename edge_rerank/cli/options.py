"""Flags of the command line, each declared once, and opening what they name."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from edge_rerank._check import check_id
from edge_rerank._files import reason_of, write_private
from edge_rerank._progress import StepProgress
from edge_rerank.cli.console import Console, Report
from edge_rerank.errors import (
    DataError,
    HistoryError,
    HistoryKeyError,
    HistoryUnavailable,
    InvalidRequest,
)
from edge_rerank.formats.items import read_items
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.logs import BadLine
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.installed import SHIPPED
from edge_rerank.packs.shipped import MULTILINGUAL
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.types import UNKNOWN_TYPE, Item

Subparsers = argparse._SubParsersAction
"""argparse has no public name for it."""

_BAD_LINES_SHOWN = 20

EXIT_DONE = 0
EXIT_CHECK_FAILED = 1
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130

NO_CONSENT = "the person has not agreed to personalisation: give --consent if they have"

_EXIT_CODES = {
    EXIT_DONE: "done",
    EXIT_CHECK_FAILED: "a check failed",
    EXIT_FAILED: "wrong usage or an error",
    EXIT_INTERRUPTED: "interrupted",
}


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser],
    name: str,
    *,
    help: str,
    description: str,
    checks: bool = False,
) -> argparse.ArgumentParser:
    """A parser whose ``--help`` ends with the exit codes.

    Args:
        subparsers: gets the command.
        name: of the command.
        help: one line for the list of commands.
        description: what stands above the flags.
        checks: whether the command has an exit code for a check that failed.
    """
    return subparsers.add_parser(
        name, help=help, description=description, epilog=exit_codes(checks=checks)
    )


def exit_codes(*, checks: bool) -> str:
    """What the exit codes mean, for ``--help``."""
    known = {
        code: meaning
        for code, meaning in _EXIT_CODES.items()
        if checks or code != EXIT_CHECK_FAILED
    }
    return f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in known.items())}."


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, no table")


def add_html(parser: argparse.ArgumentParser) -> None:
    """``--html``."""
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write an HTML page")


def add_pack(parser: argparse.ArgumentParser) -> None:
    """``--pack``."""
    parser.add_argument(
        "--pack",
        metavar="PACK",
        help="the model pack, a folder or an installed one by name (default: of those that come "
        f'with this package, "{SHIPPED}" for items in English, else "{MULTILINGUAL}")',
    )


def add_tables(parser: argparse.ArgumentParser) -> None:
    """``--tables``."""
    parser.add_argument(
        "--tables",
        type=Path,
        metavar="TABLES",
        help="what the command tables made of a log: a folder; they take the places of the pack's",
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """``--policy``."""
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="rules for the list: a list policy as JSON, with pins, caps, spread and the like",
    )


def policy_of(path: Path | None) -> ListPolicy | None:
    """The list policy of a file; ``None`` without one.

    Raises:
        DataError: when it cannot be read, or is no JSON.
        InvalidRequest: when it is no policy.
    """
    if path is None:
        return None
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error
    except (ValueError, RecursionError):
        raise DataError(path, "expected a JSON object in UTF-8, got something else") from None
    return ListPolicy.from_dict(record)


def add_language(parser: argparse.ArgumentParser) -> None:
    """``--language``."""
    parser.add_argument(
        "--language",
        choices=("en", "zh"),
        default="en",
        help="of the text and the page, or of the catalogue that comes along and of the people "
        "who use it (default: en)",
    )


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """``--providers`` and ``--threads``."""
    parser.add_argument(
        "--providers",
        type=_names,
        metavar="NAMES",
        help='execution providers by preference, as "cuda,cpu" (default: cpu)',
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads of one call (default: up to 4)"
    )


def add_items(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """``--items``."""
    parser.add_argument(
        "--items",
        type=Path,
        required=required,
        metavar="FILE",
        help='JSON lines of {"id", "text", "categories", "popularity", "score"}, or a table with '
        "such columns (.csv, .tsv, .txt, .dat), plain or .gz",
    )
    parser.add_argument(
        "--map-items",
        type=_pairs,
        default=[],
        action="extend",
        metavar="OURS=THEIRS,...",
        help="what the columns of --items are called, as id=sku,text=name,text=summary",
    )


def add_log_layout(parser: argparse.ArgumentParser) -> None:
    """``--map``, ``--type``, ``--dates`` and ``--encoding`` of a log, see :func:`log_layout`."""
    parser.add_argument(
        "--map",
        type=_pairs,
        default=[],
        action="extend",
        metavar="OURS=THEIRS,...",
        help="what the log's columns are called, as user=userId,item=movieId,time=When; user=#1 "
        "for the first of a file without a header; ours are user, item, time, type, text, "
        "categories, value, dwell_s, scroll, query, position, ranking, id",
    )
    parser.add_argument(
        "--type",
        type=_types,
        default=[],
        action="extend",
        metavar="TYPE",
        help='what all events are where the log does not say, as "view"; or for its own words, as '
        '"bought=purchase,seen=view"',
    )
    parser.add_argument(
        "--dates",
        choices=("dmy", "mdy"),
        help="whether 03/04/2025 begins with the day or the month, where no date of the log tells",
    )
    add_encoding(parser)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """``--encoding``."""
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help='of text that is neither UTF-8 nor UTF-16, as "cp1252"; it is not guessed',
    )


def add_history(
    parser: argparse.ArgumentParser, *, required: bool = True, key_file: bool = True
) -> None:
    """``--history``, ``--key-file`` and ``--anchor``.

    Args:
        parser: gets them.
        required: whether the command needs a history.
        key_file: whether a history's key can come from nowhere else.
    """
    parser.add_argument(
        "--history", type=Path, required=required, metavar="FILE", help="the encrypted history file"
    )
    add_key_file(parser, required=required and key_file)
    parser.add_argument(
        "--anchor", type=Path, metavar="FILE", help="the history's anchor, to detect an old copy"
    )


def add_key_file(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """``--key-file``."""
    parser.add_argument(
        "--key-file",
        type=Path,
        required=required,
        metavar="FILE",
        help="the history's key, a file of 32 bytes that only its owner can read",
    )


def add_user(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """``--user``."""
    parser.add_argument(
        "--user",
        type=user_id,
        required=required,
        metavar="USER",
        help="the person, by the identifier that the application uses",
    )


def log_layout(arguments: argparse.Namespace) -> FileLayout:
    """What ``--map``, ``--type``, ``--dates`` and ``--encoding`` say of a log.

    Raises:
        InvalidRequest: when one of them is malformed.
    """
    return FileLayout.parse(
        arguments.map,
        arguments.type,
        encoding=arguments.encoding,
        day_first=None if arguments.dates is None else arguments.dates == "dmy",
    )


def items_of(arguments: argparse.Namespace) -> list[Item]:
    """The items of ``--items``, with ``--map-items`` and ``--encoding``; none without it.

    Raises:
        InvalidRequest: when one of them is malformed.
        DataError: when the file cannot be read.
    """
    if arguments.items is None:
        return []
    layout = FileLayout.parse(arguments.map_items, encoding=arguments.encoding)
    return read_items(arguments.items, layout)


def add_consent(parser: argparse.ArgumentParser) -> None:
    """``--consent``."""
    parser.add_argument(
        "--consent",
        action="store_true",
        help="the person has agreed to personalisation; noted in the history, so needed once",
    )


def pack_folder(text: str) -> str | None:
    """A pack as the runtime names it, ``None`` for the default one; for ``type=``."""
    return None if text == SHIPPED else text


def positive(text: str) -> int:
    """An integer from 1 on, for ``type=``."""
    return whole(text, 1)


def share(text: str) -> float:
    """A number from 0 to 1, for ``type=``."""
    with suppress(ValueError):
        if 0.0 <= (value := float(text)) <= 1.0:
            return value
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")


def whole(text: str, least: int, most: int | None = None) -> int:
    """An integer from ``least`` to ``most``, for a ``type=``.

    Raises:
        ArgumentTypeError: when it is something else; argparse would name a function of ours.
    """
    with suppress(ValueError):
        if least <= (value := int(text)) and (most is None or value <= most):
            return value
    wanted = f"from {least} on" if most is None else f"from {least} to {most}"
    raise argparse.ArgumentTypeError(f"expected a whole number {wanted}, got {text!r}")


def user_id(text: str) -> str:
    """A user's identifier, for ``type=``."""
    try:
        return check_id(text, "user", InvalidRequest)
    except InvalidRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def runtime_of(arguments: argparse.Namespace) -> Runtime:
    """What ``--providers`` and ``--threads`` say."""
    return Runtime(arguments.providers, arguments.threads)


def complain_of(bad: Sequence[BadLine], total: int, console: Console) -> None:
    """Say which lines of a log could not be used, the first ones with the reason.

    Args:
        bad: lines, or the first of them.
        total: how many there are.
        console: where to.
    """
    for line in bad[:_BAD_LINES_SHOWN]:
        console.complain(f"line {line.line}: {line.reason}")
    if total > _BAD_LINES_SHOWN:
        console.complain(f"{total - _BAD_LINES_SHOWN} more bad lines")
    hint_at_types(bad, console)


def hint_at_types(bad: Sequence[BadLine], console: Console) -> None:
    """Say how a log's own words for types are told, where lines were left out for one of them."""
    if any(line.reason.endswith(UNKNOWN_TYPE) for line in bad):
        console.complain("what the log's own words mean is said by --type, as --type opened=view")


def step_bars(console: Console, bars: ExitStack) -> StepProgress:
    """One bar after the other, each when its work begins; closed with ``bars``."""
    current: dict[str, Report] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in current:
            bars.close()
            current[what] = bars.enter_context(console.progress(what))
        current[what](done, total)

    return progress


def open_history(arguments: argparse.Namespace, *, create: bool = False) -> History:
    """Open the file of ``--history`` with ``--key-file`` and ``--anchor``.

    Args:
        arguments: with these three.
        create: whether to make file and key where neither is there.

    Raises:
        HistoryError: when one of them is missing, does not fit, or cannot be opened.
    """
    path, key_file = arguments.history, arguments.key_file
    fresh = create and not path.exists() and not key_file.exists()
    if not create or path.exists():
        expect_history(path, key_file)
    key = KeyFile.create(key_file) if fresh else KeyFile(key_file)
    try:
        return History.open(path, key, anchor=arguments.anchor, new=fresh)
    except HistoryError:
        if fresh and not path.exists():  # a key that opens nothing is only in the way
            key_file.unlink(missing_ok=True)
        raise


def expect_history(path: Path, key_file: Path) -> None:
    """See that both are there: opening would make a file that is missing.

    Raises:
        HistoryUnavailable: when the history is missing.
        HistoryKeyError: when its key is.
    """
    if not path.exists():
        raise HistoryUnavailable(f"{path}: expected a history file, found none")
    if not key_file.exists():
        raise HistoryKeyError(f"{key_file}: expected the key of the history file, found none")


def write_text(path: Path, text: str) -> None:
    """Write a result file that only its owner can read, for it is about a person.

    Half an emoji in an item's text becomes a question mark.

    Raises:
        DataError: when the file system refuses.
    """
    try:
        write_private(path, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise DataError(path, f"cannot be written: {reason_of(error)}") from error


def _pairs(text: str) -> list[tuple[str, str]]:
    """Pairs of "OURS=THEIRS,...", for ``type=``."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not pairs or not all(ours.strip() and equals for ours, equals, _ in pairs):
        raise argparse.ArgumentTypeError("expected OURS=THEIRS, several separated by commas")
    return [(ours.strip(), theirs) for ours, _, theirs in pairs]


def _types(text: str) -> list[tuple[str, str]]:
    """Pairs of a log's word, empty for none, and the type that it means, for ``type=``."""
    pairs = [pair.rpartition("=") for pair in text.split(",") if pair.strip()]
    if not pairs:
        raise argparse.ArgumentTypeError("expected a type of events")
    return [(word, kind.strip()) for word, _, kind in pairs]


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
