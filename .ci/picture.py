"""Pictures of what the demo and the examples print, made by running them.

``python .ci/picture.py`` writes examples/demo.svg and examples/NAME/output.svg; with ``--check`` it
only says whether the files show what is printed today, but for the milliseconds, and for places in
a list that are one off: products of int8 are summed up by other instructions on other processors
(AVX2, AVX-512 VNNI, AMX), after which scores differ by some 1e-4 and near-ties fall otherwise.
"""

from __future__ import annotations

import html
import io
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console as Recorder
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
STORIES = ("courses", "games", "health", "news", "shop", "transport")
COLUMNS = 84
STORY_COLUMNS = 98
_CELL = 12.2
"""Width of one cell in rich's pictures."""

_WIDE = r"[\u2e80-\u9fff\uff00-\uffef]+"
_WIDE_TEXT = re.compile(rf'(<text [^>]*textLength=")[\d.]+("[^>]*>)({_WIDE})(?=</text>)')
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

_THEME = TerminalTheme(
    (24, 28, 34),
    (222, 227, 233),
    [
        (24, 28, 34),
        (240, 113, 120),
        (145, 210, 120),
        (230, 180, 80),
        (89, 194, 255),
        (210, 166, 255),
        (149, 230, 203),
        (222, 227, 233),
    ],
)


class _Terminal(io.TextIOWrapper):
    """Takes what is printed, and says that it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self) -> bool:
        """It is, so that there are colours."""
        return True

    def text(self) -> str:
        """What was printed."""
        self.flush()
        self.seek(0)
        return self.read()


@dataclass(frozen=True)
class Picture:
    """A file, and what it shows.

    Attributes:
        path: where it is.
        command: what is typed.
        run: prints, and gives an exit status.
        columns: of the terminal.
        marked: patterns that get a colour, for what prints none itself.
    """

    path: Path
    command: str
    run: Callable[[], int]
    columns: int
    marked: tuple[tuple[str, str], ...] = ()


def pictures() -> Iterator[Picture]:
    """All of them."""
    from edge_rerank.cli.main import main  # noqa: PLC0415 - after the terminal is set

    yield Picture(EXAMPLES / "demo.svg", "edge-rerank demo", lambda: main(["demo"]), COLUMNS)
    marked = ((r"▲ \d+", "green"), (r"▼ \d+", "red"), (r"(?m)^\d\. .*$", "bold"))
    for name in STORIES:
        module = f"examples.{name}.main"
        path, command = EXAMPLES / name / "output.svg", f"python -m {module}"
        yield Picture(path, command, partial(_story, module), STORY_COLUMNS, marked)


def _story(module: str) -> int:
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__")
    return 0


def printed(one: Picture) -> str:
    """What it prints on a terminal, colours included."""
    os.environ["COLUMNS"] = str(one.columns)
    terminal, before = _Terminal(), sys.stdout
    sys.stdout = terminal
    try:
        code = one.run()
    finally:
        sys.stdout = before
    if code:
        raise SystemExit(code)
    return terminal.text()


def drawn(one: Picture, output: str) -> str:
    """The output as SVG, below the command."""
    name = one.path.stem if one.path.parent == EXAMPLES else one.path.parent.name
    recorder = Recorder(record=True, width=one.columns, file=io.StringIO(), force_terminal=True)
    recorder.print(Text.from_markup(f"[bold green]$[/] {one.command}\n"))
    text = Text.from_ansi(output)
    # Each run of Chinese becomes a text of its own, with a place of its own: see _stretched().
    for pattern, style in (*one.marked, (_WIDE, "rgb(222,227,232)")):
        text.highlight_regex(pattern, style)
    recorder.print(text)
    svg = recorder.export_svg(title=one.command, theme=_THEME, unique_id=name)
    # rich names a font on a server; a picture of ours fetches nothing.
    svg = re.sub(r"\s*(@font-face \{.*?\}|<!--.*?-->)", "", svg, flags=re.DOTALL)
    return _WIDE_TEXT.sub(_stretched, svg.replace("Fira Code, monospace", _FONTS))


def _stretched(text: re.Match[str]) -> str:
    """A text as wide as its cells: rich takes each sign for one."""
    before, after, signs = text.groups()
    return f"{before}{_CELL * cell_len(signs):g}{after}{signs}"


def shown(svg: str) -> str:
    """The words of a picture, without the milliseconds and the spaces between them."""
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    plain = re.sub(r"\s+", " ", html.unescape(words).replace("\xa0", " "))
    return re.sub(r"took [\d.]+ ms", "took ms", plain)


def alike(now: str, before: str) -> bool:
    """Whether words are the same, and whole numbers at most one apart."""
    parts, others = (re.split(r"(?<![\d.])(\d+)(?![\d.]*\d)", words) for words in (now, before))
    if parts[::2] != others[::2]:
        return False
    return all(
        abs(int(one) - int(other)) <= 1
        for one, other in zip(parts[1::2], others[1::2], strict=True)
    )


def main() -> int:
    """Write the pictures, or compare."""
    check = "--check" in sys.argv[1:]
    os.environ.pop("NO_COLOR", None)
    os.environ.update(COLUMNS=str(COLUMNS), TERM="xterm-256color")
    sys.path.insert(0, str(ROOT))
    old = []
    for one in pictures():
        made = drawn(one, printed(one))
        if not check:
            one.path.write_text(made, encoding="utf-8")
        elif not one.path.exists() or not alike(
            shown(made), shown(one.path.read_text(encoding="utf-8"))
        ):
            old.append(str(one.path.relative_to(ROOT)))
    if old:
        sys.stderr.write(f"not what is printed; run python .ci/picture.py: {', '.join(old)}\n")
    return int(bool(old))


if __name__ == "__main__":
    raise SystemExit(main())
