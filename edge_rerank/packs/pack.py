"""Model packs: read once, whole, checked, and from then on from memory.

Every file is read a single time, hashed, compared with the manifest and handed on as bytes,
so nothing can be swapped between the check and the use. Models and tokenisers are then
checked on their bytes, before the native libraries that run them see any, signed or not: a
signature says who made a file, not that it is harmless.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Self

from edge_rerank.errors import PackInvalid, PackNotFound, PackUntrusted
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.installed import SHIPPED, comes_installed, find_pack, installed_packs
from edge_rerank.packs.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    Manifest,
)
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_cost import Feeds, check_cost
from edge_rerank.packs.onnx_wire import Malformed
from edge_rerank.packs.read_files import check_signature, read_entry, read_file
from edge_rerank.packs.shipped import MULTILINGUAL, pinned_digest
from edge_rerank.packs.specs import (
    EncoderSpec,
    PairScorerSpec,
    ScorerSpec,
)
from edge_rerank.packs.tokenizer_check import CHARS_A_TOKEN, Unsafe, check_tokenizer
from edge_rerank.packs.trust import ANY_PACK, Trust

_HARMLESS: set[tuple[Hashable, ...]] = set()
"""What was looked into by this process, by the digests of files: that takes 0.1 s for the default
pack and 0.6 s for the multilingual one, and would give the same again, whichever pack the files are
in. Those two are part of this package, and its tests look into them."""

_MOST_HARMLESS = 256


@dataclass(frozen=True, slots=True)
class Pack:
    """A checked model pack.

    Attributes:
        path: the folder it was read from.
        manifest: what it says of itself.
        digest: sha256 of the manifest's raw bytes, in hex; stands for the whole pack.
        signed: whether a key that the host trusts signed it.
        pinned: whether it is a shipped one, whose digest is part of this package.
    """

    path: Path
    manifest: Manifest
    digest: str
    signed: bool = False
    pinned: bool = False
    _files: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        trust: Trust = ANY_PACK,
        seen_releases: Mapping[str, int] | None = None,
    ) -> Self:
        """Read the pack at ``path`` and check every file.

        A shipped pack must have the digest pinned in this package. Any other pack must,
        where the host trusts certain keys alone, carry a signature by one of them in
        ``manifest.sig``.

        Args:
            path: the pack's folder, or the name of an installed pack, see
                :func:`~edge_rerank.packs.installed.find_pack`.
            trust: whose packs are accepted.
            seen_releases: the highest release seen so far of each pack by name, older ones
                of which are refused; the history file keeps it, sealed.

        Raises:
            PackNotFound: when there is no pack.
            PackInvalid: when a file is missing, a link, not what the manifest says, or has
                something in it that no pack needs.
            PackUntrusted: when digest or signature is not the trusted one, or the release
                is older than the host accepts.
            PackUnsupported: when this version cannot run it.
        """
        path = find_pack(path)
        pin = pinned_digest(path)
        links = bool(pin) or comes_installed(path)
        if not path.is_dir():
            known = ", ".join([SHIPPED, MULTILINGUAL, *sorted(installed_packs())])
            raise PackNotFound(
                "expected a folder with a manifest.json or an installed pack by name (installed: "
                f"{known}), got neither"
            )
        raw = read_file(path, MANIFEST_NAME, MAX_MANIFEST_BYTES, links=links)
        digest = sha256(raw).hexdigest()
        if pin:
            if not hmac.compare_digest(digest, pin):
                raise PackUntrusted("the shipped pack is not the one this version was made with")
        elif trust.keys:
            check_signature(path, raw, trust.keys, links=links)
        manifest = Manifest.from_json(raw)
        oldest = max(trust.minimum_release, (seen_releases or {}).get(manifest.name, 1))
        if manifest.release < oldest:
            raise PackUntrusted(f"release: expected {oldest} or later, got {manifest.release}")
        _check_names(path, manifest)
        files = {entry.name: read_entry(path, entry, links=links) for entry in manifest.files}
        if not pin:
            _check_contents(manifest, files)
        return cls(path, manifest, digest, bool(trust.keys) and not pin, bool(pin), files)

    def read(self, name: str) -> bytes:
        """The checked content of one of the pack's files.

        Raises:
            PackInvalid: when the pack has no such file.
        """
        try:
            return self._files[name]
        except KeyError:
            raise PackInvalid(f"{name}: not among the files of the pack") from None

    def model(self, name: str, *feeds: Feeds, last: bool = False) -> Model:
        """The checked content of a model whose runs cost no more than one of its size may.

        The weights beside it, if there are any, come along.

        Args:
            name: of the file.
            feeds: see :meth:`check_runs`.
            last: whether nobody will ask for it again: the pack then lets go of its bytes.

        Raises:
            PackInvalid: when the pack has no such file, or its cost is too high or not bounded.
        """
        self.check_runs(name, *feeds)
        content, beside = self.read(name), self.manifest.external_data.get(name, "")
        data = self.read(beside) if beside else b""
        if last:
            for done in {name, beside} - {""}:
                del self._files[done]
        return Model(content, data, beside)

    def check_runs(self, name: str, *feeds: Feeds) -> None:
        """See that a model's runs cost no more than one of its size may.

        What a shipped pack's models cost is known, and what others cost is computed once.

        Args:
            name: of the file.
            feeds: the inputs that it will be given; several where bounds of all cases together
                would be too wide.

        Raises:
            PackInvalid: when the pack has no such file, or its cost is too high or not bounded.
        """
        content, beside = self.read(name), self.manifest.external_data.get(name, "")
        size = len(self.read(beside)) if beside else 0
        for feed in () if self.pinned else feeds:
            known = ("runs", _digests(self.manifest)[name], size, frozenset(feed.items()))
            if known in _HARMLESS:
                continue
            try:
                check_cost(content, feed, beside=size)
            except Malformed as error:
                raise PackInvalid(f"{name}: not a model that may be run: {error}") from None
            _note_harmless(known)

    def without_files(self) -> Pack:
        """The same pack with its contents dropped, to free memory once they are loaded."""
        return replace(self, _files={})


def _check_names(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder with anything in it that the manifest does not list.

    Names that begin with a dot are left to file managers; nothing here reads them.
    """
    listed = {MANIFEST_NAME, SIGNATURE_NAME, *(entry.name for entry in manifest.files)}
    with os.scandir(folder) as entries:
        extra = sum(entry.name not in listed and entry.name[0] != "." for entry in entries)
    if extra:
        raise PackInvalid(f"{MANIFEST_NAME}: {extra} entries of the folder are not listed")


