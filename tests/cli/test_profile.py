from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from edge_rerank import Event, Item, Reranker
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.personal_data import SCHEMA
from edge_rerank.learning.figures import Figure
from edge_rerank.learning.stats import Stats
from edge_rerank.learning.stats_words import StatsWords

from .conftest import EVENTS, Run


@pytest.fixture
def robin(run: Run, tmp_path: Path) -> tuple[object, ...]:
    """Options that name a history with the example events."""
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "robin")
    assert run("import", EVENTS, *stored, "--consent").code == 0
    return stored


def test_show(run: Run, robin: tuple[object, ...]) -> None:
    result = run("profile", "show", *robin)
    assert (result.code, result.err) == (0, "")
    for words in ("events", "12", "turns to: Kitchen", "long fermentation", "given"):
        assert words in result.out
    report = json.loads(run("profile", "show", *robin, "--json").out)
    assert report["events"] == 12
    assert report["consents"] == {"personalisation": True}
    assert (report["unread"], report["degraded"]) == (0.0, [])
    assert "cannot read" not in result.out


def test_what_the_application_stated_is_shown_exported_and_restored(
    run: Run, robin: tuple[object, ...], tmp_path: Path
) -> None:
    with History.open(tmp_path / "me.db", KeyFile(tmp_path / "me.key")) as history:
        history.describe("robin", {"age_group": "30-39"})
    assert "attribute: age_group" in run("profile", "show", *robin).out
    report = json.loads(run("profile", "show", *robin, "--json").out)
    assert report["attributes"] == {"age_group": "30-39"}
    export = tmp_path / "export.json"
    export.write_text(run("profile", "export", *robin).out)
    assert run("profile", "forget", *robin, "--yes").code == 0
    assert "attribute" not in run("profile", "show", *robin).out
    assert run("profile", "restore", export, *robin, "--consent").code == 0
    assert "attribute: age_group" in run("profile", "show", *robin).out


def test_show_tells_what_the_pack_cannot_read(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [
        {"type": "like", "item": {"id": "zh", "text": "怎样在家里烤面包"}, "timestamp": 5},
        {"type": "search", "query": "rye bread", "timestamp": 6},
    ]
    log.write_text("\n".join(json.dumps({"user": "ada", **line}) for line in lines))
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "ada")
    assert run("import", log, *stored, "--consent").code == 0
    shown = run("profile", "show", *stored, "--pack", "shipped")
    assert "texts the pack cannot read  50%" in shown.out
    report = json.loads(run("profile", "show", *stored, "--pack", "shipped", "--json").out)
    assert (report["unread"], report["degraded"]) == (0.5, ["text-not-read"])


def test_stats(run: Run, tmp_path: Path) -> None:
    key, page = KeyFile.create(tmp_path / "me.key"), tmp_path / "page.html"
    shelf = [Item(f"number {n}", f"a secret title {n}", score=float(n)) for n in range(6)]
    with Reranker.open(history=tmp_path / "me.db", key=key) as reranker:
        reranker.consent("robin", True)
        for _ in range(12):
            ranking = reranker.rank(shelf, "robin", surface="kiosk")
            click = Event("click", ranking[2].item, ranking=ranking.id, dwell_s=60)
            reranker.record(click, user="robin")
        reranker.rank(shelf, "robin")
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "robin")
    shown = run("profile", "stats", *stored, "--html", page)
    assert (shown.code, shown.err) == (0, "")
    for words in ("92 %", "kiosk", "the application's order: place 3.0", "no off-policy estimates"):
        assert words in shown.out
    report = json.loads(run("profile", "stats", *stored, "--json").out)
    assert (report["whole"]["lists"], report["whole"]["clicked"]) == (13, 12)
    assert report["whole"]["place"]["value"] == 3
    assert report["against_host"]["lists"] == 12
    told = page.read_text(encoding="utf-8")
    assert "lists shown: 13" in told
    for text in (shown.out, told, json.dumps(report)):
        assert "number " not in text
        assert "secret" not in text
        assert "robin" not in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_stats_fit_a_terminal_whole(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    key = KeyFile.create(tmp_path / "me.key")
    shelf = [Item(f"number {n}", f"a secret title {n}") for n in range(12)]
    with Reranker.open(history=tmp_path / "me.db", key=key) as reranker:
        reranker.consent("robin", True)
        for turn in range(12):
            ranking = reranker.rank(shelf, "robin", surface="kiosk")
            click = Event("click", ranking[turn % 12].item, ranking=ranking.id, dwell_s=60)
            rating = Event("rating", ranking=ranking.id, value=turn % 5)
            reranker.record([click, rating], user="robin")
    monkeypatch.setenv("COLUMNS", "80")
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "robin")
    out = run("profile", "stats", *stored, "--language", language).out
    stats = Stats(**json.loads(run("profile", "stats", *stored, "--json").out))
    words = StatsWords.of(language)
    rows = [line for line in out.splitlines() if line.startswith("kiosk")]
    assert len(rows) == 2
    kiosk = stats.by_surface[0]
    for name in ("click_through", "satisfied", "place", "mrr", "rating"):
        figure = Figure(**kiosk[name])  # type: ignore[index]
        told = words.number(figure, 2 if name == "mrr" else 1)
        if name in {"click_through", "satisfied"}:
            told = words.percent(figure)
        assert told in " ".join(rows)
        assert figure.low is not None
    assert words.say("order.pack") in out


