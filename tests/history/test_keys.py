from __future__ import annotations

import base64
import json
import os
import sys
import threading
import types
from pathlib import Path

import pytest

from edge_rerank import Event
from edge_rerank.errors import HistoryKeyError, MissingExtra
from edge_rerank.history.keys.keyring import KeyringKey
from edge_rerank.history.keys.passphrase import Argon2Cost, Passphrase
from edge_rerank.history.keys.sources import HeldKey, KeyCallback, KeyEnv, KeyFile, as_source
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
NEW = bytes(range(1, 33))
CHEAP = Argon2Cost(memory_kib=19_456, iterations=1, lanes=1)


@pytest.mark.parametrize("key", [b"", b"short", bytes(32), b"a" * 32, KEY + b"x"])
def test_malformed_keys_are_refused(key: bytes) -> None:
    with pytest.raises(HistoryKeyError):
        HeldKey(key)


def test_what_can_be_a_source() -> None:
    assert as_source(KEY).load() == KEY
    source = KeyCallback(lambda: KEY)
    assert as_source(source) is source
    with pytest.raises(HistoryKeyError, match="got str"):
        as_source("secret")  # type: ignore[arg-type]


def test_a_key_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    source = KeyFile.create(tmp_path / "key")
    first = source.load()
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    source.replace(NEW)
    assert KeyFile(tmp_path / "key").load() == NEW != first
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
    with pytest.raises(HistoryKeyError, match="found one"):
        KeyFile.create(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(HistoryKeyError, match="0600"):
        source.load()
    with pytest.raises(
        HistoryKeyError, match="key file: cannot be read: No such file or directory"
    ):
        KeyFile(tmp_path / "none").load()


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
@pytest.mark.parametrize("kind", ["key file", "passphrase"])
def test_behind_a_link_the_key_itself_is_replaced(tmp_path: Path, kind: str) -> None:
    """The link stays; the former key is under none of the file's names, hard links included."""
    volume, target = tmp_path / "volume", tmp_path / "volume" / "secret"
    volume.mkdir()
    link, hard = tmp_path / "key", tmp_path / "hard"
    link.symlink_to(Path("volume") / "secret")

    def make(path: Path) -> KeyFile | Passphrase:
        if kind == "key file":
            return KeyFile.create(path)
        return Passphrase.create("correct horse battery", path, cost=CHEAP)

    make(target)
    os.link(target, hard)
    source = KeyFile(link) if kind == "key file" else Passphrase("correct horse battery", link)
    former, content = source.load(), target.read_bytes()
    source.replace(NEW)
    assert link.is_symlink()
    assert source.load() == NEW != former
    assert target.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in volume.iterdir()] == ["secret"]
    assert target.read_bytes() != content
    assert hard.read_bytes() == bytes(len(content))
    for dangling in (tmp_path / "dangling", link):
        if dangling is not link:
            dangling.symlink_to(tmp_path / "nowhere")
        with pytest.raises(HistoryKeyError, match="found one"):
            make(dangling)
    assert not (tmp_path / "nowhere").exists()


def test_erasure_leaves_no_former_key_behind_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "volume" / "secret", tmp_path / "key"
    target.parent.mkdir()
    former = KeyFile.create(target).load()
    link.symlink_to(target)
    with HistoryStore.open(tmp_path / "me.db", KeyFile(link)) as store:
        store.append("alice", [Event("search", query="tea", timestamp=5)])
        assert store.erase("alice").key_rotated
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert former not in file.read_bytes()
    HistoryStore.open(tmp_path / "me.db", KeyFile(target)).close()