def _check_contents(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Check each model and tokeniser that a part of the manifest names, and any other ONNX."""
    models = {name for name in files if name.endswith(".onnx")}
    tokenizers: dict[str, int] = {}
    for part in (getattr(manifest, member.name) for member in fields(manifest)):
        models.update(name for name in [getattr(part, "model", None)] if name)
        if isinstance(part, EncoderSpec | ScorerSpec | PairScorerSpec):
            longest = part.line_tokens if isinstance(part, ScorerSpec) else part.max_tokens
            before = tokenizers.get(part.tokenizer, 0)
            tokenizers[part.tokenizer] = max(before, longest * CHARS_A_TOKEN)
    digests = _digests(manifest)
    for name in sorted(models):
        beside = manifest.external_data.get(name, "")
        size = len(files[beside]) if beside else 0
        known: tuple[Hashable, ...] = ("model", digests[name], beside, size)
        if known in _HARMLESS:
            continue
        try:
            check_model(files[name], location=beside, size=size)
        except Malformed as error:
            raise PackInvalid(f"{name}: not a model that may be run: {error}") from None
        _note_harmless(known)
    for name in sorted(tokenizers):
        known = ("tokenizer", digests[name], tokenizers[name])
        if known in _HARMLESS:
            continue
        try:
            check_tokenizer(files[name], chars=tokenizers[name])
        except Unsafe as error:
            raise PackInvalid(f"{name}: not a tokeniser that may be used: {error}") from None
        _note_harmless(known)


def _digests(manifest: Manifest) -> dict[str, str]:
    return {entry.name: entry.sha256 for entry in manifest.files}


def _note_harmless(known: tuple[Hashable, ...]) -> None:
    if len(_HARMLESS) >= _MOST_HARMLESS:
        _HARMLESS.clear()
    _HARMLESS.add(known)
