"""The kiosk in a real browser: touched, read, put in another order, wiped, and nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.examples.browser import chromium, faults

ROOT = Path(__file__).parents[2]
KIOSK = ROOT / "examples" / "kiosk"
ITEMS = json.loads((KIOSK / "page" / "items.json").read_text(encoding="utf-8"))
TOPICS = {item["id"]: item["topic"] for item in ITEMS}


@contextmanager
def kiosk(folder: Path) -> Iterator[str]:
    """The example as it is started, in a home of its own; gives the way in."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    environment |= {"XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder)}
    command = [sys.executable, str(KIOSK / "run.py"), "--no-browser"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class Visit:
    """A page, and what it reported."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[dict[str, Any]] = []
        self.guests: list[str] = []
        self.trouble: list[str] = []
        page.on("request", self._sent)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.trouble.append(said.text))

    def _sent(self, request: Request) -> None:
        if request.url.endswith("/record"):
            body = request.post_data_json
            assert set(body) == {"guest", "events"}
            self.guests.append(body["guest"])
            self.events += body["events"]

    def order(self) -> list[str]:
        cards = self.page.locator("#cards > li")
        return [str(one) for one in cards.evaluate_all("all => all.map(one => one.dataset.itemId)")]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]
