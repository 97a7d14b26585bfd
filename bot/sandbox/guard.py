"""Guard: who may see the page. Knows HTTP headers and the key, nothing of the world.

On loopback any page of the web could reach us through the visitor's browser, so the Host must be a
loopback name (DNS rebinding) and requests must come from our own page (CSRF). Elsewhere the one-time key
of the start must be shown once; it becomes a cookie.
"""

import hmac
import ipaddress
import secrets
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "tandem_sandbox"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Stands before the page and its API. `key` None: loopback only."""

    def __init__(self, app: ASGIApp, key: str | None = None) -> None:
        self.app = app
        self.key = key
        self._session = secrets.token_urlsafe(24)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        answer = self._refusal(headers) or self._admission(scope, headers) or self.app

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await answer(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.key is None and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return PlainTextResponse("The sandbox answers on this machine only: open it as 127.0.0.1.", 403)
        foreign = origin is not None and urlsplit(origin).netloc != host
        if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return PlainTextResponse("The sandbox takes requests from its own page only.", 403)
        return None

    def _admission(self, scope: Scope, headers: Headers) -> Response | None:
        """None lets the visitor in; the key is good once, the cookie until the sandbox stops."""
        if self.key is None or self._has_cookie(headers):
            return None
        shown = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if not self.key or not hmac.compare_digest(shown.encode(), self.key.encode()):
            return PlainTextResponse("Open the address that the sandbox printed when it started.", 403)
        self.key = ""
        welcome = RedirectResponse("/", 303)
        welcome.set_cookie(COOKIE, self._session, httponly=True, samesite="strict")
        return welcome

    def _has_cookie(self, headers: Headers) -> bool:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._session.encode())
