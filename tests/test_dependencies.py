"""What comes along with the runtime's dependencies, and is never used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

import pytest

from edge_rerank import Reranker, Runtime
from edge_rerank.errors import ProviderUnavailable
from edge_rerank.inference.session import REMOTE_PROVIDERS, available_providers

UNASKED = ("huggingface_hub", "hf_xet", "httpx", "httpx2", "requests", "urllib3", "aiohttp", "h11")
"""Modules that could reach a network, some of which pip installs beside tokenizers."""

SESSION = """
import json, sys, tempfile
from pathlib import Path

seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith("socket.") else None)
from edge_rerank import Event, Item, Reranker

items = [Item(str(n), f"an item called {n}", ["kind"], popularity=n) for n in range(20)]
with tempfile.TemporaryDirectory() as folder:
    with Reranker.open(history=Path(folder, "me.db"), key=bytes(range(32))) as reranker:
        reranker.consent("alice", True)
        ranking = reranker.rank(items, user="alice", query="something")
        reranker.record(Event("click", ranking[0].item, ranking=ranking.id), user="alice")
        reranker.rank(items, user="alice")
        reranker.profile("alice")
providers = list(reranker.engine.providers)
exec(sys.argv[1])
unasked = [name for name in sys.argv[2:] if name in sys.modules]
print(json.dumps({"sockets": seen, "imported": unasked, "providers": providers}))
"""


def session(extra: str = "") -> dict[str, list[str]]:
    command = [sys.executable, "-c", SESSION, extra, *UNASKED]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120)
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_what_comes_along_unasked_is_never_imported_and_no_socket_is_opened() -> None:
    assert session() == {
        "sockets": [],
        "imported": [],
        "providers": ["CPUExecutionProvider"],
    }


def test_the_watch_would_see_a_socket_and_an_import() -> None:
    extra = "import socket, urllib3; socket.socket().close()"
    if find_spec("urllib3") is None:
        extra = "import socket, types; sys.modules['urllib3'] = types; socket.socket().close()"
    seen = session(extra)
    assert "socket.__new__" in seen["sockets"]
    assert "urllib3" in seen["imported"]


def test_tokenizers_still_asks_for_the_hub() -> None:
    """Where it no longer does, SECURITY.md should no longer say so."""
    wanted = [one for one in metadata.requires("tokenizers") or [] if "extra ==" not in one]
    assert any(one.startswith(("huggingface-hub", "huggingface_hub")) for one in wanted)


@pytest.mark.parametrize("name", [*sorted(REMOTE_PROVIDERS), "azure"])
def test_a_provider_that_sends_texts_to_a_server_is_refused(name: str) -> None:
    import onnxruntime

    if not REMOTE_PROVIDERS & {*onnxruntime.get_available_providers()}:
        pytest.skip("this onnxruntime has none")
    assert not REMOTE_PROVIDERS & {*available_providers()}
    with pytest.raises(ProviderUnavailable):
        Reranker.open(runtime=Runtime(providers=[name]))
