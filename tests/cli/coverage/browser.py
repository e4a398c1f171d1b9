"""A real browser, without a window, driven over two pipes by its DevTools protocol."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


def find() -> str | None:
    """Return the browser on PATH, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def running(browser: str) -> Iterator["Page"]:
    """Run a browser that has a profile of its own and one page."""
    quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    (commands, to_browser), (answers, from_browser) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        # The browser reads commands from descriptor 3, and answers on 4.
        run = ["bash", "-c", f'exec "$0" "$@" 3<&{commands} 4>&{from_browser}', browser, *OPTIONS]
        run += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
        with subprocess.Popen(run, pass_fds=(commands, from_browser), **quiet) as process:
            os.close(commands)
            os.close(from_browser)
            try:
                yield Page(answers, to_browser)
            finally:
                process.terminate()
                os.close(answers)
                os.close(to_browser)


class Page:
    """A page in the browser."""

    def __init__(self, answers: int, commands: int) -> None:
        self._answers, self._commands = answers, commands
        self._received = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Return the answer to one command; keep the events that come before it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path: Path) -> None:
        """Load a file, with nothing left of what was there before."""
        self.events.clear()
        self.call("Emulation.clearDeviceMetricsOverride")
        self.call("Emulation.setEmulatedMedia", media="", features=[])
        self.call("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in {event["method"] for event in self.events}:
            self.events.append(self._receive())

    def _receive(self) -> Any:
        while b"\0" not in self._received:
            read = os.read(self._answers, 1 << 20)
            assert read, "the browser ended"
            self._received += read
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def evaluate(self, script: str) -> Any:
        """Return the value of a script."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Give the page so many pixels."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **screen)

    def shown(self) -> list[str]:
        """Return the account numbers that are visible."""
        script = "[...document.querySelectorAll('#map tbody tr')].filter(row => row.offsetHeight)"
        found: list[str] = self.evaluate(f"{script}.map(row => row.querySelector('code').textContent)")
        return found

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def enter(self, selector: str, value: str) -> None:
        """Put a value into a field, as typing or choosing does."""
        self.evaluate(
            f"(field => {{ field.value = {json.dumps(value)}; field.dispatchEvent(new Event('input')) }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        text = {"text": key} if key == " " else {}
        for kind in ("keyDown", "char", "keyUp") if text else ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    @property
    def complaints(self) -> list[Any]:
        """What the browser logged, refused or threw."""
        return [event for event in self.events if event["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}]

    @property
    def requested(self) -> set[str]:
        """Every address that was asked for."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return {event["params"]["request"]["url"] for event in sent}
