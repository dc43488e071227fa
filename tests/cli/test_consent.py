from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run


@pytest.fixture
def stored(tmp_path: Path) -> tuple[object, ...]:
    """Options that name a history file, its key and a person."""
    return ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "ada")


def test_given_shown_and_withdrawn(run: Run, stored: tuple[object, ...], log: Path) -> None:
    given = run("consent", "give", *stored)
    assert (given.code, given.out) == (0, "personalisation: given\n")
    assert run("import", log, *stored).code == 0
    shown = run("consent", "show", *stored)
    assert shown.out.split()[-2:] == ["personalisation", "given"]
    withdrawn = run("consent", "withdraw", *stored)
    assert withdrawn.out.splitlines() == [
        "personalisation: withdrawn",
        "what is stored stays: edge-rerank profile forget erases it",
    ]
    assert run("import", log, *stored).code == 2
    assert json.loads(run("consent", "show", *stored, "--json").out) == {"personalisation": False}
    assert "ada" not in given.out + shown.out + withdrawn.out


def test_other_purposes(run: Run, stored: tuple[object, ...]) -> None:
    given = run("consent", "give", *stored, "--purpose", "aggregates", "--json")
    assert json.loads(given.out) == {"aggregates": True}
    withdrawn = run("consent", "withdraw", *stored, "--purpose", "aggregates", "--json")
    assert json.loads(withdrawn.out) == {"aggregates": False}
    assert run("consent", "give", *stored, "--purpose", "two words").code == 2


def test_of_whom_nothing_is_known(run: Run, stored: tuple[object, ...], tmp_path: Path) -> None:
    for action in ("show", "withdraw"):
        missing = run("consent", action, *stored)
        assert missing.code == 2
        assert "expected a history file, found none" in missing.err
        assert list(tmp_path.iterdir()) == []
    assert run("consent", "give", *stored[:-1], "bob").code == 0
    shown = run("consent", "show", *stored)
    assert shown.out == "nothing decided: nothing is recorded of this person\n"
    assert run("consent", "withdraw", *stored).out == "personalisation: withdrawn\n"
    assert json.loads(run("consent", "show", *stored, "--json").out) == {}
