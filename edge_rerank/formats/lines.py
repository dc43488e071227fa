"""Text files read line by line: encodings, gzip, and bounds on what a hostile file may cost.

A file is read in pieces, so that neither a line without an end nor an archive that unpacks to
a thousand times its size is ever in memory as a whole.

The encoding is what the byte-order mark says; else UTF-16 where the first bytes have its zeros, GBK
where the beginning is no UTF-8 and clearly Chinese, and UTF-8. A line whose bytes are none of it is
reported, never guessed at: guessing between the encodings of one byte a letter turns names into
others. Whoever knows the encoding says it. charset-normalizer (MIT, 0.3 MB) was weighed: it answers
for every file, also where nothing is sure.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edge_rerank._files import reason_of
from edge_rerank.errors import DataError

MAX_LINE_BYTES = 1_000_000
"""Longer lines are passed over: no event comes near."""

MAX_EXPANSION = 200
"""What an archive may unpack to, as a multiple of its size: logs shrink to a twentieth, one event
50,000 times over to a hundredth, zeros to a thousandth."""

FREE_EXPANSION = 64 * 1024 * 1024
"""Bytes that any archive may unpack to, however small it is."""

SAMPLE_BYTES = 64 * 1024
"""How much of the beginning is looked at to tell what a file is."""

SAMPLE_LINES = 1_000

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZEROS = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
}
"""Which of the first four bytes are zero, as in RFC 4627, section 3: a log begins with two ASCII
signs, those of a header or of a JSON object."""
_GBK = "gb18030"  # reads GB 2312 and GBK as well
_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    _GBK: "GBK",
}
_OTHER_BYTES = (
    "expected UTF-8, UTF-16 or GBK, got other bytes: say the encoding (--encoding) or save the "
    "file as UTF-8"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text file.

    Attributes:
        number: 1-based.
        text: without its end; empty where there is a fault.
        fault: why it cannot be read, ``None`` if it can.
    """

    number: int
    text: str
    fault: str | None = None


class TextFile:
    """A text file, gzipped if its name ends in ".gz"; the beginning is read at once.

    Attributes:
        path: of the file.
        encoding: the codec that reads it.

    Args:
        path: of the file.
        otherwise: the encoding of lines that are neither UTF-8 nor UTF-16; they are faults if
            ``None``.

    Raises:
        DataError: when it cannot be read.
    """

    def __init__(self, path: Path, otherwise: str | None = None) -> None:
        self.path = path
        self._otherwise: str | None = None
        head = b""
        for piece in _pieces(path):
            head += piece
            if len(head) >= SAMPLE_BYTES:
                break
        self.encoding = _encoding_of(head)
        if otherwise is not None and self.encoding in {"utf-8", _GBK}:
            known = _is_utf8(head)
            self.encoding = "utf-8"
            if "\n".encode(otherwise) == b"\n":
                self._otherwise = otherwise
            elif not known or b"\0" in head:
                self.encoding = otherwise
            self._name = "UTF-8" if known and self.encoding == "utf-8" else otherwise
        else:
            self._name = _NAMES[self.encoding]
        sample = codecs.getincrementaldecoder(self.encoding)("replace").decode(head)
        # What old spreadsheets write ends its lines with a carriage return alone.
        self._end = b"\r" if "\r" in sample and "\n" not in sample else b"\n"

    @property
    def encoding_name(self) -> str:
        """The encoding in words."""
        return self._name

    def beginning(self) -> list[str]:
        """The lines that lie in the first 64 KiB, at least one and at most 1,000; no faulty ones.

        Raises:
            DataError: when the file cannot be read.
        """
        found: list[str] = []
        size = 0
        for line in islice(self.lines(), SAMPLE_LINES):
            size += len(line.text)
            if found and size > SAMPLE_BYTES:
                break
            if line.fault is None:
                found.append(line.text)
        return found

    def count_lines(self) -> int:
        """How many line ends there are; in UTF-16, where other signs have such bytes, about so.

        Raises:
            DataError: when the file cannot be read, or unpacks to far more than its size.
        """
        return sum(piece.count(self._end) for piece in _pieces(self.path))

    def lines(self) -> Iterator[Line]:
        """Every line, read anew.

        Raises:
            DataError: when the file cannot be read, or unpacks to far more than its size.
        """
        pieces: Iterable[bytes] = _pieces(self.path)
        encoding = "utf-8"
        if self.encoding == _GBK:
            encoding = _GBK
        elif self.encoding != "utf-8":
            pieces = _as_utf8(pieces, self.encoding)
        number, held, length = 0, b"", 0
        for piece in pieces:
            *ended, rest = piece.split(self._end)
            for raw in ended:
                number += 1
                length += len(raw)
                whole = held + raw if length <= MAX_LINE_BYTES else b""
                yield _line(number, whole, length, encoding, self._otherwise)
                held, length = b"", 0
            length += len(rest)
            held = held + rest if length <= MAX_LINE_BYTES else b""
        if length:
            yield _line(number + 1, held, length, encoding, self._otherwise)


