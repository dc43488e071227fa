from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge_rerank
from edge_rerank.cli.main import COMMANDS, build_parser
from edge_rerank.cli.options import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, exit_codes
from edge_rerank.errors import EdgeRerankError

from .conftest import Run

ROOT = Path(__file__).parents[2]


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command's parser with its full name."""
    todo = [("edge-rerank", build_parser())]
    while todo:
        name, parser = todo.pop()
        yield name, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                todo += [(f"{name} {word}", one) for word, one in action.choices.items()]


PARSERS = dict(parsers())
FLAGS = sorted(
    {
        option
        for parser in PARSERS.values()
        for one in parser._actions
        for option in one.option_strings
    }
)

CHECKS = ("audit", "bench", "doctor", "expect", "packs")


def test_the_commands() -> None:
    names = {name.split()[1] for name in PARSERS if " " in name}
    assert names == {
        "demo",
        "rank",
        "serve",
        "import",
        "consent",
        "users",
        "profile",
        "eval",
        "expect",
        "tables",
        "audit",
        "packs",
        "doctor",
        "bench",
    }
    assert len(names) == len(COMMANDS)
    actions = {name.split()[2] for name in PARSERS if name.startswith("edge-rerank profile ")}
    assert actions == {"show", "stats", "export", "restore", "keypair", "forget"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("serve --http --port 99999", "expected a whole number from 0 to 65535, got '99999'"),
        ("serve --guest-idle 0", "expected a whole number from 1 on, got '0'"),
        ("rank --items x --top-k three", "expected a whole number from 1 on, got 'three'"),
        ("rank --items x --context hour", "expected NAME=VALUE, got no ="),
        ("expect --at-least 2", "expected a number from 0 to 1, got '2'"),
    ],
)
def test_a_wrong_value_is_told_what_was_expected(
    command: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(command.split())
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("name", PARSERS)
def test_every_argument_is_documented(name: str) -> None:
    parser = PARSERS[name]
    assert parser.description
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, action.option_strings or action.dest
        assert action.help is not argparse.SUPPRESS


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_means_the_same_everywhere(flag: str) -> None:
    """Same help, same form, same default, whichever command has it."""
    forms = {
        (one.help, one.metavar, type(one), one.type, one.nargs, str(one.default))
        for parser in PARSERS.values()
        for one in parser._actions
        if flag in one.option_strings
    }
    assert len(forms) == 1


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_tells_its_exit_codes(name: str) -> None:
    parser = PARSERS[name]
    checks = name.split()[1:2] in ([], *([one] for one in CHECKS))
    assert parser.epilog == exit_codes(checks=checks)
    for code in (EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED):
        assert f"{code} " in (parser.epilog or "")


def test_what_a_program_may_read_is_there_as_json() -> None:
    without = {
        name
        for name, parser in PARSERS.items()
        if parser.get_default("run") and "--json" not in parser.format_help()
    }
    # The server and the key always print JSON, the export says where it went.
    assert without == {
        "edge-rerank profile export",
        "edge-rerank profile keypair",
        "edge-rerank serve",
    }


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_tested(flag: str) -> None:
    tests = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(f'"{flag}"' in text for text in tests)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(run: Run, name: str, flag: str) -> None:
    result = run(*name.split()[1:], flag)
    assert result.code == 0
    assert result.out.startswith("usage: ")


def test_version(run: Run) -> None:
    assert run("--version").out == f"edge-rerank {edge_rerank.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [(), ("dance",), ("rank",), ("eval", "shipped"), ("demo", "--threads", "0"), ("profile",)],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert "usage: " in result.err


def test_a_word_that_is_none_of_a_few_is_told_them(run: Run, tmp_path: Path) -> None:
    result = run("eval", "shipped", tmp_path, "--without", "fame")
    assert result.code == 2
    assert "expected one of popularity, categories, media, got 'fame'" in result.err


def test_an_error_of_ours_is_one_line(run: Run, tmp_path: Path) -> None:
    result = run("rank", "--items", tmp_path / "none.jsonl")
    assert result.code == 2
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert result.err.startswith("edge-rerank: ")
    assert "Traceback" not in result.err


def test_a_message_cannot_fake_a_second_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise type("Odd", (EdgeRerankError,), {})("one\ntwo \x1b[31mthree")

    monkeypatch.setattr("edge_rerank.cli.demo.example_catalogue", fail)
    assert run("demo").err == "edge-rerank: one two [31mthree\n"


def test_a_system_that_refuses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> Path:
        raise PermissionError(13, "a path that is private")

    monkeypatch.setattr("edge_rerank.cli.demo.example_catalogue", refuse)
    result = run("demo")
    assert (result.code, result.err) == (
        2,
        "edge-rerank: the system refused: Permission denied\n",
    )


def test_an_interrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_rerank.cli.demo.example_catalogue", interrupt)
    result = run("demo")
    assert (result.code, result.err) == (130, "edge-rerank: interrupted\n")


def spawn(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "edge_rerank", *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_a_pipe_that_knows_only_ascii() -> None:
    done = spawn("demo", PYTHONIOENCODING="ascii", COLUMNS="80", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    assert "\x1b" not in text
    assert re.search(r"\+ \d+ ", text)  # moved up
    assert 'Robin likes "A map of the Moon"' in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("columns", ["20", "40", "200"])
def test_narrow_and_wide_terminals(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = run("doctor", "--pack", "shipped")
    width = min(max(int(columns), 40), 120)
    assert "provider that runs" in " ".join(done.out.split())
    assert max(len(line) for line in done.out.splitlines()) <= width


def test_a_reader_who_leaves_early() -> None:
    command = [sys.executable, "-m", "edge_rerank", "packs"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() != 0
