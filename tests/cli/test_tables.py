from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_rerank import Reranker, Tables

from .conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set folder in which whoever chose i0 chooses i7, whose texts are about nothing."""
    folder = tmp_path / "data"
    folder.mkdir()
    names = [f"i{number}" for number in range(8)]
    items = "".join(f'{{"id": "{name}", "text": "a {name}"}}\n' for name in names)
    (folder / "items.jsonl").write_text(items)
    train = [{"user": str(n), "items": ["i0", "i7"]} for n in range(40)]
    others = names[1:7] * 2
    train += [{"user": f"x{n}", "items": others[n % 6 : n % 6 + 2]} for n in range(60)]
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in train))
    request = {"history": ["i0"], "candidates": names[1:], "clicked": ["i7"]}
    (folder / "test.jsonl").write_text(f"{json.dumps(request)}\n" * 3)
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A log of 30 people with columns of its own, and its catalogue without a header for ids."""
    lines = ["who;sku;at"]
    for person in range(30):
        other = "tea" if person % 2 else "salt"
        lines += [f"p{person};{sku};{1.7e9 + person:.0f}" for sku in ("bread", "jam", other)]
    (tmp_path / "log.csv").write_text("\n".join([*lines, "p1;;nonsense"]) + "\n")
    (tmp_path / "items.csv").write_text("sku,name\nbread,Rye bread\njam,Plum jam\ntea,Green tea\n")
    return tmp_path


def test_a_log_with_items(run: Run, shop: Path) -> None:
    arguments = [
        *("tables", shop / "log.csv", "--out", shop / "tables", "--type", "purchase"),
        *("--map", "user=who,item=sku,time=at", "--items", shop / "items.csv"),
        *("--map-items", "id=sku,text=name", "--threads", 1, "--steps", 20),
    ]
    result = run(*arguments)
    assert result.code == 0
    assert "90 choices of 30 people among 4 items" in " ".join(result.out.split())
    for name in ("together", "record", "succession"):
        assert name in result.out
    assert "line 92" in result.err
    tables = Tables.open(shop / "tables")
    assert set(tables.manifest.tables) == {"together", "record", "succession"}
    assert tables.manifest.settings == {"min_people": 1.0, "steps": 20.0}
    # Once more, in their place.
    result = run(*arguments, "--json", "--min-people", 20, "--skip", "successions")
    members = json.loads(result.out)
    assert (members["items"], members["choices"], members["bad_lines"]) == (2, 60, 1)
    assert members["settings"] == {"min_people": 20.0}
    assert set(Tables.open(shop / "tables").manifest.tables) == {"together", "record"}


def test_why_lines_were_left_out_is_said_where_nothing_is_left(run: Run, shop: Path) -> None:
    layout = ("--map", "user=who,item=sku,time=at,type=sku")
    result = run("tables", shop / "log.csv", "--out", shop / "tables", *layout)
    assert result.code == 2
    assert "line 2: type: expected one of" in result.err
    assert "--type opened=view" in result.err


def test_a_log_without_texts_has_no_successions(run: Run, shop: Path) -> None:
    layout = ("--map", "user=who,item=sku,time=at", "--type", "purchase")
    out = ("--out", shop / "tables")
    result = run("tables", shop / "log.csv", *out, *layout)
    assert result.code == 0
    assert "No successions." in result.out
    result = run("tables", shop / "log.csv", *out, *layout, "--skip", "pairs", "--skip", "counts")
    assert result.code == 2
    assert "expected texts of items" in result.err


def test_a_folder_and_what_eval_makes_of_it(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    assert run("tables", folder, "--out", out, "--pack", "shipped").code == 0
    result = run("eval", "shipped", folder, "--tables", out, "--json", "--without", "popularity")
    assert result.code == 0
    report = json.loads(result.out)
    assert report["pack"]["ndcg@1"] == 1.0
    assert run("eval", "shipped", folder, "--tables", folder).code == 2
    wrong = run("tables", folder, "--out", out, "--type", "purchase")
    assert (wrong.code, "expected with a log, not a folder" in wrong.err) == (2, True)


def test_rank_and_serve_read_tables(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tables"
    assert run("tables", folder, "--out", out, "--skip", "successions").code == 0
    log = tmp_path / "log.jsonl"
    log.write_text('{"type": "click", "item": "i0", "timestamp": 1e6}\n')
    arguments = ("rank", "--items", folder / "items.jsonl", "--log", log, "--json")
    places = []
    for tables in ((), ("--tables", out)):
        ranked = json.loads(run(*arguments, *tables).out)["items"]
        places.append([one["id"] for one in ranked].index("i7"))
    assert places[1] < places[0]
    read: list[object] = []
    monkeypatch.setattr("edge_rerank.cli.serve.serve_stdio", lambda *_, **__: None)
    monkeypatch.setattr(Reranker, "warmup", lambda self: read.extend(self.engine.tables))
    assert run("serve", "--tables", out).code == 0
    assert "together" in read
    wrong = run("serve", "--tables", folder)
    assert (wrong.code, "manifest.json" in wrong.err) == (2, True)


@pytest.mark.parametrize("arguments", [("--skip", "everything"), ("--min-people", 0)])
def test_wrong_flags(run: Run, shop: Path, arguments: tuple[object, ...]) -> None:
    assert run("tables", shop / "log.csv", "--out", shop / "out", *arguments).code == 2
    assert not (shop / "out").exists()


def test_another_folder_is_not_written_into(run: Run, shop: Path) -> None:
    result = run("tables", shop / "log.csv", "--out", shop)
    assert result.code == 2
    assert "expected a folder of tables" in result.err
    result = run("tables", shop / "nowhere.csv", "--out", shop / "out")
    assert result.code == 2
