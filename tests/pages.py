"""Pages of documentation as programs: their code blocks, run one after the other.

Blocks of ``python`` share their names; of ``sh``, commands of ``edge-rerank`` and of the toolchain
are run, with exit status 0; ``json`` must be JSON. A block after an HTML comment that begins with
"not run:" is shown alone, and the comment says why.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_rerank.cli.main import main

_BLOCK = re.compile(
    r"(?:^<!-- (not run: [^>]+?) -->\n\s*)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_TOOLCHAIN = "python -m edge_rerank.export "


@dataclass(frozen=True)
class Block:
    """One block of code of a page."""

    language: str
    code: str
    line: int
    excuse: str


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(match[2], match[3], text.count("\n", 0, match.start(3)) + 1, match[1] or "")
        for match in _BLOCK.finditer(text)
    ]


def run_page(page: Path, names: dict[str, Any] | None = None) -> int:
    """Run a page's blocks in the working folder; how many were run.

    Args:
        page: a file in Markdown.
        names: what its Python leaves behind goes there.
    """
    names = {} if names is None else names
    names["__name__"] = page.stem
    done = 0
    for block in blocks_of(page):
        if block.excuse:
            continue
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.code  # a traceback names the page's line
            exec(compile(code, str(page), "exec"), names)
        elif block.language == "sh":
            for command in _commands(block.code):
                run_command(command)
        elif block.language == "json":
            json.loads(block.code)
        else:
            continue
        done += 1
    return done


def run_command(command: str) -> None:
    """Run a command as a page shows it."""
    if command.startswith(_TOOLCHAIN):
        from edge_rerank_export.cli import main as toolchain

        status = toolchain(shlex.split(command.removeprefix(_TOOLCHAIN)))
    else:
        program, *arguments = shlex.split(command)
        assert program == "edge-rerank", f"not run by this test: {command}"
        status = main([str(Path(one).expanduser()) for one in arguments])
    assert status == 0, command


def _commands(code: str) -> list[str]:
    lines = code.replace("\\\n", " ").splitlines()
    return [line.split(" #")[0] for line in lines if line.strip() and not line.startswith("#")]
