"""Who may open the page: rebinding, foreign pages, the key."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.sandbox.guard import COOKIE
from bot.sandbox.server import Running, Sandbox, serve

KEY = "a-random-key"


async def test_the_page_answers_to_loopback_names_only(http: httpx.AsyncClient, running: Running) -> None:
    for host in (f"127.0.0.1:{running.port}", "localhost:9999", "[::1]:7860"):
        assert (await http.get("/", headers={"Host": host})).status_code == 200
    for path in ("/", "/api/state", "/api/events", "/page/app.js"):
        assert (await http.get(path, headers={"Host": "evil.example:7860"})).status_code == 403


async def test_foreign_pages_cannot_act(http: httpx.AsyncClient, running: Running) -> None:
    say = {"me": 1001, "chat": 1001, "text": "injected"}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await http.post("/api/say", json=say, headers=headers)).status_code == 403
    plain = {"content-type": "text/plain", "Origin": running.url.rstrip("/")}
    assert (await http.post("/api/say", content="{}", headers=plain)).status_code == 415
    assert running.person("Ann").messages() == []
    own = {"Origin": running.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert (await http.post("/api/say", json=say, headers=own)).status_code == 200


async def test_the_page_says_what_it_may_load(http: httpx.AsyncClient) -> None:
    policy = (await http.get("/")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.fixture
async def keyed() -> AsyncIterator[Running]:
    async with serve(Sandbox(), host="127.0.0.1", key=KEY) as running:
        yield running


async def test_the_key_opens_once_and_becomes_a_cookie(keyed: Running) -> None:
    async with httpx.AsyncClient(base_url=keyed.url, trust_env=False) as visitor:
        for closed in ("/", "/api/state", "/?key=wrong"):
            assert (await visitor.get(closed)).status_code == 403
        welcome = await visitor.get(f"/?key={KEY}")
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert KEY not in cookie
        assert (await visitor.get("/", headers={"Host": "server.lan:7860"})).status_code == 200
    async with httpx.AsyncClient(base_url=keyed.url, trust_env=False) as second:
        assert (await second.get(f"/?key={KEY}")).status_code == 403, "the key is good once"
        assert (await second.get("/", headers={"Cookie": f"{COOKIE}=guess"})).status_code == 403


async def test_the_bot_needs_its_token_and_no_key(keyed: Running) -> None:
    async with httpx.AsyncClient(base_url=keyed.url, trust_env=False) as client:
        assert (await client.get(f"/bot{keyed.token}/getMe")).status_code == 200
