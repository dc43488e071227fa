from __future__ import annotations

from pathlib import Path

import pytest

from edge_rerank.errors import PackInvalid, PackUntrusted
from edge_rerank.packs.manifest import SIGNATURE_NAME
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import Trust
from tests.packs import hostile as packs
from tests.packs import test_tables as tables

sign = pytest.importorskip("edge_rerank_export.packing.sign")
RecipeError = pytest.importorskip("edge_rerank_export.errors").RecipeError
main = pytest.importorskip("edge_rerank_export.cli").main


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = packs.write(tmp_path / "pack")
    (folder / SIGNATURE_NAME).unlink()
    return folder


def test_a_signed_pack_opens_under_its_key_and_no_other(tmp_path: Path, pack: Path) -> None:
    public = sign.generate_key(tmp_path / "key")
    assert sign.sign_pack(pack, tmp_path / "key") == public
    assert Pack.open(pack, trust=Trust([bytes(32), public])).manifest.name == "tiny"
    with pytest.raises(PackUntrusted):
        Pack.open(pack, trust=Trust([packs.PUBLIC_KEY]))
    assert sorted(path.name for path in pack.iterdir()) == [
        *("encoder.onnx", "manifest.json", SIGNATURE_NAME, "tokenizer.json")
    ]


def test_the_private_key_is_private_and_made_once(tmp_path: Path) -> None:
    sign.generate_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(RecipeError, match="cannot be made"):
        sign.generate_key(tmp_path / "key")


def test_no_private_key_is_made_inside_a_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    with pytest.raises(RecipeError, match="outside of any repository"):
        sign.generate_key(tmp_path / "deep" / "key")
    assert not (tmp_path / "deep" / "key").exists()


def test_a_loose_or_malformed_key_file_is_refused(tmp_path: Path, pack: Path) -> None:
    key = tmp_path / "key"
    sign.generate_key(key)
    key.chmod(0o644)
    with pytest.raises(RecipeError, match="mode 0600, got 0644"):
        sign.sign_pack(pack, key)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(RecipeError, match="32 bytes, got 5"):
        sign.sign_pack(pack, key)
    with pytest.raises(RecipeError, match="cannot be read"):
        sign.sign_pack(pack, tmp_path / "none")
    assert not (pack / SIGNATURE_NAME).exists()


def test_a_pack_that_no_runtime_would_load_is_not_signed(tmp_path: Path, pack: Path) -> None:
    sign.generate_key(tmp_path / "key")
    (pack / "encoder.onnx").write_bytes(b"other")
    with pytest.raises(PackInvalid):
        sign.sign_pack(pack, tmp_path / "key")
    assert not (pack / SIGNATURE_NAME).exists()


def test_the_commands(tmp_path: Path, pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", str(tmp_path / "key")]) == 0
    made = capsys.readouterr().out
    assert main(["sign", str(pack), "--key", str(tmp_path / "key")]) == 0
    assert capsys.readouterr().out == made
    Pack.open(pack, trust=Trust([bytes.fromhex(made)]))
    assert main(["sign", str(pack), "--key", str(tmp_path / "other")]) == 2


def test_no_private_key_is_in_the_repository() -> None:
    root = Path(__file__).parents[2]
    markers = (b"PRIVATE" + b" KEY-----", b"OPENSSH" + b" PRIVATE")
    tracked = [path for name in ("edge_rerank", "export") for path in (root / name).rglob("*")]
    tracked += [path for path in (root / "models").rglob("*") if path.suffix != ".onnx"]
    for path in tracked:
        if (
            path.is_file()
            and path.suffix != ".pyc"
            and path != root / "edge_rerank/privacy/tokens.py"
        ):
            content = path.read_bytes()
            assert not any(marker in content for marker in markers), path.name
            assert not (len(content) == 32 and "key" in path.name), path.name


def test_tables_are_signed_like_packs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tables.write(tmp_path / "tables")
    (folder / SIGNATURE_NAME).unlink()
    public = sign.generate_key(tmp_path / "key")
    assert main(["sign", str(folder), "--key", str(tmp_path / "key")]) == 0
    assert capsys.readouterr().out == f"{public.hex()}\n"
    assert Tables.open(folder, trust=Trust([public])).signed
    next(folder.glob("together-*")).write_bytes(b"other")
    with pytest.raises(PackInvalid):
        sign.sign_pack(folder, tmp_path / "key")
