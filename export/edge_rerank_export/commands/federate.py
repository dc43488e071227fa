"""The command ``federate``: where personal heads begin, learnt by a fleet without collecting."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from edge_rerank.cli.options import positive
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_counts,
    add_json,
    add_pack_option,
    add_seed,
    add_threads,
    add_work,
)
from edge_rerank_export.commands._extras import extra
from edge_rerank_export.commands._output import say
from edge_rerank_export.progress import on_console


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "federate",
        run,
        "learn where personal heads begin from a fleet of devices, without collecting",
        "Devices send one clipped, sealed vector a round; their sum gets noise before anybody "
        "reads it, and a ledger stops the rounds at epsilon.",
    )
    roles = parser.add_subparsers(
        title="roles", metavar="ROLE", required=True, help="whose part of it"
    )
    _add_server(roles)
    _add_client(roles)
    _add_simulate(roles)


def _add_server(roles: Commands) -> None:
    parser = roles.add_parser(
        "server",
        help="ask devices for rounds, and write a signed prior after each",
        description="Run the rounds of a fleet on a Flower SuperLink that is there already. What "
        "was asked for is kept in --out, and is not asked again.",
    )
    parser.set_defaults(role=_serve)
    parser.add_argument(
        "--pack",
        action="append",
        required=True,
        metavar="PACK",
        help="what the devices rank with, without a prior; repeatable",
    )
    parser.add_argument(
        "--key", type=Path, required=True, metavar="KEYFILE", help="X25519, opens what devices send"
    )
    parser.add_argument(
        "--sign", type=Path, required=True, metavar="KEYFILE", help="signs the priors, see keygen"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="state, priors and report"
    )
    parser.add_argument(
        "--name", default="fleet", metavar="NAME", help="of the priors (default: fleet)"
    )
    parser.add_argument(
        "--items",
        type=Path,
        metavar="FILE",
        help="the catalogue, with popularity and categories: which way its crowd goes and how "
        "these lie apart is then known, and what people have in common is looked for there alone",
    )
    parser.add_argument(
        "--superlink", required=True, metavar="NAME", help="as Flower's own configuration calls it"
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        default=8.0,
        metavar="E",
        help="of a device in all rounds (default: 8)",
    )
    add_counts(
        parser,
        ("rounds", 20, "how many"),
        ("clients", 100, "devices a round, at least 100"),
        ("timeout", 3600, "seconds to wait for a round's answers"),
    )


def _add_client(roles: Commands) -> None:
    parser = roles.add_parser(
        "client",
        help="carry rounds to the application of a device, and its sealed answers back",
        description="The courier beside a device, a node of Flower's in one process, until it is "
        "interrupted. It shares a folder with the application and nothing else, and runs nothing "
        "that it is sent: see Reranker.share.",
    )
    parser.set_defaults(role=_carry)
    parser.add_argument(
        "--exchange", type=Path, required=True, metavar="FOLDER", help="shared with the application"
    )
    parser.add_argument(
        "--superlink", required=True, metavar="HOST:PORT", help="where the server's SuperLink is"
    )
    parser.add_argument(
        "--certificates", type=Path, metavar="FILE", help="root certificates of the SuperLink, PEM"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="without TLS; answers are sealed all the same"
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=600,
        metavar="N",
        help="to wait for the application's answer (default: 600)",
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="KEYFILE",
        help="ECDSA in OpenSSH's form, by which a SuperLink that knows its devices knows this one",
    )


def _add_simulate(roles: Commands) -> None:
    parser = roles.add_parser(
        "simulate",
        help="simulated people of a data set folder: what a fleet's prior gains, and gives away",
        description="Heads of simulated people, rounds of their devices through Flower's "
        "strategies in one process, then the first lists of other people with and without the "
        "prior. Heads are kept in --out, so that a run that was broken off goes on. Writes "
        "fleet.json and fleet.html there.",
    )
    parser.set_defaults(role=_simulate)
    parser.add_argument("data", type=Path, metavar="FOLDER", help="a data set folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="heads, priors and reports"
    )
    add_pack_option(parser)
    add_counts(
        parser,
        ("devices", 200, "people who may be asked"),
        ("others", 200, "people who are not, by whom the prior is judged"),
        ("clients", 100, "devices a round, at least 100"),
        ("rounds", 20, "how many"),
        ("lists", 40, "that each head learns from"),
        ("first", 10, "lists of each of the others, over which the prior is judged"),
        ("before", 5, "choices of a person that are known at their first list"),
        ("candidates", 50, "items of a list"),
        ("fleets", 16, "drawn at random from all people, by which membership is judged"),
    )
    parser.add_argument(
        "--after",
        type=positive,
        action="append",
        default=[],
        metavar="ROUND",
        help="judge the prior after this round too; repeatable (default: the last alone)",
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        action="append",
        metavar="E",
        help="of a device that takes part in every round, at most 8; repeatable (default: 8 and 1)",
    )
    add_seed(parser)
    add_work(parser)
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Do what the role asks for.

    Raises:
        MissingExtra: when Flower is not installed.
        EdgeRerankError: see the roles.
    """
    role: Callable[[argparse.Namespace, Console], None] = arguments.role
    with extra("fleet", "flwr"):
        role(arguments, console)


