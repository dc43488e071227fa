from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run


@pytest.fixture
def stored(tmp_path: Path) -> tuple[object, ...]:
    """Options that name a history file and its key."""
    return ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key")


def test_an_empty_history(run: Run, stored: tuple[object, ...]) -> None:
    assert "expected a history file, found none" in run("users", *stored).err
    run("consent", "give", *stored, "--user", "ada")
    run("consent", "withdraw", *stored, "--user", "ada")
    run("consent", "give", *stored, "--user", "bob", "--purpose", "aggregates")
    assert json.loads(run("users", *stored, "--json").out) == {
        **{"people": 2, "agreed": 0, "withdrawn": 1, "with_events": 0, "events": 0},
        **{"median_events": 0, "most_events": 0, "first": None, "last": None},
    }
    assert "decided nothing about it" in run("users", *stored).out


def test_people_are_counted_and_not_named(
    run: Run, stored: tuple[object, ...], tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    rows = "".join(
        f"{user},view,thing-{number},{86400 * number}\n"
        for user, count in (("secret-ada", 3), ("secret-bob", 1), ("secret-cleo", 8))
        for number in range(1, count + 1)
    )
    log.write_text(f"user,type,item,timestamp\n{rows}")
    assert run("import", log, *stored, "--consent-all").code == 0
    result = run("users", *stored)
    assert result.code == 0
    found = json.loads(run("users", *stored, "--json").out)
    assert found == {
        **{"people": 3, "agreed": 3, "withdrawn": 0, "with_events": 3, "events": 12},
        **{"median_events": 3, "most_events": 8, "first": 86400, "last": 8 * 86400},
    }
    assert "1970-01-02" in result.out
    assert "1970-01-09" in result.out
    assert "keyed hash of each identifier" in result.out
    assert "secret" not in result.out
    assert "thing" not in result.out
