"""The local AWS as a process: what it listens on, whom it trusts, and how it ends; and `make sandbox`, for people."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.sandbox.lambda_runtime import PROJECT
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import processes, wait_for

# A process that runs the local AWS with one function, which is busy.
OWNER = """
import sys
from pathlib import Path
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import invoke, launch
from tests.sandbox.tls import Authority
directory = Path(sys.argv[1])
with LocalAws(Authority(directory), directory=directory) as aws:
    launch(aws)
    invoke(aws, sleep=20)
"""


reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@reads_proc
def test_it_listens_on_loopback_only_and_its_owner_alone_steers_it(aws: LocalAws) -> None:
    url, trust = f"{aws.endpoint_url}/_sandbox/reset", str(aws.ca_file)

    assert listening(min(processes(aws.directory))) == {"0100007F"}  # 127.0.0.1
    assert requests.post(url, json={}, verify=trust, timeout=5).status_code == 403


@reads_proc
def test_it_ends_with_its_owner_even_in_the_middle_of_an_invocation(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], cwd=PROJECT) as owner:
        wait_for(lambda: len(processes(tmp_path)) == 2)
        owner.kill()

    wait_for(lambda: processes(tmp_path) == [])
    assert not list(tmp_path.glob("local-aws-*/*"))


def test_make_sandbox_prints_what_to_export_and_stops_with_ctrl_c() -> None:
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
    assert re.search(r"make deploy-org OU_IDS=ou-\S+ .* PARAMETERS=FalconApiUrl=https://localhost:\d+", "".join(lines))
    assert "both are stopped" in rest
    assert not Path(exported["AWS_CA_BUNDLE"]).exists()  # nothing is left behind


def listening(process: int) -> set[str]:
    """Return the addresses that a process listens on, of IPv4 and IPv6, as the kernel writes them."""
    sockets = {str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir()}
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}
