"""Pages in a real browser: a visit to the kiosk up to its last trace, and what as_html makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from edge_rerank import (
    Item,
    Presentation,
    RankedItem,
    Ranking,
    Reason,
    ReasonCode,
    Reporting,
    as_html,
)
from tests.examples.browser import chromium, faults

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KIOSK = ROOT / "examples" / "kiosk"
ITEMS = json.loads((KIOSK / "page" / "items.json").read_text(encoding="utf-8"))
TOPICS = {item["id"]: item["topic"] for item in ITEMS}
EVENT_MEMBERS = {"type", "item", "timestamp", "ranking", "position", "id", "dwell_s", "scroll"}
GONE = 410


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profile")


@pytest.fixture(scope="module")
def browser(profile: Path) -> Iterator[BrowserContext]:
    with chromium(profile) as context:
        yield context


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
            assert process.wait(20) == 0


class Watched:
    """A page, and what it reported."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[dict[str, Any]] = []
        self.guests: list[str] = []
        self.trouble: list[str] = []
        page.on("request", self._sent)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._said)

    def _sent(self, request: Request) -> None:
        if request.url.endswith("/record"):
            body = request.post_data_json
            self.guests.append(body.pop("guest", ""))
            self.events += body.pop("events")
            assert body.keys() <= {"user"}

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.trouble.append(message.text)

    def order(self) -> list[str]:
        shown = self.page.locator("#cards > li")
        return [str(one) for one in shown.evaluate_all("all => all.map(one => one.dataset.itemId)")]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def wait_for(self, kind: str, count: int, *, tick_ms: int = 0) -> list[dict[str, Any]]:
        """Events of a kind, while the page's clock is set on by ``tick_ms`` at every look."""
        for _ in range(300):
            if len(self.of(kind)) >= count:
                break
            if tick_ms:
                self.page.clock.run_for(tick_ms)
            self.page.wait_for_timeout(100)
        assert len(self.of(kind)) >= count
        return self.of(kind)

    def begin(self, language: str = "en") -> list[str]:
        self.page.locator(f"[data-begin={language}]").click()
        expect(self.page.locator("#cards > li")).to_have_count(24)
        return self.order()

    def status(self, guest: str) -> int:
        """What the server says of a session."""
        return int(
            self.page.evaluate(
                """guest => fetch("/profile", { method: "POST", body: JSON.stringify({ guest }),
                   headers: { "Content-Type": "application/json" } }).then(one => one.status)""",
                guest,
            )
        )