def test_stats_in_chinese(run: Run, tmp_path: Path) -> None:
    key, page = KeyFile.create(tmp_path / "me.key"), tmp_path / "page.html"
    shelf = [Item(f"number {n}", f"a secret title {n}", ["things"]) for n in range(6)]
    with Reranker.open(history=tmp_path / "me.db", key=key) as reranker:
        reranker.consent("robin", True)
        ranking = reranker.rank(shelf, "robin")
        reranker.record(Event("rating", ranking=ranking.id, value=5), user="robin")
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "robin")
    shown = run("profile", "stats", *stored, "--language", "zh", "--html", page)
    assert (shown.code, shown.err) == (0, "")
    for words in ("点击率", "评分", "列表内多样性", "覆盖率", "基尼系数", "注意：没有离线策略估计"):
        assert words in shown.out
    assert not set(re.findall("[a-z]{2,}", shown.out))
    assert "列表效果" in page.read_text(encoding="utf-8")


def test_stats_of_a_person_of_whom_no_list_is_noted(run: Run, robin: tuple[object, ...]) -> None:
    shown = run("profile", "stats", *robin)
    assert shown.code == 0
    assert "no list is noted" in shown.out
    report = json.loads(run("profile", "stats", *robin, "--json").out)
    assert (report["whole"]["lists"], report["whole"]["click_through"]) == (0, None)


