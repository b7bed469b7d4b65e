"""The dashboard's web application: views, their changes as they happen, and what buttons do."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import parse_qs, quote, unquote, urlsplit

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import WorkerkitError
from ..observability.guard import Guard
from .access import HEADERS, Access
from .deeds import Outcome, Sent, do
from .entrance import log_out_form, login, logout, refusal, refuse
from .html import Html, tag
from .masking import Masks
from .model import Actions, Looks
from .shell import PLACES, Frame, Said
from .views import cron, events, letters, overview, progress, trials
from .visit import Page, Part, Visit

PERIOD = 1.0
"""Seconds between two looks of an open page."""

OPEN_PAGES = 50
"""Pages that are kept up to date at once; others show how it was when they were opened."""

STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

VIEWS: dict[str, Callable[[Visit], Page]] = {
    "/": overview.overview,
    "/events": events.events,
    "/events/{id:path}": events.story,
    "/publish": events.publish,
    "/cron": cron.cron,
    "/cron/{job:path}": cron.job,
    "/letters": letters.letters,
    "/letters/{id:path}": letters.letter,
    "/trials": trials.trials,
    "/trials/{id}": trials.trial,
    "/checklist": progress.progress,
}


@dataclass(eq=False)
class _Site:
    """What all requests share; `closing` ends the streams of changes."""

    looks: Looks
    actions: Actions | None
    access: Access
    masks: Masks
    frame: Frame
    closing: threading.Event
    open_pages: set[object] = field(default_factory=set)

    def visit(self, request: Request, session: str) -> Visit:
        """What a view is given."""
        return Visit(
            self.looks, self.actions, self.masks, self.access.form_token(session),
            request.path_params, dict(request.query_params),
        )  # fmt: skip

    def show(self, view: Callable[[Visit], Page], visit: Visit) -> Page:
        """What *view* shows; trouble is shown in its place."""
        try:
            return view(visit)
        except WorkerkitError as error:
            trouble = tag("p", str(error), class_="lead bad small")
            return Page("Something is wrong", (Part("error", trouble),), 503)


def dashboard_app(
    looks: Looks,
    actions: Actions | None,
    access: Access,
    *,
    masks: Masks | None = None,
    closing: threading.Event | None = None,
) -> ASGIApp:
    """The application; without *actions* it can only look. *closing* ends what waits for changes.

    Every answer comes under a policy that lets no script run but our own file.
    """
    version = hashlib.sha256(b"".join(_static(name) for name in STATIC)).hexdigest()[:12]
    frame = Frame(looks.name, PLACES, version, read_only=actions is None)
    site = _Site(looks, actions, access, masks or Masks(), frame, closing or threading.Event())
    routes = [
        Route("/readyz", lambda request: Response(status_code=204)),
        Route("/static/{name}", _file),
        Route("/login", login(access, frame), methods=["GET", "POST"]),
        Route("/logout", logout(access, frame), methods=["POST"]),
        Route("/do/{action}", _act(site), methods=["POST"]),
        *(Route(f"/live{path}", _changes(site, view)) for path, view in VIEWS.items()),
        *(Route(path, _page(site, view)) for path, view in VIEWS.items()),
    ]
    app = Starlette(routes=routes, exception_handlers={Exception: _failed, 404: _missing(site)})
    return _Headers(Guard(app, hosts=access.hosts, body_limit=2**20))


def _page(site: _Site, view: Callable[[Visit], Page]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        session = site.access.session(request)
        if session is None and site.access.login:
            return RedirectResponse("/login", 303)
        known, session = session is not None, session or site.access.begin()
        visit = site.visit(request, session)
        page = site.show(view, visit)
        query = f"?{request.url.query}" if request.url.query else ""
        leave = log_out_form(site.access, session) if site.access.login else None
        document = site.frame.document(
            page, request.url.path, _said(request), f"/live{request.url.path}{query}", leave
        )
        response = HTMLResponse(document, page.status)
        if not known:
            site.access.set_cookie(request, response, session)
        if _SAID in request.cookies:
            response.delete_cookie(_SAID, httponly=True, samesite="strict")
        return response

    return answer


def _changes(site: _Site, view: Callable[[Visit], Page]) -> Callable[[Request], Response]:
    """Server-sent events, each a JSON object of the parts that changed, by their ids."""

    async def stream(request: Request, session: str) -> AsyncIterator[bytes]:
        sent: dict[str, Html] = {}
        page = object()
        site.open_pages.add(page)
        try:
            while True:
                shown = await run_in_threadpool(site.show, view, site.visit(request, session))
                now = {part.id: part.content for part in shown.parts if part.live}
                changed = {id: html for id, html in now.items() if sent.get(id) != html}
                sent = now
                yield b"data: " + orjson.dumps(changed) + b"\n\n"
                for _ in range(10):
                    await asyncio.sleep(PERIOD / 10)
                    if site.closing.is_set():
                        return
        finally:
            site.open_pages.discard(page)

    def answer(request: Request) -> Response:
        session = site.access.session(request)
        if session is None:
            return Response(status_code=401)
        if len(site.open_pages) >= OPEN_PAGES:
            return Response(status_code=503, headers={"retry-after": "10"})
        return StreamingResponse(stream(request, session), media_type="text/event-stream")

    return answer


def _act(site: _Site) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), True)
        why = refusal(site.access, request, fields.get("form", [""])[0])
        if why or site.actions is None:
            only = "This page may only look (--allow-actions lets it do)."
            return refuse(site.frame, why or only)
        came_from = _path_of(request.headers.get("referer", ""))
        sent = Sent({k: v[0] for k, v in fields.items()}, fields.get("id", []), came_from)
        outcome = await run_in_threadpool(
            do, request.path_params["action"], sent, site.actions, site.looks
        )
        if outcome is None:
            return refuse(site.frame, "There is no such action.", 404)
        return _told(outcome)

    return answer


_SAID = "workerkit_said"
"""The cookie that carries an outcome over one redirect: it belongs into no address."""


def _told(outcome: Outcome) -> Response:
    response = RedirectResponse(outcome.path, 303)
    text = quote(f"{outcome.said.tone} {outcome.said.text[:1000]}")
    response.set_cookie(_SAID, text, max_age=10, httponly=True, samesite="strict")
    return response


def _said(request: Request) -> Said | None:
    tone, _, text = unquote(request.cookies.get(_SAID, "")).partition(" ")
    return Said(text, "bad" if tone == "bad" else "good") if text else None


def _path_of(referer: str) -> str:
    """The page of ours that a form came from; where it is none of ours, the first."""
    try:
        parts = urlsplit(referer)
    except ValueError:  # a bracket without its pair
        return "/"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path if path.startswith("/") and not path.startswith("//") else "/"


def _static(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()


def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return Response(status_code=404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(_static(name), media_type=STATIC[name], headers=headers)


def _missing(site: _Site) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        content = tag("div", tag("h1", "Not found"), tag("a", "Overview", href="/"))
        return HTMLResponse(site.frame.bare("Not found", content), 404)

    return answer


def _failed(request: Request, error: Exception) -> Response:
    """An error of our own; the server logs it with its traceback."""
    return Response("This page has an error; the dashboard's log has the traceback.", 500)


class _Headers:
    """ASGI middleware: the policy's headers on every answer, also on refusals."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [
                    *message["headers"], *(each for each in more if each[0] not in there)
                ]  # fmt: skip
            await send(message)

        await self.app(scope, receive, with_headers)
