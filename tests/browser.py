"""A headless Chromium, told what to do over a pipe (Chrome DevTools Protocol, version 1.3).

No driver and no library between: messages are JSON ended by a zero byte, on the
browser's descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
    "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)  # fmt: skip
"""Nothing but this machine can be reached: a page that needs more than its server fails."""

KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40}


def chromium() -> str | None:
    """Where it is; None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One browser with tabs that know nothing of each other; `close` ends it."""

    def __init__(self, folder: Path) -> None:
        ours_out, theirs_in = os.pipe()
        theirs_out, ours_in = os.pipe()
        script = 'exec 3<&$1 4>&$2; shift 2; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", str(theirs_out), str(theirs_in), str(chromium()),
             *FLAGS, f"--user-data-dir={folder}"],
            pass_fds=(theirs_out, theirs_in), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._out = os.fdopen(ours_in, "wb", buffering=0)
        self._in = os.fdopen(ours_out, "rb", buffering=0)
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._listeners: dict[str, Callable[[dict[str, Any]], None]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def tab(self, width: int = 1280, height: int = 900, *, dark: bool = False) -> Tab:
        """A new tab with cookies of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]  # fmt: skip
        return Tab(self, session, width, height, dark=dark)

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers[number] = answer
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._out.write(json.dumps(message).encode() + b"\0")
        found = answer.get(timeout=30)
        assert "error" not in found, f"{method}: {found['error']}"
        return found["result"]

    def listen(self, session: str, heard: Callable[[dict[str, Any]], None]) -> None:
        self._listeners[session] = heard

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._out.close()

    def _listen(self) -> None:
        rest = b""
        while piece := self._in.read(1 << 16):
            *whole, rest = (rest + piece).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" in message:
                    self._answers.pop(message["id"]).put(message)
                elif heard := self._listeners.get(message.get("sessionId", "")):
                    heard(message)


class Tab:
    """One page. `trouble` is what the console and the network complained about."""

    def __init__(
        self, browser: Browser, session: str, width: int, height: int, *, dark: bool
    ) -> None:
        self.trouble: list[str] = []
        self.status = 0
        self._browser = browser
        self._session = session
        browser.listen(session, self._heard)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.call("Emulation.setEmulatedMedia", features=[scheme, motion])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)  # fmt: skip

    def go(self, url: str) -> Tab:
        """Open *url*, and wait until it is there."""
        self.run("window.left = true")
        problem = self.call("Page.navigate", url=url).get("errorText")
        assert not problem, f"{url}: {problem}"
        return self.arrived()

    def arrived(self) -> Tab:
        """Wait until another page than the last one is there."""
        until(lambda: self.run("!window.left && document.readyState === 'complete'"), 20)
        return self

    def run(self, script: str) -> Any:
        """What the expression *script* is; promises are waited for."""
        try:
            found = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                              awaitPromise=True)  # fmt: skip
        except AssertionError as error:
            if "context" in str(error) or "navigat" in str(error):  # the page went away meanwhile
                return None
            raise
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    @property
    def text(self) -> str:
        """What one reads on it."""
        return self.run("document.body.innerText") or ""

    def sees(self, text: str, timeout: float = 20) -> Tab:
        """Wait until it shows *text*."""
        try:
            until(lambda: text in self.text, timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in\n{self.text}") from None
        return self

    def click(self, selector: str, text: str = "") -> Tab:
        """Click the first element of *selector* that shows *text*, as a mouse does."""
        place = self.place(selector, text)
        self.mouse("mousePressed", place)
        self.mouse("mouseReleased", place)
        return self

    def place(self, selector: str, text: str = "") -> list[float]:
        """The middle of that element, which is brought into view."""
        place: list[float] | None = self.run(f"""(() => {{
            const all = Array.from(document.querySelectorAll({json.dumps(selector)}));
            const found = all.find((each) => each.textContent.includes({json.dumps(text)}));
            if (!found) return null;
            found.scrollIntoView({{block: 'center'}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        assert place, f"no {selector} with {text!r} in\n{self.text}"
        return place

    def mouse(self, kind: str, place: list[float]) -> None:
        """Press or let go its left button."""
        self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left",
                  clickCount=1)  # fmt: skip

    def sends(self, selector: str, text: str = "") -> Tab:
        """The same with what leads to another page, and wait for that."""
        self.run("window.left = true")
        return self.click(selector, text).arrived()

    def fill(self, selector: str, text: str) -> Tab:
        """Put *text* in place of what a field holds, as typing does."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.run("document.activeElement.select()")
        self.call("Input.insertText", text=text)
        return self

    def press(self, key: str) -> Tab:
        """One key."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        event = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)
        return self

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what it looks like as a PNG file, *whole* with what lies below the screen."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _heard(self, message: dict[str, Any]) -> None:
        method, told = message["method"], message["params"]
        if method == "Runtime.exceptionThrown":
            self.trouble.append(json.dumps(told["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.trouble.append(json.dumps(told["args"])[:500])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.trouble.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Network.responseReceived" and told["type"] == "Document":
            self.status = told["response"]["status"]
