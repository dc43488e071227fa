"""``python -m edge_rerank.export``: from a checkpoint to a verified pack.

Exit codes: 0 done, 2 wrong usage, recipe or source, 3 the result falls short of the original.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

import edge_rerank
from edge_rerank.cli.options import positive
from edge_rerank.errors import EdgeRerankError
from edge_rerank.packs.pack import Pack
from edge_rerank_export.commands.finetune import add_finetune
from edge_rerank_export.errors import RecipeError, VerificationFailed
from edge_rerank_export.packing import sign
from edge_rerank_export.packing.encoder import build, making_of, quantize_encoder
from edge_rerank_export.packing.folder import staged
from edge_rerank_export.packing.steps import write_pack
from edge_rerank_export.progress import on_console
from edge_rerank_export.quantize.calibrate import read_tokenizer
from edge_rerank_export.quantize.integers import Scheme
from edge_rerank_export.recipes.pack import Recipe, ScorerPackRecipe, find_recipe, read_recipe
from edge_rerank_export.studies.baselines.run import add_baselines
from edge_rerank_export.studies.results.command import add_results
from edge_rerank_export.studies.tune.command import add_tune
from edge_rerank_export.verify.encoder import Verification
from edge_rerank_export.verify.texts import REQUESTS, Texts, own_texts, texts_of

EXIT_USAGE = 2
EXIT_SHORT = 3

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors of ours are one line on standard error.

    Args:
        argv: the arguments, those of the process if ``None``.
    """
    arguments = build_parser().parse_args(argv)
    console = Console(stderr=True)
    try:
        run: Callable[[argparse.Namespace, Console], None] = arguments.run
        run(arguments, console)
    except VerificationFailed as error:
        console.print(f"edge-rerank.export: {error}", style="red", highlight=False, soft_wrap=True)
        return EXIT_SHORT
    except EdgeRerankError as error:
        console.print(f"edge-rerank.export: {error}", style="red", highlight=False, soft_wrap=True)
        return EXIT_USAGE
    except OSError as error:
        reason = error.strerror or type(error).__name__
        console.print(f"edge-rerank.export: the system refused: {reason}", style="red")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_rerank.export",
        description="Turn a language model into a verified model pack.",
        epilog="Exit codes: 0 done, 2 wrong usage, recipe or source, "
        "3 the result falls short of the original.",
    )
    parser.add_argument(
        "--version", action="version", version=f"edge-rerank-export {edge_rerank.__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_build(commands)
    _add_convert(commands)
    _add_quantize(commands)
    _add_verify(commands)
    _add_pack(commands)
    add_finetune(commands)
    add_baselines(commands)
    add_results(commands)
    add_tune(commands)
    sign.register(commands)
    return parser


def _add_build(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "build", help="fetch, convert, quantise, verify and pack, as a recipe says"
    )
    _recipe(parser)
    _output(parser)
    _texts(parser)
    parser.set_defaults(run=_build)


def _build(arguments: argparse.Namespace, console: Console) -> None:
    verification = build(
        _read(arguments),
        arguments.out,
        texts=_verified_with(arguments),
        overwrite=arguments.overwrite,
        steps=on_console(console),
        report=lambda figures: show(figures, console),
    )
    console.print(f"packed {arguments.out.name}, verified on {verification.texts} texts")


def _add_convert(commands: Subparsers) -> None:
    parser = commands.add_parser("convert", help="write a recipe's model as float32 ONNX")
    _recipe(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ONNX file")
    parser.set_defaults(run=_convert)


def _convert(arguments: argparse.Namespace, console: Console) -> None:
    steps = on_console(console)
    with tempfile.TemporaryDirectory() as work, _new_file(arguments.out) as target:
        making_of(_read(arguments), Path(work), steps=steps).convert(target, steps=steps)


def _add_quantize(commands: Subparsers) -> None:
    parser = commands.add_parser("quantize", help="quantise a float32 ONNX model")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a float32 ONNX file")
    parser.add_argument(
        "--recipe",
        metavar="RECIPE",
        help="how, as build does; without one, --scheme and --tokenizer say it",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ONNX file")
    parser.add_argument(
        "--scheme", type=Scheme, choices=list(Scheme), help="without a recipe; default: int8"
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="without a recipe: a text encoder's tokenizer.json, to smooth large channels",
    )
    parser.set_defaults(run=_quantize)


def _quantize(arguments: argparse.Namespace, console: Console) -> None:
    steps, model = on_console(console), _existing(arguments.model)
    scheme, tokenizer = arguments.scheme, arguments.tokenizer
    if arguments.recipe is not None and (scheme is not None or tokenizer is not None):
        raise RecipeError("quantize: expected a recipe, or --scheme and --tokenizer, got both")
    with _new_file(arguments.out) as target:
        if arguments.recipe is not None:
            with tempfile.TemporaryDirectory() as work:
                making = making_of(_read(arguments), Path(work), steps=steps)
                making.quantize(model, target, steps=steps)
            return
        quantize_encoder(
            model,
            target,
            scheme or Scheme.INT8,
            tokenizer=None if tokenizer is None else read_tokenizer(tokenizer),
            texts=own_texts().texts,
            steps=steps,
        )


def _add_verify(commands: Subparsers) -> None:
    parser = commands.add_parser("verify", help="compare a pack with the model of its recipe")
    parser.add_argument("pack", type=Path, metavar="PACK", help="a model pack")
    _recipe(parser)
    _texts(parser)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace, console: Console) -> None:
    recipe, pack, steps = _read(arguments), Pack.open(arguments.pack), on_console(console)
    texts = _verified_with(arguments) or own_texts(recipe.languages)
    with tempfile.TemporaryDirectory() as work:
        verification = making_of(recipe, Path(work), steps=steps).verify(pack, texts, steps=steps)
    show(verification, console)
    if arguments.json:
        sys.stdout.write(json.dumps(verification.for_manifest()) + "\n")
    verification.require()


def _add_pack(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "pack", help="verify a converted model against its recipe's original and pack it"
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="an ONNX file of convert or quantize"
    )
    _recipe(parser)
    _output(parser)
    _texts(parser)
    parser.set_defaults(run=_pack)


def _pack(arguments: argparse.Namespace, console: Console) -> None:
    recipe, steps, model = _read(arguments), on_console(console), _existing(arguments.model)
    with (
        staged(arguments.out, overwrite=arguments.overwrite) as stage,
        tempfile.TemporaryDirectory() as work,
    ):
        write_pack(
            making_of(recipe, Path(work), steps=steps),
            model,
            stage,
            texts=_verified_with(arguments),
            steps=steps,
            report=lambda figures: show(figures, console),
        )


def show(verification: Verification, console: Console) -> None:
    """Print each figure with its bound and whether it holds."""
    table = Table("figure", "measured", "bound", "ok")
    for figure in verification.figures:
        side = "≥" if figure.at_least else "≤"
        table.add_row(
            figure.name,
            f"{figure.value:.4g}",
            f"{side} {figure.bound:g}",
            "yes" if figure.ok else "NO",
        )
    console.print(table)


def _recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a TOML file, or the name of a recipe that comes along"
    )


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the pack to be")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a pack that is there already"
    )


def _texts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--texts",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="verify on the test requests of this data set folder; may be repeated "
        "(default: texts of our own)",
    )
    parser.add_argument(
        "--requests",
        type=positive,
        default=REQUESTS,
        metavar="N",
        help=f"with --texts: at most so many requests of each folder (default: {REQUESTS})",
    )


def _read(arguments: argparse.Namespace) -> Recipe | ScorerPackRecipe:
    return read_recipe(find_recipe(arguments.recipe))


def _verified_with(arguments: argparse.Namespace) -> Texts | None:
    """``None`` for the texts that come along."""
    return texts_of(*arguments.texts, limit=arguments.requests) if arguments.texts else None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise RecipeError(f"model: expected an ONNX file, found none at {path.name}")
    return path


class _new_file:  # noqa: N801 - used like a function
    """A file that appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._draft = self._path.with_name(f".{self._path.name}.part")

    def __enter__(self) -> Path:
        if self._path.exists():
            raise RecipeError(f"out: expected no file there yet, found {self._path.name}")
        return self._draft

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._draft.rename(self._path)
        else:
            self._draft.unlink(missing_ok=True)
