"""What the package weighs: bytes, time to import, memory."""

import statistics
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from tests.bench.stage import PACKAGE, stage
from tests.bench.table import Row
from tests.sandbox.lambda_runtime import RUNTIME_PYTHON

RUNS: Final = 5
IMPORT: Final = "import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"


def measure() -> list[Row]:
    """Return the rows of this benchmark."""
    return [
        Row("footprint", "package", PACKAGE.stat().st_size / 1000, 500, "KB"),
        Row(
            "footprint",
            "import of the handler, boto3 included",
            _import_seconds("registry_connections.handler"),
            0.5,
            "s",
        ),
        Row("footprint", "import of boto3 alone, which AWS provides", _import_seconds("boto3"), None, "s"),
        Row("footprint", "peak memory of a launch in 34 Regions", _peak_memory(), 100, "MB"),
    ]


def _import_seconds(module: str) -> float:
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(PACKAGE) as package:
            package.extractall(directory)
        command = [str(RUNTIME_PYTHON), "-c", IMPORT.format(module=module)]
        return statistics.median(float(_output(command, Path(directory))) for _ in range(RUNS))


def _output(command: list[str], directory: Path) -> str:
    environment = {"PYTHONPATH": str(directory), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _peak_memory() -> float:
    with stage() as scene:
        scene.new_stack()
        scene.send("Create")
        return float(scene.function.peak_memory_mb)