def test_a_visit(browser: BrowserContext, tmp_path: Path, profile: Path) -> None:
    with kiosk(tmp_path) as way_in:
        page = browser.new_page()
        visit = Watched(page)
        page.clock.install()  # what a page waits for is not waited for here
        page.goto(way_in)
        expect(page.locator("#attract")).to_be_visible()
        expect(page.locator("#drift img")).to_have_count(16)
        assert faults(page) == []
        first = visit.begin()
        assert faults(page) == []
        for button in page.locator("button:visible").all():
            box = button.bounding_box()
            card = button.locator("xpath=ancestor::li")
            assert box is not None
            assert (
                card.count() or box["height"] >= 64
            )  # a finger's width; a card is one whole target

        # Seen: what stands on the screen for a second, and the rest once it is scrolled to.
        above = {one["item"] for one in visit.wait_for("impression", 8, tick_ms=1000)}
        assert above == set(first[:8])
        page.locator("#cards > li").last.scroll_into_view_if_needed()
        visit.wait_for("impression", 12, tick_ms=1000)
        assert {one["item"] for one in visit.of("impression")} > above | {first[-1]}

        # Opened, read, liked, closed: three events, and the list is another.
        chosen = first[2]
        page.locator(f"[data-item-id={chosen}] button").click()
        page.clock.run_for(1200)
        assert faults(page) == []
        page.locator("#item [data-event=like]").click()
        expect(page.locator("#item [data-event=like]")).to_have_attribute("aria-pressed", "true")
        page.locator("#item [data-close]").click()
        expect(page.locator("#cards > li").first).not_to_have_attribute("data-item-id", first[0])
        (click,), (like,), (view,) = visit.of("click"), visit.of("like"), visit.of("view")
        assert {click["item"], like["item"], view["item"]} == {chosen}
        assert {click["position"], like["position"], view["position"]} == {3}
        assert len({click["ranking"], like["ranking"], view["ranking"]}) == 1
        assert 1.2 <= view["dwell_s"] < 30
        assert view["scroll"] == 1
        topic = TOPICS[chosen]
        after = visit.order()
        assert after != first
        assert [TOPICS[one] for one in after[:8]].count(topic) > [
            TOPICS[one] for one in first[:8]
        ].count(topic)
        expect(page.locator(f"[data-ranking-id='{click['ranking']}']:visible")).to_have_count(0)

        # What was noted is shown, in either language.
        page.locator("#ask").click()
        title, title_zh = (
            next(item[lang][0] for item in ITEMS if item["id"] == chosen) for lang in ("en", "zh")
        )
        expect(page.locator("#facts")).to_contain_text(title)
        assert faults(page) == []
        page.locator("#known [data-close]").click()
        page.locator("#language").click()
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        assert faults(page) == []
        page.locator("#ask").click()
        expect(page.locator("#facts")).to_contain_text(title_zh)

        # Erased: the session is over, and the next visitor begins as the first did.
        (guest,) = set(visit.guests)
        assert visit.status(guest) == 200
        page.locator("[data-erase]").click()
        expect(page.locator("#attract")).to_be_visible()
        assert visit.status(guest) == GONE
        assert visit.begin("zh") == first
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        assert all(set(event) <= EVENT_MEMBERS for event in visit.events)
        assert not [one for one in visit.trouble if str(GONE) not in one]

        # Idle: asked, then wiped; gone elsewhere: wiped at once.
        second = Watched(browser.new_page())
        second.page.clock.install()
        second.page.goto(page.url)
        second.begin()
        second.page.locator("#cards button").first.click()
        second.page.locator("#item [data-close]").click()
        second.wait_for("view", 1)
        second.page.clock.fast_forward(50_000)
        second.page.evaluate("addEventListener('wheel', () => { document.body.id = 'stirred'; })")
        second.page.mouse.wheel(0, 10)
        expect(second.page.locator("#stirred")).to_be_visible()  # playwright does not wait for it
        second.page.clock.fast_forward(50_000)
        expect(second.page.locator("#idle")).to_be_hidden()
        second.page.clock.fast_forward(11_000)
        expect(second.page.locator("#idle")).to_be_visible()
        assert faults(second.page) == []
        second.page.evaluate(
            "document.querySelector('#idle').addEventListener('close', () => {"
            " document.body.id = 'closed'; })"
        )
        second.page.locator("#idle [data-close]").click()
        expect(second.page.locator("#closed")).to_be_visible()  # the wait begins anew by then
        second.page.clock.fast_forward(61_000)
        expect(second.page.locator("#idle")).to_be_visible()
        second.page.clock.run_for(16_000)
        expect(second.page.locator("#attract")).to_be_visible()
        assert visit.status(second.guests[-1]) == GONE
        second.begin()
        second.page.locator("#cards button").first.click()
        second.page.locator("#item [data-event=dislike]").click()
        second.wait_for("dislike", 1)
        second.page.goto("about:blank")
        for _ in range(300):  # what a page sends as it is left arrives after it has gone
            if visit.status(second.guests[-1]) == GONE:
                break
            page.wait_for_timeout(100)
        assert visit.status(second.guests[-1]) == GONE

        secrets = {*visit.guests, *second.guests}
        page.close()
    assert not [*tmp_path.rglob("page-*.html")]  # the server has ended as well
    # Neither the server nor the browser has written who was there, or what they did.
    assert len(secrets) == 4
    for folder in (tmp_path, profile):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                assert not [one for one in secrets if one.encode() in content], path.name


