"""Parts of reports in HTML: facts in large print, sections, and tables of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

NUMBERS_STYLE = """
.facts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 1.5rem; padding: 0;
  list-style: none; }
.facts li { flex: 1 1 9rem; padding: .6rem .9rem; border: 1px solid var(--line);
  border-radius: .5rem; background: var(--card); }
.facts b { display: block; font-size: 1.35rem; line-height: 1.3; }
.pair { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); }
.pair > * { min-width: 0; }
h3 { font-size: .93rem; margin: 1rem 0 0; }
.wide { overflow-x: auto; }
td, th { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead th { color: var(--dim); border-top: 0; vertical-align: bottom; }
th:first-child, td:last-child.l { text-align: left; }
tr.own { font-weight: 600; } tr.own th { font-weight: 600; }
td.best { color: var(--accent); }
.good { color: var(--good); } .bad { color: var(--bad); }
td:last-child, th:last-child { padding-right: 0; }
@media print { .wide { overflow: visible; } table { font-size: 7.5pt; }
  td, th { padding-right: .3rem; } }
"""
"""CSS of these parts, for :func:`~edge_rerank.render.page.report_page`."""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """What a reader looks for first: a figure in large print, and what it is."""
    items = "".join(f"<li><b>{escape(big)}</b>{escape(small)}</li>" for big, small in pairs)
    return f'<ul class="facts">{items}</ul>\n'


def section(title: str, text: str, inside: str) -> str:
    """A section: its title, a line of what is seen, and HTML."""
    return f'<section><h2>{title}</h2><p class="dim">{text}</p>{inside}</section>\n'


def table(headings: Sequence[str], rows: Iterable[str], *, escaped: bool = False) -> str:
    """A table of :func:`row`, which scrolls by itself where the screen is narrow.

    Args:
        headings: of the columns.
        rows: HTML.
        escaped: whether the headings are HTML already.
    """
    cells = "".join(f'<th scope="col">{one if escaped else escape(one)}</th>' for one in headings)
    head = f"<thead><tr>{cells}</tr></thead>" if any(headings) else ""
    return f'<div class="wide"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def row(name: str, cells: Iterable[str], *, own: bool = False) -> str:
    """A row; cells are HTML. ``own`` sets it off from the others."""
    kind = ' class="own"' if own else ""
    inside = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr{kind}><th scope="row">{escape(name)}</th>{inside}</tr>'
