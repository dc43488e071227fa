"""The section of an evaluation's page on groups of people."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from edge_rerank._resampling import Interval
from edge_rerank.evaluation import plots
from edge_rerank.evaluation.baselines import Popularity
from edge_rerank.evaluation.fairness import LEAST_REQUESTS, Fairness, Group, GroupQuality
from edge_rerank.evaluation.plots import Mark
from edge_rerank.evaluation.results import PACK
from edge_rerank.history.aggregates import MIN_PEOPLE
from edge_rerank.render.report import row, section, table
from edge_rerank.render.texttable import shorten

_NAME_CELLS = 19
"""Of a value beside a plot."""

_TEXT = (
    "NDCG@10 of people who have a value beside that of those who have another one of the same "
    f"attribute. A group has {LEAST_REQUESTS} requests of {MIN_PEOPLE} people at least; smaller "
    "ones are joined. Dots: the pack's difference to the rest. Green and red: beyond chance (p < "
    "0.05 of a randomisation test, corrected by Holm for the number of groups). Where popularity "
    "differs likewise, that group's lists are easier or harder for anyone."
)


def fairness_section(found: Fairness | None) -> str:
    """The section as HTML; empty where the data set says nothing of people."""
    if found is None:
        return ""
    said = "".join(f"<p>{escape(_capital(line))}.</p>" for line in found.sentences(PACK))
    return section("By what is known of people", _TEXT, f"{said}{_plots(found)}{_table(found)}")


def _plots(found: Fairness) -> str:
    marks = [_mark(one) for one in found.groups]
    drawn = ""
    for attribute, groups in groupby(found.groups, key=lambda one: one.attribute):
        title = "anything at all" if attribute is None else attribute
        own = [_mark(one) for one in groups]
        plot = plots.differences(f"Differences to the rest by {title}", own, beside=marks)
        drawn += f"<div><h3>{escape(title)}</h3>{plot}</div>"
    return f'<div class="pair">{drawn}</div>'


def _mark(group: Group) -> Mark:
    own = group.ndcg_10[PACK]
    name = shorten(group.value, _NAME_CELLS)
    return Mark(name, own.difference, own.difference_interval, _kind(own))


def _table(found: Fairness) -> str:
    if not found.groups:
        return ""
    headings = ("", "n", PACK, "to the rest", Popularity.name, "to the rest")
    rows = [row(group.name, [f"{group.requests}", *_cells(group)]) for group in found.groups]
    return table(headings, rows)


def _cells(group: Group) -> Iterator[str]:
    for one in (group.ndcg_10[PACK], group.ndcg_10[Popularity.name]):
        yield _with(f"{one.mean:.3f}", one.interval, ".2f")
        difference = f'<span class="{_kind(one)}">{one.difference:+.3f}</span>'
        yield _with(difference, one.difference_interval, "+.2f")


def _with(figure: str, interval: Interval, form: str) -> str:
    """A figure, and its interval in small print below."""
    return f'{figure}<br><small class="dim">{interval:{form}}</small>'


def _kind(one: GroupQuality) -> str:
    if not one.significant:
        return ""
    return "good" if one.difference > 0 else "bad"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
