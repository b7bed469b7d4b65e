"""The way into the page and out of it, and why a form is not taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from .access import Access
from .html import Html, tag
from .shell import Frame

log = logging.getLogger("workerkit.dashboard")


def login(access: Access, frame: Frame) -> Callable[[Request], object]:
    """Asks for the token; a wrong one is logged."""

    async def answer(request: Request) -> Response:
        wrong = False
        if request.method == "POST":
            if not access.same_origin(request):
                return refuse(frame, "The form came from another site.")
            fields = parse_qs((await request.body()).decode("utf-8", "replace"))
            if access.right(fields.get("token", [""])[0]):
                response = RedirectResponse("/", 303)
                access.set_cookie(request, response, access.begin())
                return response
            wrong = True
            log.warning("wrong dashboard token")
            await asyncio.sleep(1.0)  # a guess costs a second
        label = tag("label", "Token", for_="token")
        box = tag("input", type="password", id="token", name="token", required=True,
                  autocomplete="current-password", autofocus=True)  # fmt: skip
        note = tag("p", "That is not the token.", class_="note bad", role="alert")
        form = tag("form", label, box, tag("button", "Log in", type="submit", class_="primary"),
                   method="post", action="/login", class_="login")  # fmt: skip
        content = tag("div", tag("h1", frame.name), note if wrong else None, form)
        return HTMLResponse(frame.bare("Log in", content), 401 if wrong else 200)

    return answer


def logout(access: Access, frame: Frame) -> Callable[[Request], object]:
    """Ends the session of a form of ours."""

    async def answer(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"))
        why = refusal(access, request, fields.get("form", [""])[0])
        if why:
            return refuse(frame, why)
        response = RedirectResponse("/login", 303)
        access.set_cookie(request, response, "")
        return response

    return answer


def log_out_form(access: Access, session: str) -> Html:
    """The button that ends *session*."""
    token = tag("input", type="hidden", name="form", value=access.form_token(session))
    return tag("form", token, tag("button", "Log out", type="submit", class_="plain"),
               method="post", action="/logout")  # fmt: skip


def refusal(access: Access, request: Request, form: str) -> str:
    """Why a POST is not to be taken; empty when it is."""
    if not access.same_origin(request):
        return "The form came from another site. Behind a proxy, say where this page is: --url."
    session = access.session(request)
    if session is None:
        return "The session is over. Load the page again."
    if not access.own_form(session, form):
        return "The form is none of this session. Load the page again."
    return ""


def refuse(frame: Frame, why: str, status: int = 403) -> Response:
    """A page that says why nothing was done."""
    content = tag("div", tag("h1", "Refused"), tag("p", why), tag("a", "Overview", href="/"))
    return HTMLResponse(frame.bare("Refused", content), status)
