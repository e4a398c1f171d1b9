"""A real browser, without a window, driven through its DevTools protocol."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
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


def visit(devtools: str, path: Path, act: Callable[["Page"], Coroutine[Any, Any, None]]) -> None:
    """Open a page and do something with it."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{devtools}/json/new?about:blank") as answer:
                target = await answer.json()
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=64 << 20) as socket:
                page = Page(socket)
                await page.open(path)
                await act(page)

    asyncio.run(run())


class Page:
    """A page in the browser, driven through the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """Return the answer to one command; keep the events that come before it."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=ANSWER_SECONDS)
            if message.get("id") != self._number:
                self.events.append(message)
                continue
            assert "error" not in message, message
            return message["result"]

    async def evaluate(self, script: str) -> Any:
        """Return the value of a script."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def open(self, path: Path) -> None:
        """Load a page and wait until it is there."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=path.as_uri())
        while await self.evaluate("location.protocol + document.readyState") != "file:complete":
            await asyncio.sleep(0.05)

    async def shown(self) -> list[str]:
        """Return the account numbers that are visible."""
        script = "[...document.querySelectorAll('#map tbody tr')].filter(row => row.offsetHeight)"
        found: list[str] = await self.evaluate(f"{script}.map(row => row.querySelector('code').textContent)")
        return found

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def enter(self, selector: str, value: str) -> None:
        """Put a value into a field, as typing or choosing does."""
        await self.evaluate(
            f"(field => {{ field.value = {json.dumps(value)}; field.dispatchEvent(new Event('input')) }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    @property
    def complaints(self) -> list[Any]:
        """What the browser logged, refused or threw."""
        return [event for event in self.events if event["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}]

    @property
    def requested(self) -> set[str]:
        """Every address that was asked for."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return {event["params"]["request"]["url"] for event in sent}
