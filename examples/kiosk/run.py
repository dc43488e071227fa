"""The kiosk: the server and a browser on the whole screen, begun again whenever one of them ends.

Nothing of a visitor is written: guest sessions are in the server's memory, and the browser's
profile is a folder in memory (or a temporary one) that is removed when the browser ends.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).parent / "page"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--kiosk", "--incognito", "--no-first-run", "--noerrdialogs"),
    *("--disable-session-crashed-bubble", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    "--disable-features=Translate,TouchpadOverscrollHistoryNavigation",
)
GUEST_IDLE_S = 120
"""The server wipes a session by itself after that, should the page not have done so."""

PAUSE_S = 2.0


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The server, and the file that leads a browser to its page."""
    command = [sys.executable, "-m", "edge_rerank", "serve", "--http", "--page", str(PAGE)]
    command += ["--guest-idle", str(GUEST_IDLE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit(process.wait() or 1)
            yield process, Path(json.loads(line)["page"])
        finally:
            process.terminate()


def show(way_in: Path, serving: subprocess.Popen[str], flags: list[str]) -> None:
    """The page on the whole screen, until the browser or the server ends."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"expected one of {', '.join(BROWSERS)} to be installed")
    memory = os.environ.get("XDG_RUNTIME_DIR")  # a file system in memory, where systemd logs in
    with tempfile.TemporaryDirectory(prefix="kiosk-", dir=memory) as profile:
        command = [browser, *FLAGS, *flags, f"--user-data-dir={profile}", way_in.as_uri()]
        with subprocess.Popen(command) as browsing:
            try:
                while browsing.poll() is None and serving.poll() is None:
                    time.sleep(PAUSE_S)
            finally:
                browsing.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description="a kiosk for a museum, a library or a cinema")
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the way in, and serve"
    )
    arguments, flags = parser.parse_known_args()  # what is not known here, the browser may know
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that what was started is ended, too
    while True:
        with server() as (serving, way_in):
            if arguments.no_browser:
                print(way_in.as_uri(), flush=True)
                raise SystemExit(serving.wait())
            show(way_in, serving, flags)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