@pytest.mark.parametrize("kind", ["key file", "passphrase"])
def test_of_several_who_make_a_key_file_at_once_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Each of them has seen that there is no file yet."""
    monkeypatch.setattr(Path, "exists", lambda *_, **__: False)
    for turn in range(10 if kind == "key file" else 2):
        path, start = tmp_path / str(turn), threading.Barrier(4)
        made: list[KeyFile | Passphrase] = []
        refused: list[str] = []

        def make(path: Path = path, start: threading.Barrier = start) -> None:
            start.wait()
            try:
                if kind == "key file":
                    made.append(KeyFile.create(path))  # noqa: B023 - joined within this turn
                else:
                    made.append(Passphrase.create("correct horse", path, cost=CHEAP))  # noqa: B023
            except HistoryKeyError as error:
                refused.append(str(error))  # noqa: B023

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(made), len(refused)) == (1, 3)
        assert all("found one" in reason for reason in refused)
        assert len(made[0].load()) == 32


def test_a_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K", KEY.hex())
    assert KeyEnv("K").load() == KEY
    assert not KeyEnv("K").replaceable
    monkeypatch.setenv("K", "not hexadecimal")
    with pytest.raises(HistoryKeyError, match="64 hexadecimal"):
        KeyEnv("K")
    monkeypatch.delenv("K")
    with pytest.raises(HistoryKeyError, match="expected a key"):
        KeyEnv("K")


def test_a_callback_that_fails_is_a_key_error() -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("secret words")

    with pytest.raises(HistoryKeyError) as caught:
        KeyCallback(fail).load()
    assert "secret words" not in str(caught.value)
    with pytest.raises(HistoryKeyError, match="no replace"):
        KeyCallback(lambda: KEY).replace(NEW)
    with pytest.raises(HistoryKeyError):
        KeyCallback(lambda: KEY, fail).replace(NEW)
    with pytest.raises(HistoryKeyError):
        KeyCallback(lambda: b"short").load()


class TestPassphrase:
    def test_opens_with_the_words_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        first = Passphrase.create("correct horse battery", path, cost=CHEAP).load()
        assert Passphrase("correct horse battery", path).load() == first
        with pytest.raises(HistoryKeyError, match="not the one"):
            Passphrase("correct horse batterz", path).load()
        source = Passphrase("correct horse battery", path)
        source.load()
        source.replace(NEW)
        assert Passphrase("correct horse battery", path).load() == NEW
        # The cost that was stored is kept.
        assert json.loads(path.read_text())["argon2id"]["memory_kib"] == 19_456

    def test_known_answer_of_argon2id(self) -> None:
        """Section 5.3 of RFC 9106 needs a secret and data; this is argon2-cffi's own vector:
        the reference implementation's test.c, Argon2id v19, t=2, m=2^16 KiB, p=1."""
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        digest = Argon2id(
            salt=b"somesalt", length=32, iterations=2, lanes=1, memory_cost=1 << 16
        ).derive(b"password")
        assert digest.hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("memory_kib", 1 << 30),
            ("memory_kib", 8),
            ("iterations", 10**6),
            ("lanes", 0),
            ("lanes", True),
        ],
    )
    def test_planted_parameters_are_refused(
        self, tmp_path: Path, field: str, value: object
    ) -> None:
        path = tmp_path / "key"
        Passphrase.create("correct horse battery", path, cost=CHEAP)
        fields = json.loads(path.read_text())
        fields["argon2id"][field] = value
        path.write_text(json.dumps(fields))
        with pytest.raises(HistoryKeyError, match="Argon2id"):
            Passphrase("correct horse battery", path).load()

    def test_a_changed_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        Passphrase.create("correct horse battery", path, cost=CHEAP)
        whole = json.loads(path.read_text())
        for name in whole:
            fields = {key: value for key, value in whole.items() if key != name}
            path.write_text(json.dumps(fields))
            with pytest.raises(HistoryKeyError):
                Passphrase("correct horse battery", path).load()
        path.write_text(json.dumps({**whole, "argon2id": {**whole["argon2id"], "iterations": 2}}))
        with pytest.raises(HistoryKeyError, match="not the one"):
            Passphrase("correct horse battery", path).load()
        path.write_bytes(b"x" * 10_000)
        with pytest.raises(HistoryKeyError, match="malformed"):
            Passphrase("correct horse battery", path).load()

    def test_words_that_a_file_is_not_committed_to_open_nothing(self, tmp_path: Path) -> None:
        """AES-GCM alone would open one file under several passphrases, made to fit."""
        path = tmp_path / "key"
        Passphrase.create("correct horse battery", path, cost=CHEAP)
        whole = json.loads(path.read_text())
        other = bytearray(base64.b64decode(whole["commitment"]))
        other[-1] ^= 1
        changed = {**whole, "commitment": base64.b64encode(other).decode()}
        path.write_text(json.dumps(changed))
        with pytest.raises(HistoryKeyError, match="not the one"):
            Passphrase("correct horse battery", path).load()
        path.write_text(json.dumps(whole))
        Passphrase("correct horse battery", path).load()

    def test_short_words_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(HistoryKeyError, match="at least 8"):
            Passphrase("short", tmp_path / "key")


class Ring:
    """A keyring backend as the package ``keyring`` has them."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, account: str) -> str | None:
        return self.entries.get((service, account))

    def set_password(self, service: str, account: str, password: str) -> None:
        self.entries[service, account] = password


def backend(module: str, name: str = "Keyring") -> Ring:
    kind = type(name, (Ring,), {"__module__": module, "__qualname__": name})
    made = kind()
    assert isinstance(made, Ring)
    return made


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    holder = types.SimpleNamespace(backend=backend("keyring.backends.SecretService"))
    module = types.ModuleType("keyring")
    module.get_keyring = lambda: holder.backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    return holder


class TestKeyring:
    def test_keeps_and_replaces(self, ring: types.SimpleNamespace) -> None:
        source = KeyringKey.create("app")
        assert KeyringKey("app").load() == source.load()
        source.replace(NEW)
        assert KeyringKey("app").load() == NEW
        with pytest.raises(HistoryKeyError, match="found one"):
            KeyringKey.create("app")
        with pytest.raises(HistoryKeyError, match="found none"):
            KeyringKey("other").load()

    @pytest.mark.parametrize(
        "module", ["keyring.backends.fail", "keyring.backends.null", "keyrings.alt.file"]
    )
    def test_weak_backends_are_refused(self, ring: types.SimpleNamespace, module: str) -> None:
        ring.backend = backend(module)
        with pytest.raises(HistoryKeyError, match="none that is allowed"):
            KeyringKey("app")

    def test_the_first_allowed_one_of_a_chain(self, ring: types.SimpleNamespace) -> None:
        good = backend("keyring.backends.kwallet", "DBusKeyring")
        ring.backend = types.SimpleNamespace(backends=[backend("keyrings.alt.file"), good])
        KeyringKey.create("app")
        assert good.entries

    def test_a_ring_that_forgets_is_noticed(
        self, ring: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = KeyringKey.create("app")
        monkeypatch.setattr(Ring, "set_password", lambda *_: None)
        with pytest.raises(HistoryKeyError, match="did not keep"):
            source.replace(NEW)

    def test_without_the_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(MissingExtra, match="pip install keyring"):
            KeyringKey("app")


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
def test_a_passphrase_file_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "key"
    Passphrase.create("correct horse battery", path, cost=CHEAP)
    path.chmod(0o640)
    with pytest.raises(HistoryKeyError, match="0600"):
        Passphrase("correct horse battery", path).load()
