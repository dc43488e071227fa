from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import EVENTS, ITEMS, Run


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Six of the catalogue's items, where it does not matter which: to read all takes 0.4 s."""
    path = tmp_path / "few.jsonl"
    lines = ITEMS.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:6]), encoding="utf-8")
    return path


def ids(text: str) -> list[str]:
    return [entry["id"] for entry in json.loads(text)["items"]]


def test_table(run: Run) -> None:
    result = run("rank", "--items", ITEMS, "--log", EVENTS, "--top-k", 5)
    assert (result.code, result.err) == (0, "")
    assert "because you chose Dark rye" in result.out
    assert "A week of sourdough" in result.out


def test_json(run: Run) -> None:
    result = run("rank", "--items", ITEMS, "--json", "--top-k", 2)
    report = json.loads(result.out)
    head = {"id", "took_ms", "personalised", "degraded", "unread", "pack", "order"}
    assert set(report) == {*head, "chances", "left_out", "items"}
    assert not report["personalised"]
    assert ids(result.out) == ["harbour-case", "no-knead"]  # the most popular two


def test_the_log_counts(run: Run) -> None:
    result = run("rank", "--items", ITEMS, "--log", EVENTS, "--json", "--top-k", 5)
    assert json.loads(result.out)["personalised"]
    assert "sourdough-week" in ids(result.out)


def test_the_query_counts(run: Run) -> None:
    result = run("rank", "--items", ITEMS, "--query", "stars and planets", "--json", "--top-k", 3)
    assert set(ids(result.out)) & {"planets-tonight", "first-telescope", "moon-map"}


def test_diversity_counts(run: Run) -> None:
    arguments = ("rank", "--items", ITEMS, "--log", EVENTS, "--json", "--top-k", 5)
    assert ids(run(*arguments).out) != ids(run(*arguments, "--diversity", 0.7).out)


def test_what_was_had_before_counts_as_the_host_wants(run: Run, few: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    daily = (f'{{"type": "click", "item": "no-knead", "timestamp": {day}}}' for day in (1e6, 2e6))
    log.write_text("\n".join(daily))
    arguments = ("rank", "--items", few, "--log", log, "--json")
    assert ids(run(*arguments).out)[0] == "no-knead"
    assert ids(run(*arguments, "--repeats", "never").out)[-1] == "no-knead"


def test_the_moment_is_taken_and_changes_nothing(run: Run, few: Path) -> None:
    arguments = ("rank", "--items", few, "--json")
    said = ("--context", "hour=20", "--context", "device=kiosk", "--surface", "home")
    assert ids(run(*arguments, *said).out) == ids(run(*arguments).out)
    for wrong in ("hour=24", "hour=20.5", "hour=late", "a b=1"):
        result = run(*arguments, "--context", wrong)
        assert result.code != 0
        assert "context: " in result.err
    assert run(*arguments, "--context", "hour").code == 2
    assert "surface: expected" in run(*arguments, "--surface", "").err


def test_a_policy_counts(run: Run, few: Path, tmp_path: Path) -> None:
    first = ids(run("rank", "--items", few, "--json").out)
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"block": {"ids": [first[0]]}, "pin": {first[-1]: 1}}))
    report = json.loads(run("rank", "--items", few, "--json", "--policy", policy).out)
    assert report["left_out"] == [{"id": first[0], "code": "blocked"}]
    assert report["items"][0]["id"] == first[-1]
    for text, said in (
        ("{", "expected a JSON object in UTF-8"),
        ("[]", "policy: expected an object"),
        ('{"secret": 1}', "policy: expected only block"),
        ('{"floor": 2}', "floor: expected a number"),
    ):
        policy.write_text(text)
        result = run("rank", "--items", few, "--policy", policy)
        assert result.code == 2
        assert said in result.err
        assert "secret" not in result.err
    assert "cannot be read" in run("rank", "--items", few, "--policy", tmp_path / "none").err


