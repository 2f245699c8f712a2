"""A headless Chromium that the tests of pages look through, by the DevTools protocol over a pipe: no port, no further package."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SECONDS = 60.0
_HIGH = 10  # descriptors from here on are free of those that are put in their place


@dataclass(frozen=True)
class Look:
    """How a page is looked at: width in pixels, light or dark, on a screen or on paper."""

    width: int
    dark: bool = False
    paper: bool = False

    def __str__(self) -> str:
        return f"{self.width}-{'paper' if self.paper else 'dark' if self.dark else 'light'}"


@dataclass
class Seen:
    """What a page did while it was loaded."""

    console: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)


class Browser:
    """A browser with one tab, to be used in a `with`."""

    def __init__(self) -> None:
        assert PROGRAM is not None
        self._folder = tempfile.TemporaryDirectory(prefix="scorer-browser-", ignore_cleanup_errors=True)
        to_browser, ours = (fcntl.fcntl(each, fcntl.F_DUPFD, _HIGH) for each in os.pipe())
        theirs, from_browser = (fcntl.fcntl(each, fcntl.F_DUPFD, _HIGH) for each in os.pipe())
        self._process = subprocess.Popen(
            [
                PROGRAM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
                f"--user-data-dir={self._folder.name}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: (os.dup2(to_browser, 3), os.dup2(from_browser, 4)),  # noqa: PLW1509 - no thread is about
            pass_fds=(3, 4),
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._write, self._read = ours, theirs
        self._numbers = itertools.count(1)
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._write)
        os.close(self._read)
        self._process.terminate()
        self._process.wait(_SECONDS)
        self._folder.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the tab's. Returns its result."""
        return self._call(method, session=self._session, **parameters)

    def _call(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _SECONDS
        while True:
            answer = self._next(until)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(until - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            read = os.read(self._read, 1 << 20)
            assert read, "the browser has ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _await(self, is_it: Callable[[dict[str, Any]], bool]) -> None:
        until = time.monotonic() + _SECONDS
        while not any(is_it(event) for event in self._events):
            self._events.append(self._next(until))

    def open(self, url: str, look: Look) -> Seen:
        """Load a page. Returns what it said on the console and asked for."""
        scheme = "dark" if look.dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            media="print" if look.paper else "screen",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.call("Emulation.setDeviceMetricsOverride", width=look.width, height=900, deviceScaleFactor=1, mobile=False)
        self._events.clear()
        self.call("Page.navigate", url=url)
        self._await(lambda event: event.get("method") == "Page.loadEventFired")
        seen = Seen()
        for event in self._events:
            about = event.get("params", {})
            match event.get("method"):
                case "Network.requestWillBeSent":
                    seen.asked_for.append(about["request"]["url"])
                case "Log.entryAdded":
                    seen.console.append(about["entry"]["text"])
                case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                    seen.console.append(str(about))
        return seen

    def ask(self, script: str) -> Any:
        """The value of a script's expression within the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """The whole page as a PNG file."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16_000), "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))

    def paper(self, path: Path) -> None:
        """The page as a PDF file."""
        made = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(made["data"]))
