"""``edge-rerank serve``: rank for other programs of this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_pack,
    add_runtime,
    add_tables,
    add_user,
    open_history,
    positive,
    runtime_of,
    whole,
)
from edge_rerank.errors import InvalidRequest, MissingExtra
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.reranker import Reranker
from edge_rerank.serve.guests import IDLE_S
from edge_rerank.serve.service import Service
from edge_rerank.serve.stdio import serve_stdio
from edge_rerank.serve.token_file import private_folder

_HTTP_ONLY = ("port", "token_file", "page")


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "serve",
        help="rank for other programs: JSON-RPC, HTTP or MCP",
        description="Rank and record for other programs of this machine: by JSON-RPC on standard "
        "input and output, by HTTP on 127.0.0.1 with a token, or as tools of an assistant. Where "
        "neither the history nor its key is there yet, both are made; without --history "
        "everything is in memory.",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--stdio", action="store_true", help="JSON-RPC 2.0, a message a line (default)"
    )
    way.add_argument("--http", action="store_true", help="HTTP; needs the extra serve")
    way.add_argument(
        "--mcp", action="store_true", help="the Model Context Protocol; needs the extra mcp"
    )
    add_history(parser, required=False)
    add_user(parser, required=False)
    parser.add_argument(
        "--guest-idle",
        type=positive,
        default=int(IDLE_S),
        metavar="SECONDS",
        help=f"after which a guest session without a call is wiped (default: {IDLE_S:.0f})",
    )
    parser.add_argument(
        "--port", type=_port, metavar="N", help="with --http: listen there (default: a free one)"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="with --http: the token, made where it is not there (default: in the user's runtime "
        "or state folder; the path is printed)",
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FOLDER",
        help="with --http: a page of your own, whose scripts call the server",
    )
    add_pack(parser)
    add_tables(parser)
    add_runtime(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Serve until the input ends or a signal comes."""
    _check_combination(arguments)
    if arguments.http:
        _serve_http(arguments, console)
    elif arguments.mcp:
        _serve_mcp(arguments)
    else:
        with _reranker(arguments) as reranker, _service(arguments, reranker) as service:
            serve_stdio(service, ready="edge-rerank: ready on standard input")
    return EXIT_DONE


def _serve_http(arguments: argparse.Namespace, console: Console) -> None:
    try:
        from edge_rerank.serve.http import HttpServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise MissingExtra('pip install "edge-rerank[serve]"') from None

    def announce(told: Mapping[str, str]) -> None:
        console.say(json.dumps(told))
        console.flush()

    with (
        _reranker(arguments) as reranker,
        _service(arguments, reranker) as service,
        HttpServer(
            service,
            port=arguments.port or 0,
            token_file=arguments.token_file or private_folder() / "token",
            page=arguments.page,
        ) as server,
    ):
        server.run(announce)


def _serve_mcp(arguments: argparse.Namespace) -> None:
    try:
        from edge_rerank.serve.mcp import serve_mcp  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise MissingExtra('pip install "edge-rerank[mcp]"') from None
    with _reranker(arguments) as reranker:
        serve_mcp(reranker, user=arguments.user)


@contextmanager
def _reranker(arguments: argparse.Namespace) -> Iterator[Reranker]:
    """With the history that the arguments name, made where neither it nor its key is there."""
    key = None
    if arguments.history is not None:
        open_history(arguments, create=True).close()
        key = KeyFile(arguments.key_file)
    with Reranker.open(
        arguments.pack,
        history=arguments.history,
        key=key,
        anchor=arguments.anchor,
        runtime=runtime_of(arguments),
        tables=arguments.tables,
    ) as reranker:
        reranker.warmup()  # the first call is no slower than the others
        yield reranker


def _service(arguments: argparse.Namespace, reranker: Reranker) -> Service:
    return Service(reranker, user=arguments.user, idle_s=float(arguments.guest_idle))


def _check_combination(arguments: argparse.Namespace) -> None:
    if (arguments.history is None) != (arguments.key_file is None):
        raise InvalidRequest("--history: expected together with --key-file")
    if arguments.anchor is not None and arguments.history is None:
        raise InvalidRequest("--anchor: expected together with --history")
    for name in _HTTP_ONLY:
        if getattr(arguments, name) is not None and not arguments.http:
            raise InvalidRequest(f"--{name.replace('_', '-')}: expected together with --http")


def _port(text: str) -> int:
    return whole(text, 0, 65_535)
