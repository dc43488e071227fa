from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_rerank.cli import doctor
from edge_rerank.errors import PackNotFound
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.sqlite import sqlite_facts
from edge_rerank.inference import providers
from edge_rerank.inference.providers import Verdict
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import SHIPPED_DIGEST
from tests.languages import TITLES

from .conftest import Run

ROOT = Path(__file__).parents[2]
ONE = ("--pack", "shipped")
"""Where it does not matter: without it, the second pack is opened, too."""


@pytest.fixture(scope="module", autouse=True)
def judged_once() -> Iterator[None]:
    """What providers make of a pack is a third of a look, and the same at each."""
    known: dict[str, tuple[Verdict, ...]] = {}

    def judge(pack: Pack) -> tuple[Verdict, ...]:
        if pack.digest not in known:
            known[pack.digest] = tuple(providers.judge(pack))
        return known[pack.digest]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "judge", judge)
        yield


def findings(text: str) -> dict[str, dict[str, object]]:
    return {one["name"]: one for one in json.loads(text)["findings"]}


def test_all_is_well(run: Run, tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "key")
    result = run("doctor", "--json", "--key-file", tmp_path / "key", "--threads", 1)
    assert result.code == 0, result.out
    found = findings(result.out)
    assert json.loads(result.out)["ok"]
    assert found["telemetry of onnxruntime"]["found"] == "off"
    assert found["pack digest"]["found"] == f"{SHIPPED_DIGEST} (as pinned)"
    assert found["provider that runs"]["found"] == "CPUExecutionProvider; 1 threads"
    assert found["key file"]["ok"]
    assert {"SQLite", "Python", "onnxruntime", "sqlite-utils", "model"} <= set(found)


def test_table(run: Run) -> None:
    result = run("doctor", "--providers", "cpu")
    assert result.code == 0
    assert "provider that runs" in result.out
    assert "✗" not in result.out