def ranking(*texts: str) -> Ranking:
    square = (
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 9'%3E"
        "%3Crect width='16' height='9' fill='%23258'/%3E%3C/svg%3E"
    )
    items = [
        Item(
            str(place),
            text,
            ["Things", "Round things"],
            fields={
                "url": f"http://shop.localhost/{place}",
                "picture": square if place % 2 else None,
            },
        )
        for place, text in enumerate(texts)
    ]
    reasons = (Reason(ReasonCode.SIMILAR, 2.0, "0"), Reason(ReasonCode.POPULAR, 1.0))
    return Ranking(
        tuple(RankedItem(item, rank, 1 / rank, reasons) for rank, item in enumerate(items, 1)),
        id="r1",
    )


TEXTS = {
    "en": ("A day on the ridge\nNine hours, two huts.", "Tea", "Dark rye\nSlowly."),
    "ar": ("خبز ريفي\nأربعة مكونات وليلة من الصبر.", "Dune (2021)\nفيلم", "شاي"),
    "zh": ("山脊上的一天\n九个小时，两座小屋。", "茶", "黑麦面包\n慢慢来。"),
}


def test_pages_of_rankings(browser: BrowserContext, tmp_path: Path) -> None:
    """In three languages, each in its direction, light and dark, with nothing that is refused."""
    page = browser.new_page()
    watched = Watched(page)
    presentation = Presentation(image="picture")
    for lang, texts in TEXTS.items():
        for layout in ("cards", "list", "banner"):
            html = as_html(ranking(*texts), layout=layout, lang=lang, presentation=presentation)
            path = tmp_path / f"{lang}-{layout}.html"
            path.write_text(html, encoding="utf-8")
            page.emulate_media(color_scheme="dark" if layout == "list" else "light")
            page.goto(path.as_uri())
            assert faults(page) == []
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(19, 22, 27)" if layout == "list" else "rgb(244, 245, 247)")
            width = page.evaluate("[document.body.scrollWidth, document.body.clientWidth]")
            assert width[0] <= width[1]
        page.goto((tmp_path / f"{lang}-cards.html").as_uri())
        cards = [one.bounding_box() for one in page.locator(".er-item").all()[:2]]
        assert cards[0] and cards[1]
        assert (cards[0]["x"] > cards[1]["x"]) is (lang == "ar")
        picture = page.locator(".er-picture").first
        assert picture.evaluate("one => one.complete && one.naturalWidth > 0")
        # Read by keyboard: the links in their order, the one in focus to be seen.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('li').dataset.rank") == "1"
        outline = page.locator(".er-item").first.evaluate(
            "one => getComputedStyle(one).outlineWidth"
        )
        assert outline == "3px"
    assert watched.trouble == []
    page.close()


def test_a_host_sets_colours_and_its_scheme(browser: BrowserContext) -> None:
    part = as_html(ranking("Tea"), full_page=False)
    page = browser.new_page()
    page.emulate_media(color_scheme="dark")

    def colour(head: str) -> str:
        page.set_content(f"<!doctype html><html><head><style>{head}</style></head>{part}")
        return str(
            page.locator(".er-item").evaluate("one => getComputedStyle(one).backgroundColor")
        )

    assert colour("") == "rgb(255, 255, 255)"  # the host's page is light, whatever the reader's is
    assert colour(":root { color-scheme: light dark }") == "rgb(29, 34, 41)"
    assert colour(":root { --er-paper: rgb(1, 2, 3) }") == "rgb(1, 2, 3)"
    page.close()


