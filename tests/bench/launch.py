"""How long a launch takes, over two round trips: the token, then all creates at once."""

import os
import statistics
from typing import Final

from tests.bench.stage import Stage, stage
from tests.bench.table import Row
from tests.faults.rows import Event

LATENCY: Final = 0.3
ROUND_TRIPS: Final = 2
RUNS: Final = 5


def measure() -> list[Row]:
    """Return the rows of this benchmark."""
    limit = ROUND_TRIPS * LATENCY
    with stage(latency=LATENCY) as scene:
        _launch(scene)
        user, system = (scene.process / "stat").read_text().rpartition(") ")[2].split()[11:13]
        cold_seconds = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        warm = statistics.median(_launch(scene) for _ in range(RUNS))
    with stage(latency=LATENCY, processor_share=True) as scene:
        first = _launch(scene)
        share = statistics.median(_launch(scene) for _ in range(RUNS))
    return [
        Row("launch", "34 Regions, 300 ms latency, two cores, over two round trips", warm / limit, 1.15),
        Row("launch", "the same, at the template's share of a processor, over two round trips", share / limit, 1.4),
        Row("launch", "the same, first invocation of a container, over two round trips", first / limit, 1.6),
        Row("launch", "processor time of a cold launch", cold_seconds, 0.9, "s"),
    ]


def _launch(scene: Stage) -> float:
    scene.new_stack()
    scene.falcon.reset()
    return scene.send(Event.CREATE).seconds
