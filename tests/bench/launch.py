"""How long a launch takes, over two round trips: the token, then all creates at once."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import requests
from requests.adapters import HTTPAdapter

from tests.bench.stage import REGIONS, Stage, stage
from tests.bench.table import Row

LATENCY: Final = 0.3
ROUND_TRIPS: Final = 2
RUNS: Final = 5


def measure() -> list[Row]:
    """Return the rows of this benchmark."""
    limit = ROUND_TRIPS * LATENCY
    with stage(latency=LATENCY) as scene:
        _launch(scene)
        cold_seconds = scene.function.processor_seconds
        warm = statistics.median(_launch(scene) for _ in range(RUNS))
        bare = statistics.median(_timed(lambda: _bare_client(scene)) for _ in range(RUNS))
    with stage(latency=LATENCY, processor_share=True) as scene:
        first = _launch(scene)
        share = statistics.median(_launch(scene) for _ in range(RUNS))
    return [
        Row("launch", "34 Regions, 300 ms latency, two cores, over two round trips", warm / limit, 1.15),
        Row("launch", "the same, over a bare client that does the same calls", warm / bare, None),
        Row("launch", "the same, at the template's share of a processor, over two round trips", share / limit, 1.4),
        Row("launch", "the same, first invocation of a container, over two round trips", first / limit, 1.6),
        Row("launch", "processor time of a cold launch", cold_seconds, 0.9, "s"),
    ]


def _launch(scene: Stage) -> float:
    scene.new_stack()
    scene.falcon.reset()
    return scene.send("Create").seconds


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _bare_client(scene: Stage) -> None:
    """Do what no client can do without: a token, then one create for each Region, all at once, checking nothing."""
    scene.falcon.reset()
    session = requests.Session()
    session.trust_env = False
    session.verify = str(scene.falcon.ca_file)
    session.mount("https://", HTTPAdapter(pool_maxsize=len(REGIONS)))
    form = {"client_id": scene.falcon.client_id, "client_secret": scene.falcon.client_secret}
    answer = session.post(f"{scene.falcon.url}/oauth2/token", data=form, timeout=30)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    details = {"aws_iam_role": "arn:aws:iam::444455556666:role/bare", "aws_external_id": "bare"}

    def create(region: str) -> None:
        url = f"https://444455556666.dkr.ecr.{region}.amazonaws.com"
        body = {"type": "ecr", "url": url, "credential": {"details": details}}
        path = f"{scene.falcon.url}/container-security/entities/registries/v1"
        session.post(path, json=body, headers=headers, timeout=30).raise_for_status()

    with ThreadPoolExecutor(len(REGIONS)) as threads:
        list(threads.map(create, REGIONS))
