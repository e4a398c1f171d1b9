"""A real browser, without a window, driven through its DevTools protocol."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
START_SECONDS = 30.0
ANSWER_SECONDS = 60.0


def find() -> str | None:
    """Return the browser on PATH, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def running(browser: str) -> Iterator[str]:
    """Run the browser with a profile of its own, and return the address of its DevTools."""
    quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        command = [browser, *OPTIONS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, **quiet) as process:
            try:
                yield _address(Path(profile) / "DevToolsActivePort")
            finally:
                process.terminate()
                process.wait(10)


def _address(file: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not (file.exists() and file.read_text().count("\n")):
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
    return f"http://127.0.0.1:{file.read_text().splitlines()[0]}"


@contextmanager
def opened(devtools: str, path: Path) -> Iterator["Page"]:
    """Open a page, and close it afterwards."""

    async def connect() -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
        session = aiohttp.ClientSession()
        async with session.put(f"{devtools}/json/new?about:blank") as answer:
            target = await answer.json()
        return session, await session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=64 << 20)

    with asyncio.Runner() as runner:
        session, socket = runner.run(connect())
        try:
            page = Page(runner, socket)
            for domain in ("Page", "Network", "Runtime", "Log"):
                page.call(f"{domain}.enable")
            page.call("Page.navigate", url=path.as_uri())
            while page.evaluate("location.protocol + document.readyState") != "file:complete":
                time.sleep(0.05)
            yield page
        finally:
            runner.run(socket.close())
            runner.run(session.close())


class Page:
    """A page in the browser, driven through the DevTools protocol."""

    def __init__(self, runner: asyncio.Runner, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._runner, self._socket, self._number = runner, socket, 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> Any:
        """Return the answer to one command; keep the events that come before it."""
        self._number += 1
        self._runner.run(self._socket.send_json({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = self._runner.run(self._socket.receive_json(timeout=ANSWER_SECONDS))
            if message.get("id") != self._number:
                self.events.append(message)
                continue
            assert "error" not in message, message
            return message["result"]

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