def _serve(arguments: argparse.Namespace, console: Console) -> None:
    from edge_rerank_export.fleet.federation.server.app import SETTINGS_AT, run_tool, write_app
    from edge_rerank_export.fleet.federation.server.serve import SETTINGS, Settings

    settings = Settings(
        packs=tuple(arguments.pack),
        key=str(arguments.key.resolve()),
        signing=str(arguments.sign.resolve()),
        out=str(arguments.out.resolve()),
        name=arguments.name,
        timeout=float(arguments.timeout),
        epsilon=arguments.epsilon,
        rounds=arguments.rounds,
        clients=arguments.clients,
        items="" if arguments.items is None else str(arguments.items.resolve()),
    )
    noise = settings.promise.noise
    app = write_app(settings)
    console.print(f"noise {noise:g} times the clip on the sum of a round", highlight=False)
    config = f'{SETTINGS_AT}="{app / SETTINGS}"'
    run_tool("flwr", ["run", str(app), arguments.superlink, "--run-config", config, "--stream"])


def _carry(arguments: argparse.Namespace, console: Console) -> None:
    from functools import partial

    from edge_rerank_export.fleet.federation.device.courier import carry
    from edge_rerank_export.fleet.federation.device.node import Link, run_node

    link = Link(
        arguments.superlink, arguments.certificates, insecure=arguments.insecure, key=arguments.key
    )
    exchange = arguments.exchange.resolve()
    console.print(f"rounds come to {exchange.name}", highlight=False)
    # Whoever stops a service says so by this: the node is to be signed off then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_node(link, partial(carry, exchange, seconds=arguments.seconds))


def _simulate(arguments: argparse.Namespace, console: Console) -> None:
    import json

    from edge_rerank_export.files import write_whole
    from edge_rerank_export.fleet.federation.simulation.page import as_html
    from edge_rerank_export.fleet.federation.simulation.plan import FleetPlan
    from edge_rerank_export.fleet.federation.simulation.simulate import simulate_fleet
    from edge_rerank_export.fleet.federation.simulation.words import as_text

    plan = FleetPlan(
        devices=arguments.devices,
        others=arguments.others,
        lists=arguments.lists,
        first=arguments.first,
        before=arguments.before,
        candidates=arguments.candidates,
        epsilons=tuple(arguments.epsilon or FleetPlan().epsilons),
        rounds=arguments.rounds,
        clients=arguments.clients,
        after=tuple(arguments.after),
        fleets=arguments.fleets,
        seed=arguments.seed,
    )
    figures = simulate_fleet(
        arguments.data,
        arguments.pack,
        plan,
        out=arguments.out,
        work=arguments.work or arguments.out,
        threads=arguments.threads,
        steps=on_console(console),
    )
    text = json.dumps(figures, indent=2, sort_keys=True) + "\n"
    write_whole(arguments.out / "fleet.json", text)
    write_whole(arguments.out / "fleet.html", as_html(figures))
    told = as_text(figures, width=max(console.width, 80)).rstrip()
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    if arguments.json:
        say(text.rstrip())
