"""The command ``simulate``: people who click, and what a list that learns gains."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from edge_rerank.cli.choices import one_of
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
from edge_rerank_export.commands._output import say
from edge_rerank_export.progress import on_console
from edge_rerank_export.studies.simulate.clicks import Judging
from edge_rerank_export.studies.simulate.plan import (
    Adversary,
    Clicks,
    HostOrder,
    Impressions,
    Plan,
    Scenario,
    Surface,
)

_DEFAULT = Plan()
_JUDGING = Judging()


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "simulate",
        run,
        "people who click on lists of a data set folder, and what learning from them gains",
        "Each person has the taste of a real one of the folder, and clicks by a model; what they "
        "want is known. The same people see the same items ordered by a pack that learns and by "
        "one that does not. People who are finished are kept in --out, so that a run that was "
        "broken off goes on. Writes simulate.json and simulate.html there.",
    )
    parser.add_argument("data", type=Path, metavar="FOLDER", help="a data set folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="what became of whom, and figures"
    )
    parser.add_argument(
        "--scenario",
        type=one_of(Scenario),
        choices=list(Scenario),
        action="append",
        help="what is asked; repeatable (default: curve)",
    )
    add_pack_option(parser)
    _add_sizes(parser)
    _add_people(parser)
    add_work(parser)
    add_threads(parser)
    add_json(parser)


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    add_counts(
        parser,
        ("people", _DEFAULT.people, "how many, 2 or more"),
        ("lists", _DEFAULT.lists, "that each of them is shown"),
        ("candidates", _DEFAULT.candidates, "items of a list"),
    )
    parser.add_argument(
        "--before",
        type=int,
        default=_DEFAULT.before,
        metavar="N",
        help="choices of the real person that are known at the first list "
        f"(default: {_DEFAULT.before})",
    )
    parser.add_argument(
        "--switch-at",
        type=positive,
        metavar="LIST",
        help="from this list on everybody has another's taste (default with switch: half-way)",
    )
    add_seed(parser)


def _add_people(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clicks",
        type=one_of(Clicks),
        choices=list(Clicks),
        default=_DEFAULT.clicks,
        help="by place, or from the top down until something pleases "
        f"(default: {_DEFAULT.clicks}; bias: position)",
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=_JUDGING.noise,
        metavar="P",
        help=f"chance of a click on what is not wanted (default: {_JUDGING.noise:g})",
    )
    parser.add_argument(
        "--pleasing",
        type=float,
        default=_JUDGING.pleasing,
        metavar="P",
        help=f"chance that what was wanted pleases (default: {_JUDGING.pleasing:g})",
    )
    parser.add_argument(
        "--perseverance",
        type=float,
        default=_DEFAULT.perseverance,
        metavar="P",
        help=f"cascade: chance to go on to the next place (default: {_DEFAULT.perseverance:g})",
    )
    parser.add_argument(
        "--surface",
        type=_surface,
        action="append",
        metavar="NAME=ETA",
        help="position: where lists are shown, and place k is examined with chance k^-ETA; "
        "repeatable (default: home=0.7)",
    )
    parser.add_argument(
        "--impressions",
        type=one_of(Impressions),
        choices=list(Impressions),
        default=_DEFAULT.impressions,
        help=f"what the host reports beside clicks (default: {_DEFAULT.impressions})",
    )
    parser.add_argument(
        "--host-order",
        type=one_of(HostOrder),
        choices=list(HostOrder),
        default=_DEFAULT.host,
        help="the order in which the host hands items over "
        f"(default: {_DEFAULT.host}; host: perfect)",
    )
    parser.add_argument(
        "--adversary",
        type=one_of(Adversary),
        choices=list(Adversary),
        default=_DEFAULT.adversary,
        help="what makes clicks mislead: tastes that turn over every other list, or clicks on what "
        f"is wanted least, in some lists or in all (default: {_DEFAULT.adversary}; host: turning)",
    )
    parser.add_argument(
        "--lies",
        type=float,
        default=_DEFAULT.lies,
        metavar="P",
        help=f"poisoning: share of the lists with such clicks (default: {_DEFAULT.lies:g})",
    )
    parser.add_argument(
        "--room",
        type=float,
        default=_DEFAULT.room,
        metavar="LOGODDS",
        help="host: what the bounded arm leaves to everything but the host's order "
        f"(default: {_DEFAULT.room:g})",
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Simulate what is missing, then the figures.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.studies.simulate.run.simulate`.
    """
    from edge_rerank_export.files import write_whole
    from edge_rerank_export.studies.simulate.page import as_html
    from edge_rerank_export.studies.simulate.report import as_json, as_text
    from edge_rerank_export.studies.simulate.run import simulate

    plan = _plan(arguments)
    scenarios = dict.fromkeys(arguments.scenario or [Scenario.CURVE])
    simulated = simulate(
        arguments.data,
        arguments.pack,
        [plan.asking(scenario) for scenario in scenarios],
        out=arguments.out,
        work=arguments.work or arguments.out,
        threads=arguments.threads,
        steps=on_console(console),
    )
    write_whole(arguments.out / "simulate.json", as_json(simulated) + "\n")
    write_whole(arguments.out / "simulate.html", as_html(simulated))
    for one in simulated:
        text = as_text(one, width=max(console.width, 80))
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if arguments.json:
        say(as_json(simulated))


def _plan(arguments: argparse.Namespace) -> Plan:
    return Plan(
        people=arguments.people,
        lists=arguments.lists,
        candidates=arguments.candidates,
        before=arguments.before,
        clicks=arguments.clicks,
        judging=Judging(arguments.noise, arguments.pleasing),
        perseverance=arguments.perseverance,
        surfaces=tuple(arguments.surface or _DEFAULT.surfaces),
        impressions=arguments.impressions,
        host=arguments.host_order,
        adversary=arguments.adversary,
        lies=arguments.lies,
        room=arguments.room,
        switch_at=arguments.switch_at,
        seed=arguments.seed,
    )


def _surface(text: str) -> Surface:
    name, equals, decline = text.partition("=")
    try:
        eta = float(decline)
    except ValueError:
        eta = -1.0
    if not (name and equals and eta >= 0):
        raise argparse.ArgumentTypeError(f"expected NAME=ETA with ETA ≥ 0, got {text!r}")
    return Surface(name, eta)