def _line(number: int, raw: bytes, length: int, encoding: str, otherwise: str | None) -> Line:
    if length > MAX_LINE_BYTES:
        return Line(number, "", f"expected at most {MAX_LINE_BYTES} bytes, got {length}")
    raw = raw.removesuffix(b"\r")
    try:
        return Line(number, raw.decode(encoding))
    except UnicodeDecodeError:
        if otherwise is None:
            return Line(number, "", _OTHER_BYTES)
    try:
        return Line(number, raw.decode(otherwise))
    except UnicodeDecodeError:
        return Line(number, "", "expected UTF-8 or the encoding that was said, got other bytes")


def _pieces(path: Path) -> Iterator[bytes]:
    """The file's bytes, unpacked, a few at a time."""
    packed = path.suffix.lower() == ".gz"
    try:
        allowed = max(FREE_EXPANSION, MAX_EXPANSION * path.stat().st_size)
        total = 0
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            while piece := stream.read(SAMPLE_BYTES):
                total += len(piece)
                if packed and total > allowed:
                    reason = f"unpacks to more than {MAX_EXPANSION} times its size"
                    raise DataError(path, f"{reason}: no log does")
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error


def _as_utf8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", True).encode()


def _encoding_of(head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    zeros = tuple(byte == 0 for byte in head[:4])
    if zeros in _ZEROS:
        return _ZEROS[zeros]
    return _GBK if not _is_utf8(head) and _is_chinese(head) else "utf-8"


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


_CHINESE_SHARE = 0.9
"""Of two-byte signs that are among the 3,755 most common hanzi or are Chinese punctuation: 0.999
in the titles of courses-zh; read as GBK, Thai has 0.8, Japanese 0.6, Big5 0.4, and Western and
Cyrillic texts have none or are no GBK."""

_ENOUGH_HANZI = 20
_LATE_SHARE = 0.1
"""Korean syllables lie where the hanzi from a to p do, by sound, and none where q to z do: half of
any Chinese text. With less than 20 signs the two cannot be told apart, and it is said to be GBK."""


def _is_chinese(head: bytes) -> bool:
    """Whether bytes that are no UTF-8 are Chinese in GBK, beyond doubt where there are enough."""
    try:
        text = codecs.getincrementaldecoder(_GBK)().decode(head)
    except UnicodeDecodeError:
        return False
    signs = Counter(sign for sign in text if not sign.isascii())
    common = hanzi = late = 0
    for sign, count in signs.items():
        lead, trail = sign.encode(_GBK)[:2]
        if trail < 0xA1 or not (lead <= 0xA3 or 0xB0 <= lead <= 0xD7):
            continue
        common += count
        if lead >= 0xB0:
            hanzi += count
            late += count * (lead >= 0xC9)
    if common < _CHINESE_SHARE * signs.total():
        return False
    return hanzi < _ENOUGH_HANZI or late >= _LATE_SHARE * hanzi
