"""The ``results`` command."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from edge_rerank.errors import PackError
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipes.pack import find_recipe
from edge_rerank_export.studies.results.ledger import Entry, Ledger, write_whole
from edge_rerank_export.studies.results.parts import Column, Part, Wanted, Workshop
from edge_rerank_export.studies.results.table import as_json, as_markdown, read_rows
from edge_rerank_export.train.history.recipe import read_finetune_recipe


def add_results(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser(
        "results",
        help="the table of results: packs and baselines on data set folders",
        description="For each folder judge the shipped pack, a pack trained on the other folders, "
        "one trained on the folder itself, and the baselines. Finished parts are kept in --out, "
        "so that a run that was broken off goes on. Writes results.json and results.md there.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="data set folders")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="what was made, and the table"
    )
    parser.add_argument(
        "--columns",
        type=_columns,
        default=frozenset(Column),
        metavar="NAMES",
        help=f"what to train, of {','.join(Column)} (default: all; SASRec takes longest)",
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only the folder of this name; repeatable"
    )
    parser.add_argument("--pack", type=Path, metavar="PACK", help="in place of the shipped one")
    parser.add_argument("--zero-shot-recipe", default="multi-domain", metavar="RECIPE")
    parser.add_argument("--tuned-recipe", default="finetune-domain", metavar="RECIPE")
    parser.add_argument(
        "--base",
        type=_named_pack,
        action="append",
        default=[],
        metavar="NAME=PACK",
        help="tune the pack for this folder from another base; repeatable",
    )
    parser.add_argument("--split", default="test", help="which requests (default: test)")
    parser.add_argument("--threads", type=int, help="threads inside one operator")
    parser.set_defaults(run=run_results)


def run_results(arguments: argparse.Namespace, console: Console) -> None:
    """Make what is missing, then the table.

    Raises:
        EdgeRerankError: see what makes the parts; finished ones are kept.
    """
    wanted = _wanted(arguments)
    if wanted.threads is not None:
        torch.set_num_threads(wanted.threads)
    ledger = Ledger(_made(wanted.out) / "ledger.json")
    parts = Workshop(wanted).parts()
    steps = on_console(console)
    finished: list[Part] = []
    for number, part in enumerate(parts):
        if not _is_finished(part, ledger):
            if arguments.only is not None and part.folder not in arguments.only:
                continue
            _announce(part, parts[number:], ledger, console)
            began = time.monotonic()
            with steps(part.name) as update:
                part.make(update)
            ledger.put(part.name, Entry(part.kind, part.mark(), time.monotonic() - began))
        finished.append(part)
        if part.judges is not None:
            rows = read_rows(finished)
            write_whole(wanted.out / "results.json", as_json(rows, wanted.split))
            write_whole(wanted.out / "results.md", as_markdown(rows, wanted.split))
    text = as_markdown(read_rows(finished), wanted.split)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _wanted(arguments: argparse.Namespace) -> Wanted:
    names = {folder.resolve().name for folder in arguments.folders}
    for name in arguments.only or ():
        if name not in names:
            raise RecipeError(f"--only: expected the name of one of the folders, got {name!r}")
    return Wanted(
        folders=tuple(arguments.folders),
        out=arguments.out,
        columns=arguments.columns,
        pack=arguments.pack or shipped_pack(),
        zero_shot=read_finetune_recipe(find_recipe(arguments.zero_shot_recipe)),
        tuned=read_finetune_recipe(find_recipe(arguments.tuned_recipe)),
        bases=dict(arguments.base),
        split=arguments.split,
        threads=arguments.threads,
    )


def _is_finished(part: Part, ledger: Ledger) -> bool:
    if not part.result.exists():
        return False
    try:
        return ledger.holds(part.name, part.mark())
    except (PackError, OSError):  # what it is made of is not there
        return False


def _announce(part: Part, left: Sequence[Part], ledger: Ledger, console: Console) -> None:
    seconds = ledger.seconds([one.kind for one in left])
    by_others = "" if seconds is None else f", about {seconds / 60:.0f} minutes by those done"
    console.print(
        f"{part.name}; at most {len(left)} parts are left{by_others}",
        highlight=False,
        soft_wrap=True,
    )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"--out: expected a folder, got {type(error).__name__}") from error
    return folder


def _columns(text: str) -> frozenset[Column]:
    try:
        return frozenset(Column(name.strip()) for name in text.split(",") if name.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _named_pack(text: str) -> tuple[str, str]:
    name, equals, pack = text.partition("=")
    if not (name and equals and pack):
        raise argparse.ArgumentTypeError(f"expected NAME=PACK, got {text!r}")
    return name, pack