def test_a_page_reports_what_is_done_with_it(browser: BrowserContext) -> None:
    """On a host's own server, under the page's own policy; refused for a while, and then not."""
    long = "\n".join(["A read", *["One more line of it."] * 400])
    listed = as_html(
        ranking(*[f"Thing {number}\nA text that stays here" for number in range(40)]),
        layout="list",
        presentation=Presentation(reporting=Reporting(script="/report.js", user="alice")),
    )
    opened = (
        '<!doctype html><html lang="en"><title>One</title>'
        '<main data-opened data-item-id="0" data-rank="1" data-ranking-id="r1">'
        f"<h1>Thing 0</h1><pre>{long}</pre></main>"
        '<script src="/report.js" defer data-user="alice"></script>'
    )
    files = {"/list": listed, "/0": opened, "/report.js": Reporting.javascript()}
    answers = [503, 429]
    sent: list[dict[str, Any]] = []

    def answer(route: Route) -> None:
        path = "/" + route.request.url.split("/", 3)[3]
        if path == "/record":
            status = answers.pop() if answers else 200
            if status == 200:
                body = route.request.post_data_json
                assert body.keys() == {"user", "events"}
                sent.extend(body["events"])
            route.fulfill(status=status, json={})
        else:
            kind = "text/javascript" if path.endswith(".js") else "text/html"
            route.fulfill(body=files[path], content_type=kind)

    page = browser.new_page()
    watched = Watched(page)
    page.route("http://shop.localhost/**", answer)
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # from here on it moves only where this test says so
    page.goto("http://shop.localhost/list")
    page.wait_for_timeout(200)
    page.clock.run_for(900)
    page.evaluate("document.querySelector('[data-rank=\"40\"]').scrollIntoView()")
    page.wait_for_timeout(200)
    page.clock.run_for(900)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(200)
    page.clock.run_for(1100)
    while answers or not sent:
        page.clock.run_for(5000)
        page.wait_for_timeout(200)
    seen = [event["item"] for event in sent]
    assert {event["type"] for event in sent} == {"impression"}
    assert seen == list(dict.fromkeys(seen))  # once each, however often it was tried to send
    assert "0" in seen
    assert "39" not in seen  # on the screen for 0.9 seconds only
    page.locator("a").first.click()
    page.wait_for_url("**/0")
    page.clock.run_for(4000)
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.wait_for_timeout(200)
    # Not by leaving: what a page sends then, playwright does not hand to the route.
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    page.wait_for_timeout(200)
    assert [event["type"] for event in sent if event["type"] != "impression"] == ["click", "view"]
    click, view = (event for event in sent if event["type"] != "impression")
    assert (click["item"], click["ranking"], click["position"]) == ("0", "r1", 1)
    assert (view["item"], view["ranking"], view["position"]) == ("0", "r1", 1)
    assert 4 <= view["dwell_s"] < 10
    assert 0.3 < view["scroll"] < 0.9
    assert "stays here" not in json.dumps(sent)
    assert all(set(event) <= EVENT_MEMBERS for event in sent)
    assert [one for one in watched.trouble if "503" not in one and "429" not in one] == []
    page.close()


def test_run_shows_the_page_and_ends_what_it_started(tmp_path: Path) -> None:
    """With a browser that only notes how it was called."""
    called = tmp_path / "called"
    browser = tmp_path / "chromium"
    script = f"""#!/bin/sh
    printf '%s\\n' "$@" > {called}.part
    mv {called}.part {called}
    exec sleep 60
    """
    browser.write_text(script)
    browser.chmod(0o700)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    environment |= {"XDG_RUNTIME_DIR": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(
        [sys.executable, str(KIOSK / "run.py"), "--window-size=1,2"], env=environment
    ) as process:
        for _ in range(600):
            if called.exists():
                break
            time.sleep(0.1)
        arguments = called.read_text().splitlines()
        profile = Path(next(one for one in arguments if "user-data-dir" in one).partition("=")[2])
        way_in = Path(arguments[-1].removeprefix("file://"))
        assert {"--kiosk", "--incognito", "--window-size=1,2"} <= set(arguments)
        assert profile.is_dir()
        assert profile.parent == tmp_path
        assert way_in.stat().st_mode & 0o777 == 0o600
        process.terminate()
        assert process.wait(20) == 0
    assert not profile.exists()
    assert not way_in.exists()
