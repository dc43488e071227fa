from __future__ import annotations

import json
import re
from pathlib import Path

from edge_rerank.formats.items import example_catalogue, read_events, read_items

from .conftest import EVENTS, ITEMS, Run


def test_the_catalogue() -> None:
    items = read_items(ITEMS)
    assert 55 <= len(items) <= 70
    assert len({item.id for item in items}) == len(items)
    assert len({item.categories[0] for item in items}) == 8
    assert all(item.popularity and len(item.text.splitlines()) == 2 for item in items)


def test_the_events() -> None:
    events, bad = read_events(EVENTS, read_items(ITEMS))
    assert not bad
    assert len(events) >= 10
    known = {item.id: item.text for item in read_items(ITEMS)}
    for event in events:
        assert event.item is None or event.item.text == known[event.item.id]


def test_the_order_follows_the_person(run: Run) -> None:
    result = run("demo", "--threads", 1, "--providers", "cpu")
    assert (result.code, result.err) == (0, "")
    did, both, later = re.split(r"^52 items.*|^Robin likes.*", result.out, flags=re.MULTILINE)
    assert "Bread without kneading" in did
    assert "because you chose A day on the ridge" in both
    assert "from Bread, which you like" in both
    assert "A week of sourdough" in both
    assert "Your first telescope" not in both
    assert "Your first telescope" in later
    assert "because you chose A map of the Moon" in later
    assert "▲" in later


def test_the_chinese_catalogue() -> None:
    folder = example_catalogue("zh")
    items = read_items(folder / "items.jsonl")
    assert 45 <= len({item.id for item in items}) == len(items)
    assert len({item.categories[0] for item in items}) == 8
    assert all(item.popularity and len(item.text.splitlines()) == 2 for item in items)
    events, bad = read_events(folder / "events.jsonl", items)
    assert (len(events), bad) == (12, [])
    known = {item.id: item.text for item in items}
    assert all(event.item is None or event.item.text == known[event.item.id] for event in events)


def test_in_chinese_it_follows_the_person_as_well(run: Run, multilingual: Path) -> None:
    result = run("demo", "--language", "zh", "--threads", 1)
    assert (result.code, result.err) == (0, "")
    did, both, later = re.split(r"^39 个条目.*|^小林喜欢.*", result.out, flags=re.MULTILINE)
    assert "长时间发酵" in did
    assert "因为您选择了“慢发酵的全麦面包”" in both
    assert "葱油饼起酥的办法" in both
    assert "第一台望远镜" not in both
    assert "第一台望远镜" in later
    assert "来自您喜欢的“星空”" in later
    assert "▲" in later
    assert "模型包 multilingual" in result.out
    report = json.loads(run("demo", "--language", "zh", "--json").out)
    assert (report["pack"], len(report["everybody"])) == ("multilingual", 39)


def test_json(run: Run) -> None:
    result = run("demo", "--json", "--pack", "shipped")
    report = json.loads(result.out)
    assert set(report) == {"events", "everybody", "personal", "liked", "pack", "later"}
    assert report["pack"] == "default"
    assert len(report["everybody"]) == len(report["personal"]) == 52
    assert report["liked"] not in {entry["id"] for entry in report["later"]}


def test_it_is_the_same_every_time(run: Run) -> None:
    first, second = (re.sub(r"[\d.]+ ms", "", run("demo").out) for _ in range(2))
    assert first == second


def test_another_pack(run: Run, tmp_path: object) -> None:
    result = run("demo", "--pack", tmp_path)
    assert result.code == 2
    assert "manifest.json" in result.err


def test_the_pictures_fetch_nothing() -> None:
    """That they show what is printed is a step of its own in CI, for it runs every example."""
    pictures = [*(Path(__file__).parents[2] / "examples").rglob("*.svg")]
    assert len(pictures) > 5
    for picture in pictures:
        text = picture.read_text(encoding="utf-8")
        assert not re.findall(r"(?:src|href|url\()[^;]*https?:", text), picture.name
