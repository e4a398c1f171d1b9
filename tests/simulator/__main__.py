"""Run the simulator as a process of its own, for demonstrations and benchmarks."""

import argparse
import json
import os
import signal
import ssl
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.sandbox.tls import Authority
from tests.simulator.behaviour import Behaviour
from tests.simulator.clouds import HOSTS
from tests.simulator.server import Issuer
from tests.simulator.simulator import CLIENT_ID, CLIENT_SECRET, FalconSimulator


class Certificate:
    """A server certificate that someone else issued."""

    def __init__(self, chain: Path, key: Path, ca_file: Path) -> None:
        self.ca_file = ca_file
        self._chain = chain
        self._key = key

    def server_context(self, *hosts: str) -> ssl.SSLContext:
        del hosts  # they were decided when the certificate was issued
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain, self._key)
        return context


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m tests.simulator",
        description="Simulate CrowdStrike Falcon's API over TLS on 127.0.0.1. Prints one JSON line when it listens.",
        epilog="FALCON_CLIENT_SECRET is the secret of the API client; without it, an invented one.",
    )
    options.add_argument("--port", type=int, default=0, help="port of the first cloud; 0, the default, is a free one")
    options.add_argument("--cloud", action="append", choices=HOSTS, help="cloud to serve; may be repeated; first: us-1")
    options.add_argument("--home", default="", choices=HOSTS, help="cloud of the tenant; default: the first")
    options.add_argument("--client-id", help=f"API client; default: FALCON_CLIENT_ID or {CLIENT_ID}")
    options.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="added before each answer")
    options.add_argument("--requests-per-minute", type=int, default=6000, metavar="N", help="default: 6000")
    options.add_argument("--seed-connections", type=int, default=0, metavar="N", help="connections of other accounts")
    options.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a switch of Behaviour")
    options.add_argument("--tls-directory", type=Path, help="where its certificate authority is written")
    options.add_argument("--certificate", type=Path, help="use this certificate chain, with --key and --ca-file")
    options.add_argument("--key", type=Path)
    options.add_argument("--ca-file", type=Path)
    options.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    return options


def behaviour(options: argparse.Namespace) -> Behaviour:
    """Return the switches that the options set."""
    switches = Behaviour(latency=options.latency, requests_per_minute=options.requests_per_minute)
    for setting in options.set:
        name, _, value = setting.partition("=")
        try:
            switches.change(**{name: json.loads(value)})
        except ValueError as problem:
            raise SystemExit(f"--set {setting}: {problem}; a value is JSON, so text is in double quotes") from problem
    return switches


def issuer(options: argparse.Namespace, stack: ExitStack) -> Issuer:
    """Return the given certificate, or an authority in the given or a temporary directory."""
    given = (options.certificate, options.key, options.ca_file)
    if all(given):
        return Certificate(*given)
    if any(given):
        raise SystemExit("--certificate, --key and --ca-file go together")
    directory = options.tls_directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simulator-")))
    directory.mkdir(parents=True, exist_ok=True)
    return Authority(directory)


def the_end(*, until_stdin_closes: bool) -> threading.Event:
    """Return what is set by SIGINT or SIGTERM, or, if asked, when standard input ends: whoever started this is gone."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())

    def read_to_the_end() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin itself, whose lock would hinder the exit
            pass
        end.set()

    if until_stdin_closes:
        threading.Thread(target=read_to_the_end, daemon=True).start()
    return end


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    options = parser().parse_args(arguments)
    end = the_end(until_stdin_closes=options.until_stdin_closes)
    with ExitStack() as stack:
        simulator = FalconSimulator(
            issuer(options, stack),
            behaviour=behaviour(options),
            clouds=tuple(options.cloud or ("us-1",)),
            home=options.home,
            port=options.port,
            client_id=options.client_id or environ.get("FALCON_CLIENT_ID", CLIENT_ID),
            client_secret=environ.get("FALCON_CLIENT_SECRET", CLIENT_SECRET),
            with_admin=True,
        )
        simulator.seed(options.seed_connections)
        stack.enter_context(simulator)
        ready = {"url": simulator.url, "urls": simulator.urls, "ca_file": str(simulator.ca_file)}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        end.wait()


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
