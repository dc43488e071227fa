"""The protobuf wire format, read strictly and as far as ONNX models use it.

onnxruntime's own parser is C++ that was not written for hostile files, and the onnx package
is not part of the runtime; so a pack's model passes through here before either could see
it. Read is the subset of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto in
:data:`_MESSAGES`. Everything that two parsers might read differently is refused: unknown
fields, a second value where one belongs, overlong integers, groups, trailing bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


class Malformed(Exception):  # noqa: N818 - private; the pack turns it into a typed error
    """The bytes are not an ONNX model in the subset that is read here."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What may stand under one field number: its wire types, and whether more than once."""

    wires: tuple[int, ...]
    repeated: bool = False


_ONE_INT = _Field((_VARINT,))
_ONE_BYTES = _Field((_BYTES,))
_ONE_FLOAT = _Field((_FIXED32,))
_MANY_BYTES = _Field((_BYTES,), repeated=True)
_MANY_INTS = _Field((_VARINT, _BYTES), repeated=True)
_MANY_FLOATS = _Field((_FIXED32, _BYTES), repeated=True)
_MANY_DOUBLES = _Field((_FIXED64, _BYTES), repeated=True)

_MESSAGES: dict[str, dict[int, _Field]] = {
    "model": {
        **dict.fromkeys((1, 5), _ONE_INT),  # ir_version, model_version
        **dict.fromkeys((2, 3, 4, 6, 7), _ONE_BYTES),  # producer, domain, doc_string, graph
        **dict.fromkeys((8, 14), _MANY_BYTES),  # opset_import, metadata_props
    },
    "opset": {1: _ONE_BYTES, 2: _ONE_INT},
    "graph": {
        **dict.fromkeys((1, 5, 11, 12, 13, 16), _MANY_BYTES),
        **dict.fromkeys((2, 10), _ONE_BYTES),  # name, doc_string
    },
    "node": {
        **dict.fromkeys((1, 2, 5, 9), _MANY_BYTES),  # input, output, attribute, metadata_props
        **dict.fromkeys((3, 4, 6, 7), _ONE_BYTES),  # name, op_type, doc_string, domain
    },
    "attribute": {
        **dict.fromkeys((1, 4, 5, 6, 13), _ONE_BYTES),  # name, s, t, g, doc_string
        2: _ONE_FLOAT,
        **dict.fromkeys((3, 20), _ONE_INT),  # i, type
        7: _MANY_FLOATS,
        8: _MANY_INTS,
        9: _MANY_BYTES,  # strings
    },
    "tensor": {
        1: _MANY_INTS,  # dims
        **dict.fromkeys((2, 14), _ONE_INT),  # data_type, data_location
        4: _MANY_FLOATS,
        **dict.fromkeys((5, 7, 11), _MANY_INTS),  # int32, int64 and uint64 data
        **dict.fromkeys((8, 9, 12), _ONE_BYTES),  # name, raw_data, doc_string
        10: _MANY_DOUBLES,
        **dict.fromkeys((13, 16), _MANY_BYTES),  # external_data, metadata_props
    },
    "value": {**dict.fromkeys((1, 2, 3), _ONE_BYTES), 4: _MANY_BYTES},
    "type": {1: _ONE_BYTES, 6: _ONE_BYTES},
    "tensor_type": {1: _ONE_INT, 2: _ONE_BYTES},
    "shape": {1: _MANY_BYTES},
    "dimension": {1: _ONE_INT, 2: _ONE_BYTES, 3: _ONE_BYTES},
    "entry": {1: _ONE_BYTES, 2: _ONE_BYTES},
}
"""Field numbers by message. Not among them, and so refused: functions, training, sparse
tensors, string tensors, sequences, maps, optionals, and devices."""

_ENTRIES = {"model": 14, "graph": 16, "node": 9, "tensor": 16, "value": 4}
"""Where metadata stand; nothing reads them here, but other parsers do."""


