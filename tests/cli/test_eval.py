from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

from .conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.jsonl").write_text(
        '{"id": 1, "text": "green tea", "popularity": 1}\n{"id": 2, "text": "bicycle"}\n'
    )
    request = {"history": [1], "candidates": [2, 1], "clicked": [1]}
    for split in ("test", "valid"):
        (tmp_path / f"{split}.jsonl").write_text(f"{json.dumps(request)}\n" * 3)
    return tmp_path


def test_table(run: Run, folder: Path) -> None:
    result = run("eval", "shipped", folder)
    assert (result.code, result.err) == (0, "")
    for name in ("pack", "random", "host-order", "popularity", "max-similarity", "markov"):
        assert name in result.out
    assert "ndcg@10" in result.out
    assert "3 requests of test" in result.out


def test_json(run: Run, folder: Path) -> None:
    result = run("eval", "shipped", folder, "--split", "valid", "--limit", 2, "--json")
    assert result.code == 0
    report = json.loads(result.out)
    assert (report["folder"], report["split"], report["requests"]) == (str(folder), "valid", 2)
    assert report["baselines"]["popularity"]["ndcg@1"] == 1.0
    assert set(report["pack"]) >= {"ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "mrr", "hit@1", "auc"}


def test_evidence_withheld(run: Run, folder: Path) -> None:
    result = run("eval", "shipped", folder, "--without", "popularity", "--without", "categories")
    assert result.code == 0
    assert "without categories and popularity" in " ".join(result.out.split())
    assert run("eval", "shipped", folder, "--without", "everything").code == 2


def test_a_pack_beside_another(run: Run, folder: Path) -> None:
    result = run("eval", "shipped", folder, "--beside", shipped_pack(), "--json")
    assert result.code == 0
    report = json.loads(result.out)
    manifest = Pack.open(shipped_pack()).manifest
    assert report["baselines"][f"{manifest.name} {manifest.release}"] == report["pack"]
    assert run("eval", "shipped", folder, "--beside", folder).code == 2


def test_groups_of_people(run: Run, folder: Path) -> None:
    request = {"history": [1], "candidates": [2, 1], "clicked": [1]}
    requests = [{**request, "user": f"somebody-{n}", "clicked": [1 + n % 2]} for n in range(80)]
    (folder / "test.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in requests))
    users = [
        {"user": f"somebody-{n}", "attributes": {"age": "60+" if n % 2 else "20-29"}}
        for n in range(79)
    ]
    (folder / "users.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in users))
    result = run("eval", "shipped", folder)
    assert (result.code, result.err) == (0, "")
    # The tea is popular, the bicycle is what those of 60 click.
    assert re.search(r"age: 20-29 +40 .* 1\.000 +\+0\.369", result.out)
    assert re.search(r"age: 60\+ +39 .* 0\.631 +-0\.369", result.out)
    said = " ".join(result.out.split())
    assert "largest gap: age: " in said
    assert "beyond chance among 2 groups" in said
    assert "somebody" not in result.out
    (folder / "users.jsonl").write_text('{"user": "somebody-1", "attributes": {"age": 60}}\n')
    broken = run("eval", "shipped", folder)
    assert broken.code == 2
    assert "users.jsonl:1: attributes: value: expected a string, got int" in broken.err
    (folder / "users.jsonl").write_text("")
    assert "nothing is said of groups" in " ".join(run("eval", "shipped", folder).out.split())


def test_runtime_options(run: Run, folder: Path) -> None:
    assert run("eval", "shipped", folder, "--threads", 1, "--providers", "cpu").code == 0
    assert run("eval", "shipped", folder, "--providers", "abacus").code == 2


def test_a_broken_line(run: Run, folder: Path) -> None:
    with (folder / "test.jsonl").open("a") as stream:
        stream.write('{"candidates": [1], "clicked": "1"}\n')
    result = run("eval", "shipped", folder)
    assert result.code == 2
    assert result.out == ""
    assert "test.jsonl:4: clicked: expected a list of ids, got str" in result.err


def test_what_is_not_there(run: Run, folder: Path, tmp_path: Path) -> None:
    assert "expected no.jsonl" in run("eval", "shipped", folder, "--split", "no").err
    assert run("eval", tmp_path / "pack", folder).code == 2
    assert run("eval", "shipped", tmp_path / "nowhere").code == 2


def test_a_report_and_scores(run: Run, folder: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    scores.write_text(
        "".join(json.dumps({"request": n, "scores": [0, 1]}) + "\n" for n in range(3))
    )
    page = tmp_path / "page.html"
    result = run("eval", "shipped", folder, "--scores", f"other={scores}", "--html", page)
    assert (result.code, result.err) == (0, "")
    assert "other" in result.out
    assert "pack against" in result.out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    twice = run("eval", "shipped", folder, "--scores", f"a={scores}", "--scores", f"a={scores}")
    assert twice.code == 2
    assert run("eval", "shipped", folder, "--scores", "nonsense").code == 2


def test_what_learning_gains(run: Run, things: Path, folder: Path) -> None:
    result = run("eval", "shipped", things, "--learning", 3)
    assert (result.code, result.err) == (0, "")
    assert re.search(r"choices before +people +pack alone +with head", result.out)
    assert re.search(r"1 to 9 +3 ", result.out)
    assert "of the people lose more than 0.01" in " ".join(result.out.split())
    assert "choices before" not in run("eval", "shipped", things).out
    nobody = run("eval", "shipped", folder, "--learning", 3)
    assert nobody.code == 2
    assert "expected people with 12 dated choices, found none" in nobody.err
    assert run("eval", "shipped", things, "--learning", 0).code == 2
