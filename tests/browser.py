"""A real browser for tests of pages: Chromium over a pipe by the DevTools protocol, nothing to install beside it.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
#: As root Chromium refuses its sandbox; in containers shared memory is small.
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
           "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--disable-extensions", "--remote-debugging-pipe")  # fmt: skip


def find_browser() -> str | None:
    """The browser's program; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A tab: what it shows, asks for and says."""

    def __init__(self, to_browser: Any, from_browser: Any) -> None:
        """Open a tab in a browser that reads and writes messages, each of which ends with a NUL."""
        self._to, self._from, self._count, self._session = to_browser, from_browser, 0, ""
        self.events: list[dict[str, Any]] = []  #: All that the browser has said beside answers, oldest first.
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command of the protocol."""
        self._count += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._count, "method": method, "params": parameters, **session}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while (said := self._read()).get("id") != self._count:
            self.events.append(said)
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    def open(self, url: str, *, width: int = 1440, height: int = 900, is_dark: bool = False) -> None:
        """Load a page as on a screen of that size, and wait until it is there."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def resize(self, width: int, height: int) -> None:
        """Give the screen another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def evaluate(self, script: str) -> Any:
        """What an expression, or a promise, gives: a value that JSON can hold."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press and release a key, such as "Tab", 9."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def requested(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self) -> list[str]:
        """What the browser wrote on its console: errors, warnings, refusals."""
        entries = [event["params"]["entry"] for event in self.events if event.get("method") == "Log.entryAdded"]
        return [entry["text"] for entry in entries]

    def screenshot(self, *, is_whole: bool = False) -> bytes:
        """A PNG of the screen, or of the whole page."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=is_whole)["data"])

    def pdf(self) -> bytes:
        """The page as printed on A4."""
        size = {"paperWidth": 8.27, "paperHeight": 11.69}
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, **size)["data"])

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser ended"
            message += byte
        found: dict[str, Any] = json.loads(message)
        return found


@contextlib.contextmanager
def browser_page(program: str, profile: Path) -> Iterator[Page]:
    """A tab in a browser of its own, which ends with the block.

    Args:
        program: The browser.
        profile: A folder for what it keeps.
    """
    (read_commands, write_commands), (read_answers, write_answers) = os.pipe(), os.pipe()

    def connect() -> None:  # it reads commands from 3 and writes answers to 4
        commands, answers = os.dup(read_commands), os.dup(write_answers)
        os.dup2(commands, 3)
        os.dup2(answers, 4)

    command = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen(
        command, pass_fds=(3, 4, read_commands, write_answers), preexec_fn=connect, start_new_session=True, **quiet
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        with open(write_commands, "wb") as to_browser, open(read_answers, "rb") as from_browser:
            yield Page(to_browser, from_browser)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