class Message:
    """One message, split into its fields, its numbers checked.

    What the messages inside it hold is read when it is asked for.

    Raises:
        Malformed: see the module's description.
    """

    __slots__ = ("_values",)

    def __init__(self, kind: str, data: memoryview) -> None:
        fields = _MESSAGES[kind]
        self._values: dict[int, list[int | memoryview]] = {}
        for number, wire, value, _ in split(data):
            field = fields.get(number)
            if field is None or wire not in field.wires:
                raise Malformed(f"{kind}: a field that is not read here")
            values = self._values.get(number)
            if values is None:
                self._values[number] = [value]
            elif field.repeated:
                values.append(value)
            else:
                raise Malformed(f"{kind}: a field twice")
        for number in self._values:
            self._check_numbers(number, fields[number])
        for entry in self.messages(_ENTRIES.get(kind, 0), "entry"):
            entry.data(1)

    def _check_numbers(self, number: int, field: _Field) -> None:
        if field is _MANY_INTS:
            self.integers(number)
        elif field is _MANY_FLOATS or field is _MANY_DOUBLES:
            self.count_fixed(number, 4 if field is _MANY_FLOATS else 8)

    def __contains__(self, number: int) -> bool:
        return number in self._values

    def count(self, number: int) -> int:
        """How many values stand under ``number``."""
        return len(self._values.get(number, ()))

    def integer(self, number: int) -> int:
        """A signed 64-bit integer; 0 where there is none."""
        value = self._values.get(number, [0])[0]
        assert isinstance(value, int)  # noqa: S101 - the wire type was checked
        return _signed(value)

    def data(self, number: int) -> memoryview:
        """Raw bytes; empty where there are none."""
        value = self._values.get(number, [memoryview(b"")])[0]
        assert isinstance(value, memoryview)  # noqa: S101
        return value

    def text(self, number: int) -> str:
        """A string; empty where there is none."""
        return _text(self.data(number))

    def texts(self, number: int) -> list[str]:
        """Every string under ``number``."""
        return [
            _text(value) for value in self._values.get(number, ()) if not isinstance(value, int)
        ]

    def messages(self, number: int, kind: str) -> Iterator[Message]:
        """Every message under ``number``."""
        for value in self._values.get(number, ()):
            assert isinstance(value, memoryview)  # noqa: S101
            yield Message(kind, value)

    def integers(self, number: int) -> list[int]:
        """Every integer under ``number``, packed or not."""
        found: list[int] = []
        for value in self._values.get(number, ()):
            if isinstance(value, int):
                found.append(_signed(value))
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                found.append(_signed(one))
        return found

    def count_fixed(self, number: int, size: int) -> int:
        """How many numbers of ``size`` bytes stand under ``number``, packed or not."""
        count = 0
        for value in self._values.get(number, ()):
            if isinstance(value, int):
                count += 1
            elif len(value) % size:
                raise Malformed("packed numbers: a part of one")
            else:
                count += len(value) // size
        return count


def split(data: memoryview) -> Iterator[tuple[int, int, int | memoryview, memoryview]]:
    """The fields of a message: number, wire type, value, and all of the field's bytes.

    Raises:
        Malformed: see the module's description.
    """
    at, end = 0, len(data)
    while at < end:
        start = at
        key = data[at]
        if key < 0x80:  # as almost all are
            at += 1
        else:
            key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value, data[start:at]
            continue
        if wire == _BYTES:
            size = data[at] if at < end else 0x80
            if size < 0x80:
                at += 1
            else:
                size, at = _varint(data, at)
        elif wire in _FIXED_SIZES:
            size = _FIXED_SIZES[wire]
        else:
            raise Malformed("a wire type that ONNX does not use")
        if size > end - at:
            raise Malformed("a field that is longer than its message")
        piece = data[at : at + size]
        at += size
        raw = data[start:at]
        yield number, wire, piece if wire == _BYTES else int.from_bytes(piece, "little"), raw


def integer_field(number: int, value: int) -> bytes:
    """A field that holds an integer, ≥ 0."""
    return _unsigned(number << 3 | _VARINT) + _unsigned(value)


def bytes_field(number: int, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """A field that holds bytes, text or a message, as pieces that are yet to be joined."""
    return [_unsigned(number << 3 | _BYTES) + _unsigned(sum(map(len, parts))), *parts]


def _unsigned(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned integer of up to 64 bits in its shortest form, and where it ends."""
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and place > at) or value >= 1 << 64:
                raise Malformed("an integer that is not in its shortest form")
            return value, place + 1
        shift += 7
    raise Malformed("an integer that does not end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise Malformed("text that is not UTF-8") from None
