from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_rerank import History, Reranker, Runtime
from edge_rerank.errors import PackNotFound
from edge_rerank.evaluation.expectations import suite
from edge_rerank.evaluation.expectations.catalogue import Language
from edge_rerank.evaluation.expectations.expectation import (
    Expectation,
    ExpectationReport,
    Group,
    Outcome,
    at_least,
)
from edge_rerank.ranking.engine import RankingEngine

from .conftest import Run

Asked = list[tuple[object, ...]]


def report(*met: bool) -> ExpectationReport:
    outcomes = []
    for place, one in enumerate(met):
        sentence = f"Sentence {place} holds"
        expectation = Expectation(Group.SEARCH, sentence, at_least(2), lambda _host: 0.0)
        outcomes.append(Outcome(expectation, 2.0 if one else 1.25, one))
    return ExpectationReport("tiny 1", tuple(outcomes))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the suite was asked to play; three of four are met."""
    calls: Asked = []

    def played(
        pack: object, *, runtime: Runtime, language: Language, progress: object
    ) -> ExpectationReport:
        calls.append((pack, runtime) if language is Language.EN else (pack, runtime, language))
        return report(True, True, False, True)

    monkeypatch.setattr(suite, "run", played)
    return calls


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 1), (("--at-least", "0.75"), 0), (("--at-least", "0.76"), 1), (("--at-least", "0"), 0)],
)
def test_the_share_decides(run: Run, asked: Asked, arguments: Sequence[str], code: int) -> None:
    result = run("expect", *arguments)
    assert result.code == code
    assert "tiny 1: 3 of 4 expectations met, 75.0%" in result.out
    assert asked == [(None, Runtime())]


def test_the_table(run: Run, asked: Asked) -> None:
    whole = run("expect").out
    assert [sign for sign in whole if sign in "✓✗"] == [*"✓✓✗✓"]
    unmet = run("expect", "--unmet").out
    assert [sign for sign in unmet if sign in "✓✗"] == ["✗"]
    assert "Sentence 2 holds" in unmet
    assert "≥ 2" in unmet
    assert "1.25" in unmet
    assert "Sentence 1 holds" not in unmet


def test_json(run: Run, asked: Asked) -> None:
    result = run("expect", "--json", "--at-least", "1")
    assert result.code == 1
    found = json.loads(result.out)
    assert (found["share"], found["met"], found["count"]) == (0.75, 3, 4)
    assert [one["met"] for one in found["expectations"]] == [True, True, False, True]


def test_packs_and_runtime(run: Run, asked: Asked) -> None:
    run("expect", "here", "--scorer", "there", "--providers", "cpu", "--threads", 2)
    run("expect", "shipped", "--scorer", "there")
    assert asked == [(["here", "there"], Runtime(["cpu"], 2)), (["shipped", "there"], Runtime())]


def test_the_language(run: Run, asked: Asked) -> None:
    run("expect", "--language", "zh")
    run("expect", "here", "--language", "zh")
    assert asked == [(None, Runtime(), Language.ZH), (["here"], Runtime(), Language.ZH)]
    assert run("expect", "--language", "tlh").code == 2


def test_the_pack_for_the_language_is_the_shipped_one(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    def refuse(pack: object, **_: object) -> Reranker:
        opened.append(pack)
        raise PackNotFound("enough")

    monkeypatch.setattr(Reranker, "open", refuse)
    for pack, language in ((None, Language.EN), (None, Language.ZH), ("mine", Language.ZH)):
        with pytest.raises(PackNotFound):
            suite.run(pack, language=language)
    assert opened == ["shipped", "multilingual", "mine"]


@pytest.mark.parametrize("wrong", ["1.1", "-0.1", "nan", "most"])
def test_a_share_goes_from_0_to_1(run: Run, asked: Asked, wrong: str) -> None:
    result = run("expect", f"--at-least={wrong}")
    assert result.code == 2
    assert not asked


def test_a_pack_that_is_not_there(run: Run, tmp_path: Path) -> None:
    result = run("expect", tmp_path / "none")
    assert result.code == 2
    assert result.err.count("\n") == 1
    with pytest.raises(PackNotFound):
        suite.run(tmp_path / "none")


def test_a_run_says_how_far_it_is(engine: RankingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Few of the catalogue's texts are looked at: those are read when they are.
    monkeypatch.setattr(Reranker, "warmup", lambda *_: None)
    reranker = Reranker(engine, History.open())
    seen: list[tuple[int, int]] = []
    some = [one for one in suite.all_expectations() if one.group is Group.DEFAULTS][1:3]
    found = suite.play(reranker, some, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert [one.expectation for one in found.outcomes] == some
    assert found.model.startswith("default ")
    reranker.history.close()


def test_real_histories_are_changed_as_well(run: Run, asked: Asked, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    words = {
        "Baking": "bread rolls cake",
        "Soups": "soup stew broth",
        "Space": "moon mars comet",
        "Football": "goal match team",
    }
    with (folder / "items.jsonl").open("w") as items:
        for number, (kind, names) in enumerate([*words.items()] * 12):
            text = f"{names.split()[number % 3]} number {number}"
            entry = {"id": str(number), "text": text, "categories": [kind]}
            items.write(json.dumps(entry) + "\n")
    history = [{"item": str(4 * n), "timestamp": 1_600_000_000 + 3600 * n} for n in range(8)]
    request = {"user": "a", "history": history, "candidates": ["1", "2", "3"], "clicked": ["1"]}
    (folder / "valid.jsonl").write_text(json.dumps(request) + "\n")
    arguments = ("expect", "--data", folder, "--histories", 2, "--at-least", 0)
    told = run(*arguments, "--relations-at-least", 0, "--json")
    relations = json.loads(told.out)["relations"]
    assert (told.code, relations["histories"]) == (0, 2)
    assert 0 < relations["share"] <= 1
    table = run(*arguments, "--relations-at-least", 0)
    assert "2 histories of valid: the list moved the right way after" in table.out
    missing = run("expect", "--data", tmp_path / "none", "--at-least", 0)
    assert missing.code == 2
