from __future__ import annotations

import gzip
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edge_rerank.errors import DataError
from edge_rerank.formats import lines
from edge_rerank.formats.lines import MAX_LINE_BYTES, TextFile

ROOT = Path(__file__).parents[2]
CHINESE = "用户,类型\n甲,初学者的第一台望远镜与月球地图，以及阅读方法\n"


def read(path: Path) -> list[str | None]:
    """Texts of the lines, the faults in their place."""
    return [line.fault or line.text for line in TextFile(path).lines()]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte-order mark"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-32-be", "UTF-32"),
        ("gbk", "GBK"),
        ("gb18030", "GBK"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings(tmp_path: Path, encoding: str, name: str, ending: str, end: str) -> None:
    path = tmp_path / f"log.csv{ending}"
    text = "user,type,item,timestamp\n" + CHINESE * 200
    raw = text.replace("\n", end).encode(encoding)
    path.write_bytes(gzip.compress(raw) if ending else raw)
    assert TextFile(path).encoding_name == name
    assert read(path) == text.splitlines()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Größe über für Straße Öl äöü Käse"),
        ("cp1252", "ação não coração informações avião"),
        ("cp1251", "Первый телескоп и карта Луны"),
        ("koi8-r", "Первый телескоп и карта Луны"),
        ("shift_jis", "初めての望遠鏡の選び方と月の地図"),
        ("euc-jp", "初めての望遠鏡の選び方と月の地図"),
        ("big5", "第一台望遠鏡與月球地圖的選擇方法"),
        ("euc-kr", "초보자를 위한 첫 망원경 고르기와 달의 새로운 지도를 읽는 방법"),
    ],
)
def test_what_is_not_sure_is_a_fault_and_no_guess(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(f"plain\n{text}\nplain again".encode(encoding))
    first, second, third = read(path)
    assert (first, third) == ("plain", "plain again")
    assert second is not None
    assert second.startswith("expected UTF-8")


def test_lines_are_the_same_however_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rng = tmp_path / "log.csv", random.Random(0)
    text = "\r\n".join("é€😀"[: rng.randrange(4)] * rng.randrange(9) for _ in range(500))
    path.write_bytes(text.encode())
    for size in (1, 2, 3, 7, 64, 100_000):
        monkeypatch.setattr(lines, "SAMPLE_BYTES", size)
        assert read(path) == text.split("\r\n")


def test_a_long_line_is_passed_over_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"a\n" + b"x" * MAX_LINE_BYTES + b"\n" + b"y" * (MAX_LINE_BYTES + 1) + b"\nb")
    first, longest, longer, last = read(path)
    assert (first, last) == ("a", "b")
    assert longest == "x" * MAX_LINE_BYTES
    assert longer == f"expected at most {MAX_LINE_BYTES} bytes, got {MAX_LINE_BYTES + 1}"


def test_an_archive_may_unpack_to_many_times_its_size_but_not_to_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b"0\n" * 1_000_000))
    assert len(read(path)) == 1_000_000
    monkeypatch.setattr(lines, "FREE_EXPANSION", 1_000_000)
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        read(path)


def member(raw: bytes) -> bytes:
    """One part of a gzip file, which may have any number: a cheap way to many gigabytes."""
    return gzip.compress(raw)


BIG, CELLS = member(b"x" * 900_000), member((b"x," * 500 + b"\n") * 900)
BOMBS = {
    "line": lambda turn: BIG,
    "items": lambda turn: (
        member(b'{"type":"view","timestamp":1,"item":{"id":"%d","text":"' % turn)
        + BIG
        + member(b'"}}\n')
    ),
    "people": lambda turn: (
        member(b'{"user":"%d","type":"search","timestamp":1,"query":"' % turn)
        + BIG
        + member(b'"}\n')
    ),
    "cell": lambda turn: (member(b'user,type,item\n"') if turn == 0 else b"") + CELLS,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_that_unpacks_to_much_takes_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("log.csv.gz" if "cell" in name else "log.jsonl.gz")
    path.write_bytes(b"".join(map(BOMBS[name], range(450))))
    script = """
        import sys
        from pathlib import Path
        from edge_rerank import errors
        from edge_rerank.formats.logs import read_log
        from edge_rerank.history.import_log import ingest
        from tests.peak import peak_mib
        try:
            ingest(read_log(Path(sys.argv[1])), lambda user, events: len(events), now=10, owner="u")
        except errors.DataError as error:
            print(error.reason)
        print(peak_mib())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "unpacks to more than 200 times its size" in done.stdout
    assert float(done.stdout.split()[-1]) < 300  # MiB, of 400 that are there
