"""`make sandbox`: a local AWS and a local Falcon for people."""

import re
import signal
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_it_prints_what_to_export_and_stops_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "tests.sandbox"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        lines = []
        for line in running.stdout:
            lines.append(line)
            if "make coverage-report" in line:
                break
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()

    exported = dict(re.findall(r"^export (\w+)=(\S+)$", "".join(lines), re.MULTILINE))
    assert running.returncode == 0
    assert {"AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET"} <= exported.keys()
    assert re.search(r"make deploy-org OU_IDS=ou-\S+ PARAMETERS=FalconApiUrl=https://localhost:\d+", "".join(lines))
    assert "both are stopped" in rest
    assert not Path(exported["AWS_CA_BUNDLE"]).exists()  # nothing is left behind
