"""A host's own page: who may open it, and what the browser may do for it."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import httpx
import pytest

from edge_rerank.errors import InvalidRequest
from edge_rerank.serve.gate import COOKIE
from edge_rerank.serve.page import MAX_BROWSERS, Page
from tests.serve.conftest import SHELF, Serving


def way_in(up: Serving) -> tuple[str, str]:
    """Host and code that the file leads to."""
    found = re.search(r"url=http://([^/]+)/open\?code=([\w-]+)", Path(up.told["page"]).read_text())
    assert found
    return found[1], found[2]


def browser(up: Serving) -> httpx.Client:
    """Without the token, at the page's own host name; cookies are kept by hand."""
    return httpx.Client(base_url=up.url, headers={"host": way_in(up)[0]}, trust_env=False)


def opened(up: Serving, client: httpx.Client) -> httpx.Response:
    response = client.get("/open", params={"code": way_in(up)[1]})
    assert response.status_code == 200
    client.cookies.clear()
    return response


def cookie_of(response: httpx.Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def test_the_file_lets_one_browser_in_once(with_page: Serving) -> None:
    link = Path(with_page.told["page"])
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    with browser(with_page) as client:
        code = way_in(with_page)[1]
        response = opened(with_page, client)
        cookie = response.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert 'content="0; url=/"' in response.text
        for old in (code, "", "x"):
            assert client.get("/open", params={"code": old}).status_code == 403
        assert way_in(with_page)[1] != code
        shown = client.get("/", headers={"cookie": cookie_of(response)})
        assert "hello" in shown.text
        policy = shown.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_a_cookie_is_of_use_at_the_pages_own_host_and_origin_alone(with_page: Serving) -> None:
    with browser(with_page) as client:
        host = client.headers["host"]
        cookie = {"cookie": cookie_of(opened(with_page, client))}
        own = {**cookie, "origin": f"http://{host}"}
        body = {"items": SHELF}
        assert client.post("/rank", json=body, headers=own).status_code == 200
        port = with_page.url.rpartition(":")[2]
        for headers, status in (
            (cookie, 403),  # no Origin: not sent by a script of the page
            ({**cookie, "origin": "http://other.localhost"}, 403),
            ({**own, "origin": f"http://127.0.0.1:{port}"}, 403),
            ({**own, "host": f"127.0.0.1:{port}", "origin": with_page.url}, 401),
            ({"origin": f"http://{host}"}, 401),
            ({**own, "cookie": f"{COOKIE}=x"}, 401),
            ({**own, "cookie": f"{COOKIE}=\xe9; ;;="}, 401),
        ):
            sent = {name: value.encode("latin-1") for name, value in headers.items()}
            assert client.post("/rank", json=body, headers=sent).status_code == status, headers


def test_the_page_has_its_own_files_and_the_script_that_reports(with_page: Serving) -> None:
    with browser(with_page) as client:
        assert client.get("/").status_code == 401
        cookie = {"cookie": cookie_of(opened(with_page, client))}
        assert client.get("/report.js", headers=cookie).status_code == 200
        for hidden in ("/.secret", "/link.txt", "/../outside.txt", "/%2e%2e/outside.txt", "/x%00"):
            response = client.get(hidden, headers=cookie)
            assert response.status_code == 404, hidden
            assert response.json()["error_type"] == "UnknownRoute"
        assert (
            client.post(
                "/nowhere", headers={**cookie, "origin": f"http://{client.headers['host']}"}
            ).status_code
            == 405
        )


def test_the_earliest_browser_gives_way(with_page: Serving) -> None:
    with browser(with_page) as client:
        cookies = [cookie_of(opened(with_page, client)) for _ in range(MAX_BROWSERS + 1)]
        statuses = [client.get("/", headers={"cookie": one}).status_code for one in cookies]
    assert statuses == [401] + [200] * MAX_BROWSERS


def test_closing_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    page = Page(tmp_path, 80, tmp_path / "link.html")
    found = re.search(r"code=([\w-]+)", page.link.read_text())
    assert found
    cookie = page.open(found[1])
    assert cookie
    assert page.knows(cookie)
    page.close()
    assert not page.knows(cookie)
    assert not page.link.exists()
    with pytest.raises(InvalidRequest, match="page: expected a folder"):
        Page(tmp_path / "none", 80, tmp_path / "link.html")
