"""Statistics of a person's lists as one HTML page; it names no item and nobody."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edge_rerank.learning.stats import Comparison, Figure, ListFigures, Stats
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, facts, row, section, table

_MISSING = "–"


def as_html(stats: Stats) -> str:
    """The page, which needs nothing else."""
    whole = stats.whole
    parts = [
        f'<h1>How the lists did</h1>\n<p class="dim">{whole.lists:,} lists shown</p>\n',
        facts(
            [
                (percent(whole.click_through), "of lists had a choice"),
                (percent(whole.satisfied), "satisfied, in the mean"),
                (number(whole.place), "mean place of what was chosen"),
                (number(whole.mrr, 3), "mean reciprocal rank"),
            ]
        ),
        _over("By month", stats.by_month),
        _over("By surface", stats.by_surface),
        section(
            "Places",
            "Lists by the place of what was chosen.",
            table(["place", "lists"], [row(name, [f"{n:,}"]) for name, n in stats.places]),
        ),
        _against(stats),
        _estimates(stats),
    ]
    if stats.notes:
        listed = "".join(f"<li>{escape(note)}</li>" for note in stats.notes)
        parts.append(section("To be careful about", "", f"<ul>{listed}</ul>"))
    return report_page("How the lists did", "".join(parts), style=NUMBERS_STYLE)


def percent(figure: Figure | None) -> str:
    """A share with its interval, as "12 % (8–17 %)"."""
    if figure is None:
        return _MISSING
    value = f"{figure.value * 100:.0f}"
    if figure.low is None or figure.high is None:
        return f"{value} %"
    return f"{value} % ({figure.low * 100:.0f}–{figure.high * 100:.0f} %)"


def number(figure: Figure | None, digits: int = 1) -> str:
    """A number with its interval, as "3.4 (2.9 to 3.9)"."""
    if figure is None:
        return _MISSING
    value = f"{figure.value:.{digits}f}"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def comparisons(stats: Stats) -> list[tuple[str, Comparison]]:
    """Comparisons that can be made, with what the other order is."""
    both = (
        ("the application's order", stats.against_host),
        ("without what was learnt", stats.against_pack),
    )
    return [(name, one) for name, one in both if one is not None]


def _over(title: str, parts: Sequence[ListFigures]) -> str:
    if not parts:
        return ""
    headings = ["", "lists", "refused", "click-through", "satisfied", "place", "MRR"]
    rows = [
        row(
            one.name or "other",
            [
                f"{one.lists:,}",
                f"{one.refused:,}",
                percent(one.click_through),
                percent(one.satisfied),
                number(one.place),
                number(one.mrr, 3),
            ],
        )
        for one in parts
    ]
    return section(title, "With 95 % intervals.", table(headings, rows))


def _against(stats: Stats) -> str:
    rows = [
        row(
            name,
            [
                f"{one.lists:,}",
                number(one.place),
                number(one.other),
                number(one.higher),
                number(one.mrr, 3),
            ],
        )
        for name, one in comparisons(stats)
    ]
    if not rows:
        return ""
    headings = ["", "lists", "place as shown", "place there", "higher by", "MRR gained"]
    return section(
        "Against other orders", "Where what was chosen would have stood.", table(headings, rows)
    )


def _estimates(stats: Stats) -> str:
    if not stats.estimates:
        return ""
    rows = [
        row(one.estimator, [number(one.value, 3), f"{one.effective_size:.0f}"])
        for one in stats.estimates
    ]
    return section(
        "Off-policy estimates",
        "Successes a list earns on its first ten places: as shown, and without what was learnt.",
        table(["", "successes", "effective lists"], rows),
    )
