"""Who may see the page and act on it: a token, a session, and proof that a form is ours."""

from __future__ import annotations

import hashlib
import hmac
import time
from secrets import token_urlsafe
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ..errors import ConfigurationError
from ..observability.server import LOOPBACK

SHORTEST = 16
"""Characters that a token needs: it is all that keeps strangers out."""

LASTS = 12 * 3600.0
"""Seconds after which one has to log in again."""


class Access:
    """Sessions signed with *token*: they outlive a restart, and end when the token changes.

    With *login* a session is had for the token alone, else everybody who
    reaches the page has one. *url* is where the page is seen from outside, None
    means this machine.

    Raises:
        ConfigurationError: The token is too short, or *url* is none.
    """

    def __init__(self, token: str, *, login: bool = True, url: str | None = None) -> None:
        if len(token) < SHORTEST:
            raise ConfigurationError(
                f"the dashboard's token has {len(token)} characters, needs {SHORTEST} or more"
            )
        try:
            parts = urlsplit(url or "")
        except ValueError:  # a bracket without its pair
            parts = urlsplit("")
        if url is not None and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ConfigurationError(f"--url {url!r}: must be like https://workers.example.com")
        self.login = login
        self.hosts = LOOPBACK | {parts.hostname} if parts.hostname else LOOPBACK
        self._token = token
        self._key = hashlib.sha256(b"workerkit dashboard " + token.encode()).digest()
        self._origin = f"{parts.scheme}://{parts.netloc}" if url else ""

    def right(self, token: str) -> bool:
        """Whether *token* is the one."""
        return _equal(token, self._token)

    def session(self, request: Request) -> str | None:
        """The session of *request*; None when it has none, or one that is over."""
        given = request.cookies.get(cookie(request), "")
        born, _, rest = given.partition(".")
        nonce, _, signature = rest.partition(".")
        if not _equal(signature, self._sign(f"{born}.{nonce}")):
            return None
        return given if 0 <= time.time() - int(born) < LASTS else None

    def begin(self) -> str:
        """A new session."""
        text = f"{int(time.time())}.{token_urlsafe(16)}"
        return f"{text}.{self._sign(text)}"

    def form_token(self, session: str) -> str:
        """What a form of *session* carries, and another site cannot know."""
        return self._sign(f"form {session}")

    def own_form(self, session: str, given: str) -> bool:
        """Whether *given* is that."""
        return _equal(given, self.form_token(session))

    def same_origin(self, request: Request) -> bool:
        """Whether a page of ours sent *request*: browsers name the sender of every POST."""
        origin = request.headers.get("origin", "")
        here = f"{request.url.scheme}://{request.headers.get('host', '')}"
        return origin != "" and origin in (here, self._origin)

    def set_cookie(self, request: Request, response: Response, session: str) -> None:
        """Have the browser keep *session*, out of reach of scripts and of other sites."""
        secure = request.url.scheme == "https" or self._origin.startswith("https:")
        response.set_cookie(
            cookie(request), session, httponly=True, samesite="strict", secure=secure,
            max_age=int(LASTS), path="/",
        )  # fmt: skip

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()


def _equal(given: str, right: str) -> bool:
    """In a time that tells nothing; what is no ASCII would be refused as text."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def cookie(request: Request) -> str:
    """The session cookie's name: cookies know no ports, and a machine may have several pages."""
    server = request.scope.get("server") or ("", 0)
    return f"workerkit_{server[1]}"


HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer. With `no-referrer` a browser would send forms from origin "null"."""