def test_the_hosts_order_counts(run: Run, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"id": "z", "text": "tea"}\n{"id": "y", "text": "tea"}\n')
    result = run("rank", "--items", items, "--host-order", "--json")
    assert json.loads(result.out)["items"][0]["reasons"][0]["code"] == "host"


def test_the_hosts_score_and_fields(run: Run, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(
        '{"id": "z", "text": "tea", "score": 1, "vector": [1, 0], "fields": {"price": 2}}\n'
        '{"id": "y", "text": "tea", "score": 5}\n'
    )
    result = run("rank", "--items", items, "--json")
    assert ids(result.out) == ["y", "z"]
    assert json.loads(result.out)["items"][1]["fields"] == {"price": 2}


@pytest.mark.parametrize("layout", ["cards", "list", "banner"])
def test_html(run: Run, tmp_path: Path, layout: str) -> None:
    page = tmp_path / "page.html"
    result = run(*("rank", "--items", ITEMS, "--log", EVENTS, "--html", page, "--layout", layout))
    assert result.code == 0
    text = page.read_text(encoding="utf-8")
    assert f'class="er er-{layout}' in text
    assert "because you chose" in text or "which you like" in text


def test_what_the_pack_cannot_read_is_said(run: Run) -> None:
    plain = run("rank", "--items", ITEMS, "--query", "telescope")
    assert "does not read" not in plain.err
    result = run("rank", "--items", ITEMS, "--query", "天文望远镜", "--json")
    assert result.code == 0
    assert "does not read: 100% of the query" in result.err
    assert json.loads(result.out)["unread"] == {"candidates": 0.0, "history": 0.0, "query": 1.0}


def test_half_an_emoji_can_be_written(run: Run, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"id": "z", "text": "tea \\ud83d"}\n')
    assert run("rank", "--items", items, "--json").code == 0
    page = tmp_path / "page.html"
    assert run("rank", "--items", items, "--html", page).code == 0
    assert "tea" in page.read_text(encoding="utf-8")


def test_html_that_cannot_be_written(run: Run, few: Path, tmp_path: Path) -> None:
    result = run("rank", "--items", few, "--html", tmp_path / "no" / "page.html")
    assert result.code == 2
    assert "page.html: cannot be written" in result.err


def test_whose_events(run: Run, few: Path, log: Path) -> None:
    several = run("rank", "--items", few, "--log", log)
    assert several.code == 2
    assert "--user" in several.err
    assert "ada" not in several.err
    one = run("rank", "--items", few, "--log", log, "--user", "ada", "--json")
    assert one.code == 0
    assert json.loads(one.out)["personalised"]
    assert "line 5 of the log left out: type: " in one.err
    assert "line 6 of the log left out: " in one.err
    assert "secret-item" not in one.err
    assert "nobody's" not in one.err
    assert "nobody's" in run("rank", "--items", few, "--log", log, "--user", "adda").err


def test_an_encrypted_history(run: Run, tmp_path: Path) -> None:
    path, key = tmp_path / "me.db", tmp_path / "me.key"
    stored = ("--history", path, "--key-file", key, "--user", "robin")
    ranked = ("rank", "--items", ITEMS, "--top-k", 5, "--json")
    missing = run(*ranked, *stored)
    assert missing.code == 2
    assert "expected a history file, found none" in missing.err
    assert not path.exists()
    assert run("import", EVENTS, *stored, "--consent").code == 0
    of_history, of_log = run(*ranked, *stored), run(*ranked, "--log", EVENTS)
    assert (of_history.code, of_history.err) == (0, "")
    assert json.loads(of_history.out)["personalised"]
    assert ids(of_history.out) == ids(of_log.out)
    assert "because you chose Dark rye" in run(*ranked[:-1], *stored).out
    stats = run("profile", "stats", *stored, "--json")
    assert json.loads(stats.out)["whole"]["lists"] == 0  # for nobody saw them but whoever ran it
    stranger = run(*ranked, *stored[:-1], "nobody")
    assert not json.loads(stranger.out)["personalised"]
    assert stranger.err == "of --user nothing is known that counts: the list is nobody's\n"


@pytest.mark.parametrize(
    "flags",
    [
        ("--history", "me.db"),
        ("--history", "me.db", "--key-file", "k"),
        ("--history", "me.db", "--user", "u"),
        ("--history", "me.db", "--key-file", "k", "--user", "u", "--log", "l.jsonl"),
        ("--log", "l.jsonl", "--key-file", "k"),
        ("--anchor", "a"),
    ],
)
def test_a_log_or_a_history(run: Run, flags: tuple[str, ...]) -> None:
    result = run("rank", "--items", ITEMS, *flags)
    assert result.code == 2
    assert result.err.startswith("edge-rerank: --")


def test_many_bad_lines_are_counted(run: Run, few: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("{\n" * 30)
    result = run("rank", "--items", few, "--log", log)
    assert result.code == 0
    assert result.err.splitlines()[-1] == "25 more lines of the log left out"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"id": "a"}\n{"id": 5.5}\n', ":2: item id: expected a string"),
        ('{"id": "a", "text": "x", "score": "high"}\n', ":1: score: expected a number"),
        ("[]\n", ":1: expected one JSON object a line, got an array"),
        ("\n\nno\n", ":3: expected one JSON object"),
    ],
)
def test_broken_items_name_file_and_line(
    run: Run, tmp_path: Path, content: str, reason: str
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(content)
    result = run("rank", "--items", items)
    assert result.code == 2
    assert result.out == ""
    assert f"items.jsonl{reason}" in result.err


def test_no_items(run: Run, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text("")
    result = run("rank", "--items", items, "--json")
    assert (result.code, ids(result.out)) == (0, [])


@pytest.mark.parametrize(
    "arguments",
    [("--providers", "abacus"), ("--diversity", "2"), ("--pack", "nowhere"), ("--query", "\ud800")],
)
def test_arguments_out_of_range(run: Run, few: Path, arguments: tuple[str, str]) -> None:
    result = run("rank", "--items", few, *arguments)
    if arguments[0] == "--query":
        assert result.code == 0
    else:
        assert result.code == 2
        assert result.err.startswith("edge-rerank: ")


def test_a_log_of_another_form_is_said(run: Run, few: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("type;item;timestamp\nview;no-knead;1\n", encoding="utf-16")
    result = run("rank", "--items", few, "--log", log)
    assert result.code == 0
    assert result.err == (
        "the log was read as CSV in UTF-16, columns separated by semicolons, times as seconds "
        "since 1970\n"
    )


def test_html_with_pictures_in_chinese(run: Run, tmp_path: Path) -> None:
    items, page = tmp_path / "items.jsonl", tmp_path / "page.html"
    items.write_text('{"id": "z", "text": "tea", "fields": {"photo": "tea.webp"}}\n')
    options = ("--html", page, "--image", "photo", "--lang", "zh-CN")
    assert run("rank", "--items", items, *options).code == 0
    text = page.read_text(encoding="utf-8")
    assert 'src="tea.webp"' in text
    assert '<html lang="zh-CN" dir="ltr">' in text
    assert ">推荐<" in text  # for nobody


def test_a_log_and_items_of_another_program(run: Run, tmp_path: Path) -> None:
    items, log = tmp_path / "films.csv", tmp_path / "seen.csv"
    films = ("Galaxy of robots", "Robots on Mars", "A wedding in Paris", "Love in Paris")
    rows = "".join(f"{number},{title}\n" for number, title in enumerate(films))
    items.write_text(f"movieId,title\n{rows}")
    log.write_text("userId,movieId,date\n7,3,12/24/2025\n8,0,12/24/2025\n")
    named = ("--map", "user=userId,item=movieId", "--type", "view")
    arguments = ("--items", items, "--map-items", "id=movieId", "--log", log, *named)
    result = run("rank", *arguments, "--user", 7, "--json")
    assert result.code == 0
    assert "times as M/D/Y" in result.err
    order = [one["id"] for one in json.loads(result.out)["items"]]
    assert order.index("2") < order.index("0")
