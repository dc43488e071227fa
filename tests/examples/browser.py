"""The system's Chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

PATIENCE_MS = 30_000
"""On a busy machine; what is waited for is there much sooner."""

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium(profile: Path) -> Iterator[BrowserContext]:
    """A browser that keeps its profile in a folder."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is not installed"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile,
            executable_path=path,
            args=list(FLAGS),
            viewport={"width": 1920, "height": 1080},
        )
        try:
            yield context
        finally:
            context.close()


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical on a page."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:120]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
