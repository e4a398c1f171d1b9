"""What the package weighs: bytes, time to import, memory."""

import re
import statistics
import subprocess
import tempfile
import zipfile
from typing import Final

from tests.bench.stage import stage
from tests.bench.table import Row
from tests.faults.rows import Event
from tests.sandbox.lambda_runtime import RUNTIME_PYTHON
from tests.stack.customer import PACKAGE

RUNS: Final = 5
IMPORT: Final = (
    "import time; t = time.perf_counter(); import registry_connections.handler; print(time.perf_counter() - t)"
)


def measure() -> list[Row]:
    """Return the rows of this benchmark."""
    return [
        Row("footprint", "package", PACKAGE.stat().st_size / 1000, 500, "KB"),
        Row("footprint", "import of the handler, boto3 included", _import_seconds(), 0.5, "s"),
        Row("footprint", "peak memory of a launch in 34 Regions", _peak_memory(), 100, "MB"),
    ]


def _import_seconds() -> float:
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(PACKAGE) as package:
            package.extractall(directory)
        environment = {"PYTHONPATH": directory, "PATH": "/usr/bin:/bin"}
        run = [str(RUNTIME_PYTHON), "-c", IMPORT]
        return statistics.median(float(subprocess.check_output(run, env=environment)) for _ in range(RUNS))


def _peak_memory() -> float:
    with stage() as scene:
        scene.new_stack()
        scene.send(Event.CREATE)
        (peak,) = re.findall(r"VmHWM:\s+(\d+)", (scene.process / "status").read_text())
        return int(peak) / 1024
