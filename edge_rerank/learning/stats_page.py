"""Statistics of a person's lists as one HTML page; it names no item and nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge_rerank.learning.coverage import Covered
from edge_rerank.learning.stats import Comparison, ListFigures, Stats
from edge_rerank.learning.stats_words import ENGLISH, MISSING, StatsWords
from edge_rerank.render.page import report_page
from edge_rerank.render.report import NUMBERS_STYLE, facts, row, section, table
from edge_rerank.render.words import direction

_STYLE = """
td small { display: block; color: var(--dim); font-size: .85em; }
tbody th { white-space: normal; min-width: 5rem; }
.bars td:last-child { width: 70%; }
.bar { display: block; height: .7em; margin-top: .4em; border-radius: .15em;
  background: var(--accent); }
"""


def stats_as_html(stats: Stats, *, words: StatsWords = ENGLISH) -> str:
    """Statistics as a page that needs nothing else, light or dark as the reader's setting is.

    Args:
        stats: what to show.
        words: in the reader's language, as ``StatsWords.of("zh")``.
    """
    say = words.say
    parts = [
        f"<h1>{escape(say('title'))}</h1>\n"
        f'<p class="dim">{escape(say("shown", lists=f"{stats.whole.lists:,}"))}</p>\n',
        facts(_facts(stats, words)),
        _over("by_month", "intervals", stats.by_month, words),
        _over("by_surface", "intervals", stats.by_surface, words),
        _over("by_order", "by_order.what", stats.by_order, words),
        _places(stats, words),
        _variety(stats, words),
        _against(stats, words),
        _estimates(stats, words),
    ]
    if stats.notes:
        listed = "".join(f"<li>{escape(words.note(note))}</li>" for note in stats.notes)
        parts.append(section(escape(say("notes")), "", f"<ul>{listed}</ul>"))
    return report_page(
        say("title"),
        "".join(parts),
        style=NUMBERS_STYLE + _STYLE,
        lang=words.lang,
        direction=direction(words.lang),
    )


def comparisons(stats: Stats, words: StatsWords) -> list[tuple[str, Comparison]]:
    """Comparisons that can be made, with what the other order is."""
    both = (("against.host", stats.against_host), ("against.pack", stats.against_pack))
    return [(words.say(name), one) for name, one in both if one is not None]


def headings_of(figures: Iterable[ListFigures], words: StatsWords) -> list[str]:
    """Headings of :func:`cells_of`, without ratings where nothing was rated."""
    names = ["lists", "refused", "click_through", "satisfied", "place", "mrr"]
    if any(one.rated for one in figures):
        names.append("rating")
    return [words.say(name) for name in names]


def cells_of(one: ListFigures, words: StatsWords) -> list[tuple[str, str]]:
    """Figures of lists for the cells of a table, each with its interval, empty without one."""
    return [
        (f"{one.lists:,}", ""),
        (f"{one.refused:,}", ""),
        words.percent_parts(one.click_through),
        words.percent_parts(one.satisfied),
        words.number_parts(one.place),
        words.number_parts(one.mrr, 2),
        words.number_parts(one.rating),
    ]


def name_of(one: ListFigures, kind: str, words: StatsWords) -> str:
    """What lists of a kind, as "by_order", are called."""
    return words.say(f"order.{one.name}") if kind == "by_order" else one.name or words.say("other")


def varieties(stats: Stats, words: StatsWords) -> list[tuple[str, tuple[str, str]]]:
    """Figures of variety that are known, with intervals, by what they are."""
    diversity = stats.diversity
    if diversity is None:
        return []
    known = (
        ("diversity.categories", words.number_parts(diversity.categories, 2)),
        ("diversity.vectors", words.number_parts(diversity.vectors, 2)),
        ("diversity.recall", words.percent_parts(diversity.recall)),
    )
    return [(words.say(name), told) for name, told in known if told[0] != MISSING]


def coverages(stats: Stats, words: StatsWords) -> list[tuple[str, tuple[str, ...]]]:
    """Coverage of items and of categories: what was shown, of what was offered, share, Gini."""
    if stats.coverage is None:
        return []
    both = (
        ("coverage.items", stats.coverage.items),
        ("coverage.categories", stats.coverage.categories),
    )
    return [(words.say(name), _covered(one, words)) for name, one in both if one.offered]


def coverage_headings(words: StatsWords) -> list[str]:
    """Headings of :func:`coverages`."""
    names = ("shown", "offered", "share", "gini")
    return [words.say(f"coverage.{name}") for name in names]


def _covered(one: Covered, words: StatsWords) -> tuple[str, ...]:
    return (
        f"{one.shown:,}",
        f"{one.offered:,}",
        MISSING if one.share is None else words.say("share", value=f"{one.share * 100:.0f}"),
        MISSING if one.gini is None else f"{one.gini:.2f}",
    )


def _facts(stats: Stats, words: StatsWords) -> list[tuple[str, str]]:
    whole, say = stats.whole, words.say
    told = [
        (words.percent_parts(whole.click_through), say("fact.click_through")),
        (words.percent_parts(whole.satisfied), say("fact.satisfied")),
        (words.number_parts(whole.place), say("fact.place")),
        (words.number_parts(whole.mrr, 2), say("fact.mrr")),
    ]
    if whole.rated:
        rated = say("fact.rating", lists=f"{whole.rated:,}")
        told.append((words.number_parts(whole.rating), rated))
    return [
        (value, say("with.range", value=what, range=between) if between else what)
        for (value, between), what in told
    ]


def _cell(parts: tuple[str, str]) -> str:
    """A figure, and its interval below it, as HTML."""
    value, between = map(escape, parts)
    return f"{value}<small>{between}</small>" if between else value


def _over(kind: str, text: str, parts: Sequence[ListFigures], words: StatsWords) -> str:
    if not parts:
        return ""
    headings = headings_of(parts, words)
    rows = [
        row(name_of(one, kind, words), map(_cell, cells_of(one, words)[: len(headings)]))
        for one in parts
    ]
    inside = table(["", *headings], rows)
    return section(escape(words.say(kind)), escape(words.say(text)), inside)


def _places(stats: Stats, words: StatsWords) -> str:
    most = max(count for _, count in stats.places)
    if not most:
        return ""
    rows = [row(name, [f"{count:,}", _bar(count / most)]) for name, count in stats.places]
    inside = f'<div class="bars">{table([words.say("place"), words.say("lists"), ""], rows)}</div>'
    return section(escape(words.say("places")), escape(words.say("places.what")), inside)


def _bar(share: float) -> str:
    return f'<span class="bar" style="width:{100 * share:.0f}%"></span>'


def _variety(stats: Stats, words: StatsWords) -> str:
    means, covered = varieties(stats, words), coverages(stats, words)
    inside = ""
    if means:
        rows = [row(name, [_cell(told)]) for name, told in means]
        inside += table(["", words.say("figure")], rows)
    if covered:
        rows = [row(name, map(escape, cells)) for name, cells in covered]
        inside += table(["", *coverage_headings(words)], rows)
    if not inside:
        return ""
    return section(escape(words.say("variety")), escape(words.say("variety.what")), inside)


def _against(stats: Stats, words: StatsWords) -> str:
    rows = [
        row(
            name,
            [
                f"{one.lists:,}",
                _cell(words.number_parts(one.place)),
                _cell(words.number_parts(one.other)),
                _cell(words.number_parts(one.higher)),
                _cell(words.number_parts(one.mrr, 3)),
            ],
        )
        for name, one in comparisons(stats, words)
    ]
    if not rows:
        return ""
    columns = ("place", "other", "higher", "mrr")
    headings = ["", words.say("lists"), *(words.say(f"against.{name}") for name in columns)]
    text = escape(words.say("against.what"))
    return section(escape(words.say("against")), text, table(headings, rows))


def _estimates(stats: Stats, words: StatsWords) -> str:
    if not stats.estimates:
        return ""
    rows = [
        row(
            words.say(f"estimate.{one.estimator}"),
            [_cell(words.number_parts(one.value, 3)), f"{one.effective_size:.0f}"],
        )
        for one in stats.estimates
    ]
    headings = ["", words.say("successes"), words.say("effective")]
    text = escape(words.say("estimates.what"))
    return section(escape(words.say("estimates")), text, table(headings, rows))
