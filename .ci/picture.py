"""The README's picture of the demo, made from what ``edge-rerank demo`` prints.

``python .ci/picture.py`` writes examples/demo.svg; with ``--check`` it only says whether the file
shows what the demo prints today, but for the milliseconds.
"""

from __future__ import annotations

import html
import io
import os
import re
import sys
from pathlib import Path

from rich.console import Console as Recorder
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "demo.svg"
COLUMNS = 84
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


def printed() -> str:
    """What the demo prints on a terminal of 84 columns, colours included."""
    os.environ.pop("NO_COLOR", None)
    os.environ.update(COLUMNS=str(COLUMNS), TERM="xterm-256color")
    from edge_rerank.cli.main import main  # noqa: PLC0415 - after the terminal is set

    terminal, before = _Terminal(), sys.stdout
    sys.stdout = terminal
    try:
        code = main(["demo"])
    finally:
        sys.stdout = before
    if code:
        raise SystemExit(code)
    return terminal.text()


def picture(output: str) -> str:
    """The output as SVG, below the command."""
    recorder = Recorder(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    recorder.print(Text.from_markup("[bold green]$[/] edge-rerank demo\n"))
    recorder.print(Text.from_ansi(output))
    svg = recorder.export_svg(title="edge-rerank demo", theme=_THEME, unique_id="demo")
    # rich names a font on a server; a picture of ours fetches nothing.
    svg = re.sub(r"\s*(@font-face \{.*?\}|<!--.*?-->)", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", _FONTS)


def shown(svg: str) -> str:
    """The words of a picture, without the milliseconds and the spaces between them."""
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    plain = re.sub(r"\s+", " ", html.unescape(words).replace("\xa0", " "))
    return re.sub(r"took [\d.]+ ms", "took ms", plain)


def main() -> int:
    """Write the picture, or compare."""
    made = picture(printed())
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(made, encoding="utf-8")
        return 0
    if shown(made) == shown(PICTURE.read_text(encoding="utf-8")):
        return 0
    sys.stderr.write("examples/demo.svg: not what the demo prints; run python .ci/picture.py\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
