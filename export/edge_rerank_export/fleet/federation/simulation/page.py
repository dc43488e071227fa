"""A simulated fleet as an HTML page: gain by round, ε, membership, canaries, hostile devices."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from edge_rerank._resampling import Interval
from edge_rerank.evaluation import plots
from edge_rerank.evaluation.plots import Line
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, facts, row, section, table
from edge_rerank_export.fleet.federation.simulation.words import (
    ATTACKS,
    GAIN,
    MEMBERSHIP,
    REACH,
    about_membership,
    gain_rows,
    given_away,
    membership_rows,
    one_fleet,
    promised,
    reach_rows,
    setting,
)

_STYLE = """
.words td { text-align: left; white-space: normal; } .words th { white-space: normal; }
section li { margin: .25rem 0; } section ul { padding-left: 1.1rem; }
"""


def as_html(figures: Mapping[str, Any]) -> str:
    """Figures of :func:`~.simulate.simulate_fleet` as a page, which names nobody."""
    title = f"A fleet of {figures['plan']['devices']} devices, simulated"
    sees = [row(who, [escape(what)]) for who, what in figures["fleets"][0]["who_sees_what"].items()]
    return report_page(
        title,
        f'<h1>{escape(title)}</h1>\n<p class="dim">{escape(setting(figures))}.</p>\n'
        + "".join(_fleet(one, figures["plan"]) for one in figures["fleets"])
        + section(
            "Who could see what",
            "Noise says nothing of who holds what.",
            f'<div class="words">{table(("", ""), sees)}</div>',
        ),
        style=plots.STYLE + NUMBERS_STYLE + _STYLE,
    )


def _fleet(one: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    told = "".join(f"<li>{escape(line)}</li>" for line in given_away(one))
    reach = "".join(row(name, [cell]) for name, cell in reach_rows(one))
    plot = plots.curves("NDCG@10 of first lists with the prior and without", _lines(one), "rounds")
    return (
        facts(_facts(one))
        + section(
            f"What is gained at ε {one['epsilon']:g}",
            escape(
                f"{promised(one)}, δ {one['delta']:g}. First lists with the prior after so many "
                "rounds, and what they cost a device that was in all; 95 % intervals over people."
            ),
            f'<div class="pair">{plot}{_table(GAIN, gain_rows(one))}</div>',
        )
        + section(
            f"What is given away at ε {one['epsilon']:g}",
            "Of one device, by what was sent and by what was released.",
            f'<div class="pair"><ul>{told}</ul>{table(REACH, [reach])}</div>',
        )
        + section(
            f"Who took part, at ε {one['epsilon']:g}",
            escape(about_membership(plan)) + ".",
            _table(MEMBERSHIP, membership_rows(one)) + f"<p>{escape(one_fleet(one))}.</p>",
        )
    )


def _facts(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    drawn = one["membership_drawn"].items()
    attack, told = max(drawn, key=lambda pair: float(pair[1]["auc"]))
    worst = max(one["reach_of_a_hostile_device"].values())
    honest = one["reach_of_an_honest_device_at_most"]
    return [
        (f"{one['gain']:+.1%}", f"NDCG@10 of first lists at ε {one['epsilon']:g}"),
        (f"ε {one['spent_epsilon']:.2f}", "of a device in every round"),
        (
            f"{told['auc']:.3f}",
            f"AUC of membership {ATTACKS[attack]}; {told['plain']:.3f} of plain means",
        ),
        (f"{one['canaries_on_the_wire']}", f"canaries in {one['sealed_answers']:,} answers"),
        (f"{worst / honest:.2f} ×", "of an honest device's reach is a hostile one's"),
    ]


def _lines(one: Mapping[str, Any]) -> list[Line]:
    """The gain by round, and lists without a prior beside it."""
    without = one["ndcg_without"]
    rounds = (0.0, *(float(stop["round"]) for stop in one["by_round"]))
    means = (without, *(stop["ndcg_with"] for stop in one["by_round"]))
    spans = [Interval(without, without)]
    for stop in one["by_round"]:
        low, high = stop["gain_interval"]
        spans.append(Interval(without * (1 + low), without * (1 + high)))
    flat = tuple(Interval(without, without) for _ in rounds)
    return [
        Line("with it", rounds, means, tuple(spans), "own"),
        Line("without", rounds, (without,) * len(rounds), flat),
    ]


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return table(headings, [row(name, map(escape, cells)) for name, *cells in rows])