def test_export(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    printed = json.loads(run("profile", "export", *robin).out)
    assert printed["schema"] == SCHEMA
    assert set(printed) == set(SCHEMA["required"])
    assert len(printed["events"]) == 12
    assert printed["consents"]["personalisation"]["granted"] is True
    actions = [entry["action"] for entry in printed["audit"]]
    assert actions == ["consent-granted", "accessed"]
    output = tmp_path / "me.json"
    assert run("profile", "export", *robin, "--output", output).code == 0
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written["events"] == printed["events"]
    assert output.stat().st_mode & 0o077 == 0


@pytest.fixture
def other(run: Run, tmp_path: Path) -> tuple[object, ...]:
    """Options that name another history, with nothing about robin in it yet."""
    log = tmp_path / "other.jsonl"
    log.write_text('{"user": "sam", "type": "search", "query": "tea", "timestamp": 5}\n')
    files = ("--history", tmp_path / "other.db", "--key-file", tmp_path / "other.key")
    assert run("import", log, *files, "--user", "sam", "--consent").code == 0
    return (*files, "--user", "robin")


@pytest.mark.parametrize("sealed", [False, True])
def test_what_was_exported_is_restored_elsewhere(
    run: Run, robin: tuple[object, ...], other: tuple[object, ...], tmp_path: Path, sealed: bool
) -> None:
    private, public, output = (tmp_path / name for name in ("private", "public", "export"))
    assert run("profile", "keypair", "--private", private, "--public", public).code == 0
    export = ("profile", "export", *robin, "--output", output)
    restore = ("profile", "restore", output, *other)
    if sealed:
        assert run(*export, "--recipient", public).out.endswith("export, sealed\n")
        assert b"fermentation" not in output.read_bytes().lower()
        assert "malformed export" in run(*restore, "--consent").err  # without the private key
        restore += ("--private-key", private)
    else:
        assert run(*export).code == 0
        assert b"fermentation" in output.read_bytes().lower()
    result = run(*restore, "--consent")
    assert (result.code, result.out) == (0, "12 new events recorded\n")
    assert run(*restore).out == "0 new events recorded\n"
    again, before = (json.loads(run("profile", "export", *who).out) for who in (other, robin))
    clean = [
        [{**event, "record": 0, "recorded_at": 0} for event in one["events"]]
        for one in (again, before)
    ]
    assert clean[0] == clean[1]
    actions = [entry["action"] for entry in before["audit"]]
    assert actions.count("released") == sealed


def test_nothing_is_restored_without_consent(
    run: Run, robin: tuple[object, ...], other: tuple[object, ...], tmp_path: Path
) -> None:
    output = tmp_path / "export"
    assert run("profile", "export", *robin, "--output", output).code == 0
    result = run("profile", "restore", output, *other)
    assert result.code == 2
    assert result.err.endswith("not agreed to personalisation: give --consent if they have\n")


def test_what_is_no_export_leaves_no_consent_behind(
    run: Run, other: tuple[object, ...], tmp_path: Path
) -> None:
    output = tmp_path / "export"
    output.write_text("[]")
    assert run("profile", "restore", output, *other, "--consent").code == 2
    assert json.loads(run("consent", "show", *other, "--json").out) == {}


def test_a_sealed_export_needs_a_key_and_a_file_of_its_own(
    run: Run, robin: tuple[object, ...], tmp_path: Path
) -> None:
    key, output = tmp_path / "key", tmp_path / "export"
    key.write_bytes(b"short")
    for extra, reason in (
        (("--recipient", key), "needs --output"),
        (("--recipient", key, "--output", output), "expected a key of 32 bytes, got 5"),
        (("--recipient", tmp_path / "none", "--output", output), "cannot be read"),
    ):
        result = run("profile", "export", *robin, *extra)
        assert result.code == 2
        assert reason in result.err
    assert not output.exists()


def test_export_that_cannot_be_written(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    result = run("profile", "export", *robin, "--output", tmp_path / "no" / "me.json")
    assert result.code == 2
    assert "cannot be written" in result.err


def test_forget(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    key = (tmp_path / "me.key").read_bytes()
    asked = run("profile", "forget", *robin)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert json.loads(run("profile", "show", *robin, "--json").out)["events"] == 12
    result = run("profile", "forget", *robin, "--yes")
    assert result.code == 0
    assert result.out.startswith("12 events erased")
    assert (tmp_path / "me.key").read_bytes() != key
    report = json.loads(run("profile", "show", *robin, "--json").out)
    assert (report["events"], report["consents"]) == (0, {})


def test_erasure_and_restoring_as_json(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    output = tmp_path / "export"
    assert run("profile", "export", *robin, "--output", output).code == 0
    receipt = json.loads(run("profile", "forget", *robin, "--yes", "--json").out)
    assert (receipt["events"], receipt["key_rotated"]) == (12, True)
    again = run("profile", "restore", output, *robin, "--consent", "--json")
    assert json.loads(again.out) == {"recorded": 12}


def test_a_stranger(run: Run, robin: tuple[object, ...]) -> None:
    result = run("profile", "show", *robin[:-1], "nobody", "--json")
    assert json.loads(result.out)["events"] == 0


def test_of_a_stranger_it_is_said_that_nobody_is_known(
    run: Run, robin: tuple[object, ...], tmp_path: Path
) -> None:
    stranger = (*robin[:-1], "robbin")
    assert "knows nobody of this identifier" in run("profile", "show", *stranger).out
    for more in ((), ("--output", tmp_path / "me.json")):
        result = run("profile", "export", *stranger, *more)
        assert (result.code, "knows nobody of this identifier" in result.err) == (0, True)
    for action in ("show", "export"):
        known = run("profile", action, *robin)
        assert "knows nobody" not in known.out + known.err


def test_of_a_stranger_nothing_is_said_to_be_erased(run: Run, robin: tuple[object, ...]) -> None:
    result = run("profile", "forget", *robin[:-1], "robbin", "--yes")
    assert result.code == 0
    assert result.out == "nothing erased: the history knows nobody of this identifier\n"


@pytest.mark.parametrize("action", ["show", "stats", "export", "forget"])
def test_no_history(run: Run, tmp_path: Path, action: str) -> None:
    extra = ("--yes",) if action == "forget" else ()
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key")
    result = run("profile", action, *stored, "--user", "robin", *extra)
    assert result.code == 2
    assert "expected a history file, found none" in result.err
    assert not (tmp_path / "me.db").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_an_export_is_private_even_in_the_place_of_a_file_that_was_not(
    run: Run, robin: tuple[object, ...], tmp_path: Path
) -> None:
    output, link = tmp_path / "me.json", tmp_path / "link.json"
    output.write_text("old")
    output.chmod(0o644)
    link.symlink_to(output)
    with output.open() as reader:  # may have been opened by anyone
        for name in (output, link):
            output.chmod(0o644)
            assert run("profile", "export", *robin, "--output", name).code == 0
            assert output.stat().st_mode & 0o777 == 0o600
            assert len(json.loads(output.read_text(encoding="utf-8"))["events"]) == 12
        assert reader.read() == "old"
    assert link.is_symlink()
    dangling, target = tmp_path / "dangling.json", tmp_path / "made.json"
    dangling.symlink_to(target)
    assert run("profile", "export", *robin, "--output", dangling).code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert run("profile", "export", *robin, "--output", "/dev/null").code == 0
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_key_open_to_others(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "me.key").chmod(0o644)
    result = run("profile", "show", *robin)
    assert result.code == 2
    assert "chmod 600" in result.err
