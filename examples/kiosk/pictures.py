"""The pictures of this folder's README, taken of the running kiosk.

``python pictures.py`` needs playwright, Pillow and the system's Chromium.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
COLOURS = 256


def take(page: Page, name: str) -> None:
    """A picture of few colours, as small as a drawing of them can be."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(HERE / "pictures" / f"{name}.png", optimize=True)


def main() -> None:
    command = [sys.executable, str(HERE / "run.py"), "--no-browser"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving,
        sync_playwright() as driver,
    ):
        assert serving.stdout is not None
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        page.goto(serving.stdout.readline().strip())
        page.wait_for_selector("#drift img:nth-child(16)")
        take(page, "attract")
        page.locator("[data-begin=en]").click()
        page.wait_for_selector("#cards li")
        page.wait_for_timeout(1500)
        take(page, "before")
        page.locator("[data-item-id=bees-behind-glass] button").click()
        page.wait_for_timeout(3000)
        take(page, "item")
        page.locator("#item [data-event=like]").click()
        page.locator("#item [data-close]").click()
        page.wait_for_timeout(2000)
        take(page, "after")
        page.locator("#ask").click()
        page.wait_for_selector("#known[open]")
        take(page, "known")
        page.locator("#known [data-close]").click()
        page.locator("#language").click()
        page.wait_for_timeout(500)
        take(page, "chinese")
        browser.close()
        serving.terminate()


if __name__ == "__main__":
    main()
