"""An emulated ARM board: Debian's Python of arm64 in a folder, run by qemu-user.

Nothing is installed on this machine: apt-get keeps its own state in the folder, and so does pip.
Packages are laid down, not set up, for which none of them would have to run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

EMULATOR = "qemu-aarch64"
TOOLS = {EMULATOR: "qemu-user", "apt-get": "apt", "dpkg-deb": "dpkg"}
"""Programs that a board is made with, and Debian's packages that bring them."""

DEPENDENCIES = ("cryptography", "numpy", "onnxruntime", "sqlite-utils", "tokenizers")

_PACKAGES = ("python3", "libstdc++6", "zlib1g")
_GLIBC = (17, 24, 26, 27, 28, 31, 34)
"""Minor versions of glibc 2 that wheels are made for, all older than Debian's."""

_APT = """
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Debug::NoLocking "true";
Dir::State "{0}";
Dir::State::status "{0}/status";
Dir::Cache "{0}/cache";
"""

_BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_CPUINFO = """processor\t: {0}
BogoMIPS\t: 108.00
Features\t: {1.features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {1.part}
CPU revision\t: 0

"""


@dataclass(frozen=True, slots=True)
class Processor:
    """What Linux says of a processor in /proc/cpuinfo.

    The emulator shows this machine's own there: onnxruntime 1.28.0 and 1.32.0 crash on it when they
    are imported. 1.20.0 to 1.26.0 do not; they ask the kernel instead.
    """

    part: str
    features: str


PROCESSORS = {
    "cortex-a72": Processor("0xd08", f"{_BASE} cpuid"),  # without dot products: Raspberry Pi 4
    "cortex-a76": Processor(  # with them: Raspberry Pi 5
        "0xd0b", f"{_BASE} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
    ),
}


def missing() -> str:
    """What this machine lacks for an emulated board, in one line; empty where it lacks nothing."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not lacking:
        return ""
    packages = " ".join(dict.fromkeys(TOOLS[tool] for tool in lacking))
    return f"no {', '.join(lacking)} here: apt-get install {packages}"


def pins(others: Sequence[str] = ()) -> list[str]:
    """Versions that both sides have: those installed here, or what ``others`` say of a name."""
    said = {one.partition("==")[0]: one for one in others}
    return [said.get(name, f"{name}=={metadata.version(name)}") for name in DEPENDENCIES]


@dataclass(frozen=True, slots=True)
class Board:
    """A Python of arm64 with the runtime installed.

    Attributes:
        processor: a name of ``PROCESSORS``.
        root: the folder of its system.
        packages: where pip laid the runtime and its dependencies down.
    """

    processor: str
    root: Path
    packages: Path

    def run(self, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run Python on the board; its output is captured.

        Args:
            arguments: of Python, such as the path of a program; the board sees our files, too.
            timeout: seconds.
        """
        emulator = [EMULATOR, "-cpu", self.processor, "-L", str(self.root)]
        python = str(self.root / "usr" / "bin" / "python3")
        return subprocess.run(
            [*emulator, python, *arguments],
            env={"PYTHONPATH": str(self.packages), **variables()},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


def variables() -> dict[str, str]:
    """The environment of programs on either machine, but for where their packages lie."""
    return {
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


def make_board(folder: Path, processor: str, wheel: Path, wanted: Sequence[str]) -> Board:
    """Make a board, or go on with the one that an earlier call made in this folder.

    Args:
        folder: may be empty, or missing.
        processor: a name of ``PROCESSORS``.
        wheel: of the runtime.
        wanted: see :func:`pins`.

    Raises:
        subprocess.CalledProcessError: when apt-get or pip cannot bring what it takes.
    """
    root = folder / "root"
    if not (root / "etc").exists():
        _lay_down_system(folder / "apt", root)
    _say_processor(root / "proc", processor)
    packages = folder / "packages"
    board = Board(processor, root, packages)
    found = board.run("-c", "import sys; print('%d.%d' % sys.version_info[:2])", timeout=120)
    found.check_returncode()
    shutil.rmtree(packages, ignore_errors=True)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in _GLIBC]
    python = f"--python-version={found.stdout.strip()}"
    only = ["--only-binary=:all:", "--platform=manylinux2014_aarch64", *platforms, python]
    pip("install", "--target", str(packages), *only, str(wheel), *wanted)
    return board


def pip(*arguments: str) -> None:
    """Run pip.

    Raises:
        subprocess.CalledProcessError: when it fails; what it said was shown.
    """
    quiet = ("-q", "--disable-pip-version-check", "--no-compile", "--root-user-action=ignore")
    command, *others = arguments
    options = quiet if command == "install" else quiet[:2]
    subprocess.run([sys.executable, "-m", "pip", command, *options, *others], check=True)


def _lay_down_system(apt: Path, root: Path) -> None:
    """Download Python of arm64 and all that it needs, and unpack it into ``root``."""
    for part in ("lists", "cache/archives"):
        (apt / part / "partial").mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    settings = apt / "apt.conf"
    settings.write_text(_APT.format(apt))
    environment = {**os.environ, "APT_CONFIG": str(settings)}
    for command in (["update"], ["install", "--yes", "--download-only", *_PACKAGES]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=True)
    archives = sorted((apt / "cache" / "archives").glob("*.deb"))
    unpacked = root.with_name("unpacking")
    shutil.rmtree(unpacked, ignore_errors=True)
    for archive in archives:
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(unpacked)], check=True)
    unpacked.rename(root)


def _say_processor(folder: Path, name: str) -> None:
    """Write the board's /proc/cpuinfo; the emulator looks in its root first."""
    folder.mkdir(exist_ok=True)
    cores = range(os.cpu_count() or 1)
    told = "".join(_CPUINFO.format(core, PROCESSORS[name]) for core in cores)
    (folder / "cpuinfo").write_text(told)
