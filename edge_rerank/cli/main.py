"""Entry point of the command line: the parser of all commands, and what becomes of errors.

A command is a module with ``register(subparsers)``, which adds a parser whose default
``run`` takes the parsed arguments and a :class:`~edge_rerank.cli.console.Console` and
returns the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import edge_rerank
from edge_rerank._discreet import discreet
from edge_rerank._files import reason_of
from edge_rerank.cli import (
    audit,
    bench,
    consent,
    demo,
    doctor,
    evaluate,
    expect,
    import_log,
    packs,
    profile,
    rank,
    serve,
    tables,
    users,
)
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import EXIT_FAILED, EXIT_INTERRUPTED, exit_codes
from edge_rerank.errors import EdgeRerankError

COMMANDS = (
    *(demo, rank, serve, import_log, consent, users, profile, evaluate, expect),
    *(tables, audit, packs, doctor, bench),
)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="edge-rerank",
        description="Personalised reranking on this machine: nothing leaves it.",
        epilog=exit_codes(checks=True),
    )
    parser.add_argument(
        "--version", action="version", version=f"edge-rerank {edge_rerank.__version__}"
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(subparsers)
    return parser


@discreet
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, those of the process if ``None``.

    Returns:
        The exit code; an error of ours is one line on standard error and exit code 2.
    """
    console = Console.of_process()
    try:
        arguments = build_parser().parse_args(argv)
        code: int = arguments.run(arguments, console)
        sys.stdout.flush()
    except EdgeRerankError as error:
        console.complain(f"edge-rerank: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        console.complain("edge-rerank: interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as `| head` does. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        console.complain(f"edge-rerank: the system refused: {reason_of(error)}")
        return EXIT_FAILED
    return code
