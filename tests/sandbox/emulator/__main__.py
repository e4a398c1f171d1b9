"""Serve the repaired MiniStack on the socket that LocalAws hands over, until LocalAws lets go of stdin."""

import asyncio
import importlib
import os
import shutil
import signal
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.sandbox.emulator import patching
from tests.sandbox.emulator.control import Control

THEMES = (
    *("identity", "secrets", "functions", "invocations", "accounts"),
    *("resources", "custom_resources", "stacksets"),
)


def die_with_owner() -> None:
    """End this process and every function process in its group once the owner closes our stdin, or dies."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os.killpg(0, signal.SIGUSR1)  # ends the functions: one that starts would write what it compiles
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)  # ours alone; an owner that was killed cannot
        os.killpg(0, signal.SIGKILL)

    signal.signal(signal.SIGUSR1, lambda *_: None)  # a handler, because functions would inherit that it is ignored
    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def repair() -> None:
    """Apply every repair: to import a theme is to apply its repairs."""
    patching.import_all()
    for theme in THEMES:
        importlib.import_module(f"tests.sandbox.emulator.{theme}")


def main(listening_socket: str) -> None:
    """Serve TLS on the inherited socket, and on nothing else."""
    die_with_owner()
    repair()
    ministack = importlib.import_module("ministack.app")
    config = Config()
    config.bind = [f"fd://{listening_socket}"]
    config.certfile = config.keyfile = os.environ["CERTIFICATE"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ["LOG_LEVEL"]
    asyncio.run(serve(Control(ministack.app, os.environ["SANDBOX_TOKEN"]), config))


if __name__ == "__main__":
    main(sys.argv[1])
