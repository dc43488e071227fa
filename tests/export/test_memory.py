"""What a build takes is said before weights are read, and kept."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edge_rerank_export.cli import main
from edge_rerank_export.errors import NotEnoughMemory, SourceError
from edge_rerank_export.models import memory
from edge_rerank_export.models.memory import (
    BASE_BYTES,
    available_memory,
    check_memory,
    give_back,
    memory_of,
)
from edge_rerank_export.packing import expected
from edge_rerank_export.packing.expected import expect_memory
from edge_rerank_export.sources.weights import INDEX, count_weights


def shards(folder: Path) -> Path:
    """1,010 numbers in two files and two types."""
    folder.mkdir()
    save_file({"a": np.zeros((20, 50), np.float16)}, folder / "model-00001-of-00002.safetensors")
    save_file({"b": np.zeros(10, np.float32)}, folder / "model-00002-of-00002.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": {}}))
    return folder


def test_weights_are_counted_by_their_headers(tmp_path: Path) -> None:
    folder = shards(tmp_path / "m")
    assert count_weights(folder) == 1_010
    for path in folder.glob("*.safetensors"):  # the numbers themselves are not looked at
        raw = path.read_bytes()
        end = 8 + int.from_bytes(raw[:8], "little")
        path.write_bytes(raw[:end] + b"\xff" * (len(raw) - end))
    assert count_weights(folder) == 1_010
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(SourceError, match=r"00001-of-00002\.safetensors: cannot be read"):
        count_weights(folder)


def test_what_a_build_takes_grows_with_its_weights() -> None:
    assert memory_of(0) == BASE_BYTES
    assert memory_of(2_000_000) - memory_of(1_000_000) == memory_of(1_000_000) - memory_of(0)


def test_what_there_is_no_memory_for_is_refused() -> None:
    check_memory(100, 100)
    check_memory(100, None)
    with pytest.raises(NotEnoughMemory, match=r"up to 5\.0 GiB, and 2\.0 are free"):
        check_memory(5 << 30, 2 << 30)


def test_it_is_said_before_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def steps(name: str) -> AbstractContextManager[Any]:
        said.append(name)
        return nullcontext(lambda _done, _total: None)

    folder = shards(tmp_path / "m")
    expect_memory(folder, steps)
    monkeypatch.setattr(expected, "available_memory", lambda: BASE_BYTES)
    with pytest.raises(NotEnoughMemory):
        expect_memory(folder, steps)
    expect_memory(folder, steps, ignore=True)
    assert said == ["expect up to 0.7 GiB of memory"] * 3


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    8000 kB\nBuffers: 1 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", meminfo)
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert available_memory() == 8000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 1000000\nactive_file 7\n")
    assert available_memory() == 8000 * 1024
    (tmp_path / "memory.max").write_text("5000000\n")
    assert available_memory() == 5_000_000 - 3_000_000 + 1_000_000
    meminfo.unlink()
    assert available_memory() is None


def test_giving_back_is_safe_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    collected = []
    monkeypatch.setattr(memory.gc, "collect", lambda: collected.append(1))
    monkeypatch.setattr(memory, "_held", lambda: 0)
    give_back()
    assert not collected
    monkeypatch.setattr(memory, "_held", lambda: 1 << 40)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())  # no such function in it
    give_back()
    assert collected


@pytest.mark.parametrize("command", ["build", "convert"])
def test_a_command_refuses_before_weights_are_read(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = shards(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'kind = "scorer"\nname = "x"\nrelease = 1\nlicence = "MIT"\nsummary = "x."\n'
        f'[source]\nuri = "path:{folder}"\nsha256 = "SHA"\n'
        '[scorer]\nheading = ""\nstart = "<s>"\nline_tokens = 8\nhistory_tokens = 16\n'
    )
    from edge_rerank_export.sources.weights import weights_sha256

    recipe.write_text(recipe.read_text().replace("SHA", weights_sha256(folder)))
    monkeypatch.setattr(expected, "available_memory", lambda: 1 << 20)
    out = ["--out", str(tmp_path / "out")]
    assert main([command, str(recipe), *out]) == 2
    assert "are free; --ignore-memory tries all the same" in capsys.readouterr().err
    assert main([command, str(recipe), *out, "--ignore-memory"]) == 2
    assert "tokeniser" in capsys.readouterr().err  # it went on, to what there is not
