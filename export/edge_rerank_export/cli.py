"""``python -m edge_rerank.export``: the parser of all commands, and what becomes of errors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console

import edge_rerank
from edge_rerank.errors import EdgeRerankError
from edge_rerank_export.commands import (
    baselines,
    batch,
    build,
    convert,
    data,
    federate,
    finetune,
    pack,
    peers,
    quantize,
    replay,
    results,
    sign,
    simulate,
    tune,
    verify,
    wheel,
)
from edge_rerank_export.commands._arguments import EXIT_CODES, EXIT_SHORT, EXIT_USAGE, Run
from edge_rerank_export.errors import VerificationFailed

COMMANDS = (
    *(build, convert, quantize, verify, pack, finetune, tune, results, baselines, peers, sign),
    *(wheel, data, replay, simulate, batch, federate),
)

EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors of ours are one line on standard error.

    Args:
        argv: the arguments, those of the process if ``None``.
    """
    arguments = build_parser().parse_args(argv)
    console = Console(stderr=True)
    try:
        run: Run = arguments.run
        run(arguments, console)
    except VerificationFailed as error:
        _complain(console, str(error))
        return EXIT_SHORT
    except EdgeRerankError as error:
        _complain(console, str(error))
        return EXIT_USAGE
    except ModuleNotFoundError as error:
        _complain(console, f"{error.name} is missing: in a checkout, run pip install ./export")
        return EXIT_USAGE
    except OSError as error:
        _complain(console, f"the system refused: {error.strerror or type(error).__name__}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_rerank.export",
        description="Turn a language model into a verified model pack.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--version", action="version", version=f"edge-rerank-export {edge_rerank.__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(commands)
    return parser


def _complain(console: Console, reason: str) -> None:
    console.print(
        f"edge-rerank.export: {reason}", style="red", highlight=False, markup=False, soft_wrap=True
    )
