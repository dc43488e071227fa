"""A fleet of real processes over TLS: every courier answers, and the wire says nothing of it.

A hundred nodes, twelve of them processes of their own as on twelve devices, in two rounds of a
SuperLink, with the bound on devices as it is. About 19 processes and some minutes, so that it
waits to be asked for; with ``-s`` it says what it took.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import edge_rerank_export.fleet.federation  # noqa: F401 - silences Flower, which looks when it is imported

pytest.importorskip("flwr")
if os.environ.get("EDGE_RERANK_FLEET") != "1":
    pytest.skip(
        "19 processes for some minutes: set EDGE_RERANK_FLEET=1 to run it", allow_module_level=True
    )

from edge_rerank.history.transfer import open_sealed
from edge_rerank_export.fleet.federation.simulation.people import CANARY
from edge_rerank_export.packing.sign import generate_key
from tests.export.fleet.federation import couriers
from tests.export.fleet.federation.couriers import Application, Tap, wait_until

COURIERS, NODES, ROUNDS = 12, 100, 2
FEDERATE = [sys.executable, "-m", "edge_rerank.export", "federate"]
KEY = X25519PrivateKey.generate()
TLS_HANDSHAKE = b"\x16\x03"


@contextmanager
def running(
    command: list[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output is in a file, and which is told to end and ends."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def children_of(process: int) -> str:
    """Numbers of the processes that it started; "" where the system does not say."""
    told = Path(f"/proc/{process}/task/{process}/children")
    return told.read_text(encoding="ascii") if told.exists() else ""


def begin(folder: Path, port: int) -> None:
    """Certificates, keys, and where Flower's own configuration finds the SuperLink."""
    couriers.write_certificates(folder)
    generate_key(folder / "sign.key")
    (folder / "seal.key").write_bytes(KEY.private_bytes_raw())
    (folder / "home").mkdir()
    (folder / "home" / "config.toml").write_text(
        f'[superlink]\ndefault = "ours"\n\n[superlink.ours]\naddress = "127.0.0.1:{port}"\n'
        f'root-certificates = "{folder / "ca.pem"}"\n',
        encoding="utf-8",
    )


@pytest.mark.slow
def test_every_courier_answers_each_round(tmp_path: Path) -> None:
    port = couriers.free_port()
    tap = Tap(port)
    begin(tmp_path, port)
    environment = couriers.environment(tmp_path / "home")
    layout = couriers.shipped_layout()
    folders = [tmp_path / f"exchange-{number}" for number in range(COURIERS)]
    applications = [
        Application.beside(folder, number, layout) for number, folder in enumerate(folders)
    ]
    roots, near = str(tmp_path / "ca.pem"), f"127.0.0.1:{tap.port}"
    superlink = [
        str(Path(sys.executable).with_name("flower-superlink")),
        *("--disable-runtime-dependency-installation", "--ssl-ca-certfile", roots),
        *("--ssl-certfile", str(tmp_path / "server.pem")),
        *("--ssl-keyfile", str(tmp_path / "server.key")),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    beside = [
        *(sys.executable, "-m", "tests.export.fleet.federation.couriers", near, roots),
        *(str(tmp_path / "crowd"), str(COURIERS), str(NODES - COURIERS)),
    ]
    client = [*FEDERATE, "client", "--superlink", near, "--certificates", roots, "--exchange"]
    server = [
        *(*FEDERATE, "server", "--pack", "shipped", "--key", str(tmp_path / "seal.key")),
        *("--sign", str(tmp_path / "sign.key"), "--out", str(tmp_path / "out")),
        *("--superlink", "ours", "--rounds", str(ROUNDS), "--clients", str(NODES)),
        *("--timeout", "700"),
    ]
    told = tmp_path / "superlink.log"
    with ExitStack() as stack:

        def start(command: list[str], name: str) -> subprocess.Popen[bytes]:
            log = tmp_path / f"{name}.log"
            return stack.enter_context(running(command, log, environment))

        start(superlink, "superlink")
        wait_until(lambda: b"Uvicorn running" in told.read_bytes(), 120, "the SuperLink")
        processes = [start([*client, str(folder)], folder.name) for folder in folders]
        start(beside, "crowd")
        wait_until(lambda: told.read_bytes().count(b"Activated node_id") == NODES, 600, "the nodes")
        start(server, "server")
        wait_until((tmp_path / "out" / "privacy.json").exists, 1500, "the rounds")
        memory = [couriers.memory_of(process.pid) for process in processes]
        assert not any(children_of(process.pid) for process in processes)

    assert [len(one.sent) for one in applications] == [ROUNDS] * COURIERS
    report = json.loads((tmp_path / "out" / "privacy.json").read_text(encoding="utf-8"))
    assert report["devices_a_round_taken"] == [NODES] * ROUNDS
    assert (tmp_path / "out" / f"prior-{ROUNDS + 1}" / "manifest.sig").exists()
    # Each was told to end, and signed off.
    assert [process.returncode for process in processes] == [130] * COURIERS
    sent = [one for application in applications for one in application.sent]
    assert all(open_sealed(one, KEY.private_bytes_raw()) is not None for one in sent)
    assert all(bytes(one[:2]) == TLS_HANDSHAKE for one in (*tap.there, *tap.back))
    wire = b"\0".join([*map(bytes, tap.there), *map(bytes, tap.back)])
    assert not any(one in wire for one in sent)
    for number, application in enumerate(applications):
        assert application.device.knows_its_canary
        assert CANARY.format(number=number).encode() not in b"\0".join([wire, *sent])
    times = np.array([one.times for one in applications])
    seconds = times[:, :, 1].max(axis=0) - times[:, :, 0].min(axis=0)
    print(f"\nfirst question to last answer of {COURIERS} couriers: {seconds.round()} s")
    print(f"{len(wire):,} bytes of {NODES} nodes in {ROUNDS} rounds, TLS and all")
    if all(memory):
        resident, most, own = np.median(np.array(memory, dtype=float), axis=0)
        print(f"a courier: {resident:.0f} MiB, at most {most:.0f}, {own:.0f} of its own")