def test_a_pack_that_is_none(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--pack", tmp_path, "--json")
    assert result.code == 1
    assert not findings(result.out)["pack"]["ok"]


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_key_file_open_to_others(run: Run, tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    result = run("doctor", *ONE, "--key-file", tmp_path / "key")
    assert result.code == 1
    assert "0640" in result.out


def test_it_says_in_which_scripts_the_pack_reads(run: Run) -> None:
    told = findings(run("doctor", "--json", "--pack", "shipped").out)
    found = str(told["scripts that it reads"]["found"]).split(", ")
    assert "Latin" in found
    assert not {"Chinese", "Thai", "Georgian"} & set(found)
    assert "for texts that are not English" not in told


def test_a_pack_that_was_left_out_is_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise PackNotFound("this installation lacks it")

    monkeypatch.setattr(doctor, "multilingual_pack", missing)
    told = findings(run("doctor", "--json").out)["for texts that are not English"]
    assert (told["ok"], told["warning"]) == (True, True)


def test_it_says_which_pack_reads_chinese_where_none_is_named(run: Run, multilingual: Path) -> None:
    told = findings(run("doctor", "--json").out)
    assert str(told["for texts that are not English"]["found"]).startswith("multilingual, release")
    found = str(told["scripts that it reads"]["found"]).split(", ")
    assert {"Latin", "Chinese"} <= set(found)
    assert not {"Thai", "Georgian"} & set(found)


@pytest.mark.parametrize(("chinese", "code", "found"), [(1, 0, "10%"), (2, 1, "20%")])
def test_items_that_the_pack_cannot_read_are_told(
    run: Run, tmp_path: Path, chinese: int, code: int, found: str
) -> None:
    texts = [*["怎样在家里烤面包"] * chinese, *["how to bake bread"] * (10 - chinese), " "]
    items = tmp_path / "items.jsonl"
    lines = [json.dumps({"id": str(place), "text": text}) for place, text in enumerate(texts)]
    # One that has a vector needs no text.
    lines.append(json.dumps({"id": "v", "text": "怎样在家里烤面包", "vector": [1.0, 0.0]}))
    items.write_text("\n".join(lines), encoding="utf-8")
    result = run("doctor", "--json", "--items", items)
    assert result.code == code
    told = findings(result.out)["texts of the items"]
    assert told["found"] == f"{found} cannot be read"
    assert told["ok"] is (code == 0)


@pytest.mark.parametrize(
    ("language", "pack"),
    [("English", "default"), ("German", "multilingual"), ("French", "multilingual")],
)
def test_items_are_told_which_pack_ranks_them(
    run: Run, tmp_path: Path, language: str, pack: str
) -> None:
    items = tmp_path / "items.jsonl"
    lines = [json.dumps({"id": title, "text": title}) for title in TITLES[language]]
    items.write_text("\n".join(lines), encoding="utf-8")
    result = run("doctor", "--json", "--items", items)
    assert result.code == 0
    told = findings(result.out)
    assert told["texts of the items"]["ok"]
    assert told["pack that ranks the items"]["ok"]
    assert str(told["pack that ranks the items"]["found"]).startswith(f"{pack}, ")


def test_an_items_file_that_is_none(run: Run, tmp_path: Path) -> None:
    result = run("doctor", *ONE, "--json", "--items", tmp_path / "none.jsonl")
    assert result.code == 1
    assert not findings(result.out)["texts of the items"]["ok"]


def test_a_history_that_the_pack_cannot_read_is_told(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    item = {"id": "a", "text": "怎样在家里烤面包"}
    log.write_text(json.dumps({"user": "ada", "type": "like", "item": item, "timestamp": 5}))
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "ada")
    assert run("import", log, *stored, "--consent").code == 0
    result = run("doctor", "--json", "--pack", "shipped", *stored)
    assert result.code == 1
    assert findings(result.out)["texts of the history"]["found"] == "100% cannot be read"


def test_a_history_needs_its_key_and_a_person(run: Run, tmp_path: Path) -> None:
    for arguments in (
        ("--history", tmp_path / "me.db"),
        ("--user", "ada"),
        ("--anchor", tmp_path / "anchor"),
    ):
        result = run("doctor", *arguments)
        assert result.code == 2
        assert "expected together with --" in result.err


def test_a_missing_key_file(run: Run, tmp_path: Path) -> None:
    assert run("doctor", *ONE, "--key-file", tmp_path / "none").code == 1


def test_telemetry_that_may_be_on() -> None:
    script = (
        "import onnxruntime, sys; from edge_rerank.cli import main\n"
        f"sys.exit(main(['doctor', *{ONE}]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        # CI=true keeps onnxruntime itself quiet here: the test must not phone home.
        env={**environment, "CI": "true", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "may be on" in done.stdout


@pytest.mark.parametrize(
    ("version", "flaws"),
    [
        ((3, 39, 1), ["CVE-2022-35737", "CVE-2025-6965", "the WAL-reset bug"]),
        ((3, 50, 1), ["CVE-2025-6965", "the WAL-reset bug"]),
        ((3, 50, 2), ["the WAL-reset bug"]),
        ((3, 51, 3), []),
    ],
)
def test_it_warns_of_a_sqlite_that_is_known_for_flaws(
    run: Run, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], flaws: list[str]
) -> None:
    facts = sqlite_facts(version)
    assert list(facts.flaws) == flaws
    monkeypatch.setattr("edge_rerank.cli.doctor.sqlite_facts", lambda: facts)
    result = run("doctor", *ONE, "--json")
    found = findings(result.out)["SQLite"]
    assert found["warning"] is bool(flaws)
    assert facts.version in str(found["found"])
    assert all(flaw in str(found["found"]) for flaw in flaws)
    assert result.code == 0  # the system may have mended it in that version


def test_it_says_which_providers_take_the_pack(run: Run) -> None:
    found = findings(run("doctor", *ONE, "--json").out)
    assert found["forms of its weights"]["found"] == "encoder int8, history_encoder float32"
    assert str(found["on cpu"]["found"]).startswith("runs it, all ")
    assert not found["on cpu"]["absent"]
    assert found["on qnn"]["absent"]
    assert found["on qnn"]["ok"]
