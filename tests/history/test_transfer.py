from __future__ import annotations

import ast
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

import edge_rerank
from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.history import transfer

PRIVATE = bytes(range(32))
PUBLIC = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()


def test_the_vector_of_rfc_9180() -> None:
    """DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode, from test-vectors.json
    of github.com/cfrg/draft-irtf-cfrg-hpke."""
    ephemeral = bytes.fromhex("179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11")
    recipient = bytes.fromhex("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c")
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    encapsulated = own.public_key().public_bytes_raw()
    assert encapsulated.hex() == "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256"
    exchanged = own.exchange(X25519PublicKey.from_public_bytes(recipient))
    secret = transfer._shared_secret(exchanged, encapsulated, recipient)
    assert secret.hex() == "3101c54c3a4f87439eaac080699ed9bbcc726ffe44e860c0424ccb7e3e2ead7b"
    key, nonce = transfer._schedule(
        secret, bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    )
    assert key.hex() == "f50b0609186798729ed0564b36ef2ef8044f1f9d05636874d1f46c819c7a669f"
    assert nonce.hex() == "151d9929e2449747889bc923"
    sealed = transfer.AESGCM(key).encrypt(nonce, b"Beauty is truth, truth beauty", b"Count-0")
    assert sealed.hex() == (
        "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a"
    )


def test_what_the_librarys_own_hpke_seals_is_opened() -> None:
    hpke = pytest.importorskip("cryptography.hazmat.primitives.hpke")
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    own = X25519PrivateKey.from_private_bytes(PRIVATE)
    sealed = suite.encrypt(b"hello", own.public_key(), info=b"i")
    exchanged = own.exchange(X25519PublicKey.from_public_bytes(sealed[:32]))
    key, nonce = transfer._schedule(transfer._shared_secret(exchanged, sealed[:32], PUBLIC), b"i")
    assert transfer.AESGCM(key).decrypt(nonce, sealed[32:], None) == b"hello"


@given(st.binary(max_size=2_000))
def test_round_trip(content: bytes) -> None:
    sealed = transfer.seal_for(content, PUBLIC)
    assert transfer.open_sealed(sealed, PRIVATE) == content
    assert transfer.seal_for(content, PUBLIC) != sealed


def test_every_changed_byte_is_noticed() -> None:
    sealed = transfer.seal_for(b"history", PUBLIC)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        # The top bit of an X25519 public key is ignored by definition; the key schedule is not.
        assert transfer.open_sealed(changed, PRIVATE) is None
    for size in range(len(sealed)):
        assert transfer.open_sealed(sealed[:size], PRIVATE) is None
    assert transfer.open_sealed(sealed + b"\0", PRIVATE) is None


def test_another_key_opens_nothing() -> None:
    assert transfer.open_sealed(transfer.seal_for(b"history", PUBLIC), bytes(31) + b"\x09") is None


@pytest.mark.parametrize("weak", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_of_small_order_is_refused(weak: bytes) -> None:
    with pytest.raises(InvalidRequest, match="weak"):
        transfer.seal_for(b"x", weak)


@pytest.mark.parametrize("size", [0, 1, 100, 1_000, 100_000, 1_000_000])
def test_padding_hides_the_length_and_costs_at_most_12_percent(size: int) -> None:
    padded = len(transfer._pad(bytes(size)))
    assert size < padded <= 1.12 * size + 2
    if size >= 1_000:
        assert len(transfer._pad(bytes(size + 1))) == padded


def test_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    key_file, public, target = (tmp_path / name for name in ("key", "public", "out.sealed"))
    transfer.generate_recipient_key(key_file, public)
    transfer.export_sealed(b"history", public.read_bytes(), target)
    assert transfer.import_sealed(target, key_file.read_bytes()) == b"history"
    assert key_file.stat().st_mode & 0o777 == target.stat().st_mode & 0o777 == 0o600
    assert b"history" not in target.read_bytes()
    with pytest.raises(InvalidRequest, match="cannot be made"):
        transfer.export_sealed(b"other", public.read_bytes(), target)
    with pytest.raises(InvalidRequest, match="cannot be made"):
        transfer.generate_recipient_key(key_file, tmp_path / "another")


def test_malformed_keys_and_files_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="32 bytes"):
        transfer.seal_for(b"x", b"short")
    with pytest.raises(InvalidRequest, match="32 bytes"):
        transfer.open_sealed(b"x", b"short")
    with pytest.raises(DataError, match="cannot be read"):
        transfer.import_sealed(tmp_path / "none", PRIVATE)
    (tmp_path / "other").write_bytes(b"edge-rerank sealed\n\x02" + bytes(100))
    with pytest.raises(DataError, match="not a sealed file"):
        transfer.import_sealed(tmp_path / "other", PRIVATE)


NETWORK = {
    *("aiohttp", "asyncore", "ftplib", "grpc", "http", "httplib2", "httpx", "imaplib", "nntplib"),
    *("paramiko", "poplib", "pycurl", "requests", "smtplib", "socket", "socketserver", "ssl"),
    *("telnetlib", "urllib", "urllib3", "webbrowser", "websocket", "websockets", "xmlrpc", "zmq"),
}
LISTENING = Path(edge_rerank.__file__).parent / "serve" / "http.py"
"""Listens at this machine's own address; `edge-rerank serve --http` alone imports it."""
PROCESSES = {"subprocess", "multiprocessing", "pty"}


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("__import__", "import_module")
        ):
            found |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def test_no_module_of_the_runtime_can_reach_a_network() -> None:
    modules = sorted(Path(edge_rerank.__file__).parent.rglob("*.py"))
    assert len(modules) > 30
    for path in modules:
        reach = imports(ast.parse(path.read_text())) & NETWORK
        assert reach == ({"socket"} if path == LISTENING else set()), path.name


def test_the_walk_would_find_one() -> None:
    code = "def f():\n    import urllib.request\nfrom http import client\n__import__('socket')"
    assert imports(ast.parse(code)) & NETWORK == {"urllib", "http", "socket"}
