"""Real couriers' surroundings: devices whose applications answer, TLS, and what is on the wire."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_rerank import RankingEngine
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.sources.personal import begun
from edge_rerank_export.fleet.federation.device.courier import ANSWER_FILE, PRIOR_FOLDER, ROUND_FILE
from edge_rerank_export.fleet.federation.device.node import Link, run_node
from edge_rerank_export.fleet.federation.simulation.people import SimulatedDevice


def shipped_layout() -> Layout:
    """Of heads of the shipped pack."""
    with RankingEngine.open("shipped") as engine:
        return engine.layout


class Application:
    """What answers beside a courier: a simulated device, which begins where the prior says.

    Args:
        number: of the person.
        layout: of heads without a prior.
        folder: where the priors of rounds are laid.
    """

    def __init__(self, number: int, layout: Layout, folder: Path) -> None:
        self._plain, self._begun, self._folder = layout, layout, folder
        rng = np.random.default_rng(number)
        mean = rng.normal(0.05, 0.05, layout.width).astype(np.float32)
        precision = np.diag(layout.prior() + 200).astype(np.float32)
        head = Head(layout, mean, precision, lists=40)
        self.device = SimulatedDevice(number, head, lambda: self._begun)
        self.sent: list[bytes] = []
        self.times: list[tuple[float, float]] = []

    def answer(self, terms: str) -> bytes:
        """The sealed vector for these terms; ``times`` says when they came and when it was made."""
        came = time.monotonic()
        if (self._folder / "manifest.json").exists():
            self._begun = begun(self._plain, Pack.open(self._folder))
        sealed = self.device.sealed(terms)
        assert sealed is not None
        self.sent.append(sealed)
        self.times.append((came, time.monotonic()))
        return sealed

    def carry(self, terms: str, prior: dict[str, bytes]) -> bytes:
        """Answer without a courier's folder in between."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, content in prior.items():
            (self._folder / name).write_bytes(content)
        return self.answer(terms)

    @classmethod
    def beside(cls, exchange: Path, number: int, layout: Layout) -> Application:
        """Watch a courier's folder, as long as the process lives."""
        application = cls(number, layout, exchange / PRIOR_FOLDER)

        def watch() -> None:
            done: set[str] = set()
            while True:
                time.sleep(0.2)
                terms = exchange / ROUND_FILE
                try:
                    asked = terms.read_text(encoding="utf-8")
                except FileNotFoundError:
                    continue
                if asked not in done:
                    done.add(asked)
                    (exchange / ".answer").write_bytes(application.answer(asked))
                    (exchange / ".answer").rename(exchange / ANSWER_FILE)

        threading.Thread(target=watch, daemon=True).start()
        return application


def crowd(address: str, certificates: Path, folder: Path, first: int, count: int) -> None:
    """Nodes of one process, a thread each, that answer until it is ended."""
    layout = shipped_layout()
    link = Link(address, certificates)
    for number in range(first, first + count):
        application = Application(number, layout, folder / str(number))
        threading.Thread(
            target=run_node, args=(link, application.carry), kwargs={"wait": _seldom}, daemon=True
        ).start()
        time.sleep(0.3)
    threading.Event().wait()


def _seldom(seconds: float) -> None:
    time.sleep(4 * seconds)


def write_certificates(folder: Path) -> None:
    """An authority ``ca.pem``, and ``server.pem`` with ``server.key`` for 127.0.0.1."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("authority", "server")
    ]
    for place, name in enumerate(("ca", "server")):
        made = (
            x509.CertificateBuilder()
            .subject_name(names[place])
            .issuer_name(names[0])
            .public_key(keys[place].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not place, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(keys[0], hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)
    private = keys[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.key").write_bytes(private)


class Tap:
    """Passes connections on to a port, and keeps every byte that goes there and comes back."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._server.getsockname()[1]
        self.there: list[bytearray] = []
        self.back: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._server.accept()
            far = socket.create_connection(("127.0.0.1", self._to))
            for kept, source, sink in ((self.there, near, far), (self.back, far, near)):
                kept.append(bytearray())
                arguments = (kept[-1], source, sink)
                threading.Thread(target=_pass_on, args=arguments, daemon=True).start()


def _pass_on(kept: bytearray, source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(1 << 16):
            kept += chunk
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # the other side is gone
        source.close()


def free_port() -> int:
    """A port that nobody listened on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait, and fail where it does not become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.2)


def memory_of(process: int) -> tuple[float, float, float] | None:
    """Memory in MiB that a process has, had at most, and shares with nobody; ``None`` elsewhere."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    lines = {
        name: int(value.split()[0]) / 1024
        for name, value in (
            line.split(":", 1) for line in (status + rollup).splitlines()[1:] if ":" in line
        )
        if name in {"VmRSS", "VmHWM", "Private_Clean", "Private_Dirty"}
    }
    return lines["VmRSS"], lines["VmHWM"], lines["Private_Clean"] + lines["Private_Dirty"]


def environment(home: Path) -> dict[str, str]:
    """For Flower's programs: a home of their own, and nobody told."""
    return {
        **os.environ,
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


if __name__ == "__main__":
    crowd(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
