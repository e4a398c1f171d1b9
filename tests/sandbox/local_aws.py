"""LocalAws: AWS on this machine, for as long as a `with` block lasts."""

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import boto3
import requests
from botocore.config import Config

from tests.sandbox import processor_share
from tests.sandbox.environment import HERE
from tests.sandbox.lambda_runtime import PROJECT
from tests.sandbox.tls import Authority

ACCOUNT = "111122223333"
REGION = "us-east-1"

# Who assumes connection roles in the partition aws.
CROWDSTRIKE_ACCOUNT = "292230061137"
FALCON_ROLE = "CrowdStrikeCustomerRegistryAssessmentRole"

# Answers at once or not at all: a test wants the error, not patience.
CLIENT = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, max_pool_connections=50)

SETTLE_SECONDS = 120.0


class LocalAws:
    """A repaired MiniStack in a process of its own: TLS, IAM enforced, one free port on loopback, nothing left behind.

    The access key of an account's root is its 12-digit number; any secret will do. The process and the functions
    that it runs end with the block, with an exception in it, with Ctrl-C, and with the death of this process.
    """

    def __init__(self, authority: Authority, *, directory: Path | None = None) -> None:
        """Prepare to run below `directory` (else the system's), with certificates of `authority`."""
        self._authority, self._parent = authority, directory
        self.ca_file = authority.ca_file
        self.endpoint_url = ""
        self._token = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[Any, Any] = {}
        self._clients_lock = threading.Lock()

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="local-aws-", dir=self._parent))
        self.log_file = self.directory / "emulator.log"
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the emulator and every function process, which share its group, and remove their files."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None
            processor_share.release()
        shutil.rmtree(self.directory, ignore_errors=True)

    # Clients

    def session(self, account: str = ACCOUNT, region: str = REGION, *, credentials: Any = None) -> Any:
        """Return a session of the account's root, or of `credentials` as STS returns them; its clients come here."""
        given = credentials or {"AccessKeyId": account, "SecretAccessKey": "any-secret", "SessionToken": None}
        keys = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        session: Any = boto3.Session(*keys, region)
        here = {"endpoint_url": self.endpoint_url, "verify": str(self.ca_file), "config": CLIENT}
        session.client = functools.partial(session.client, **here)
        return session

    def client(self, service: str, account: str = ACCOUNT, region: str = REGION, *, credentials: Any = None) -> Any:
        """Return a boto3 client of the account's root, or of `credentials` as STS returns them."""
        key = service, account, region, (credentials or {}).get("AccessKeyId")
        with self._clients_lock:  # boto3 must not make two at the same time, and takes its time
            if key not in self._clients:
                self._clients[key] = self.session(account, region, credentials=credentials).client(service)
            return self._clients[key]

    def environment(self, account: str = ACCOUNT, region: str = REGION) -> dict[str, str]:
        """Return what makes the real AWS CLI, or any SDK, talk to this AWS as the account's root."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CA_BUNDLE": str(self.ca_file),
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "any-secret",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.directory / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.directory / "no-credentials"),
            "NO_PROXY": HERE,
        }

    # Steering

    def reset(self) -> None:
        """Wipe every account, and what was set with the methods below."""
        self.control("reset")
        self._post("/_ministack/reset", {})

    def control(self, verb: str, **request: Any) -> Any:
        """Ask the emulator's process for something that AWS has no API for."""
        return self._post(f"/_sandbox/{verb}", request)

    def set_function_environment(self, **variables: str) -> None:
        """Give every function that starts from now on these variables too, as a proxy's environment would."""
        self.control("write", name="function_environment", value=variables)

    def api_calls(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """Return the API calls that were authorized or denied in the account, oldest first."""
        return [call for call in self.control("read", name="api_calls") if call["account"] == account]

    def settle(self, account: str = ACCOUNT) -> None:
        """Wait until the account's functions have worked off every asynchronous event."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.control("events_in_progress", account=account):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Functions of {account} are still at work after {SETTLE_SECONDS:.0f} s")
            time.sleep(0.02)

    def set_log_level(self, function: str, level: str, account: str = ACCOUNT, region: str = REGION) -> None:
        """Set the application log level of a function, as an operator does in Lambda's console."""
        logging = {"LogFormat": "JSON", "ApplicationLogLevel": level, "SystemLogLevel": "INFO"}
        client = self.client("lambda", account, region)
        client.update_function_configuration(FunctionName=function, LoggingConfig=logging)

    def set_regions(self, account: str = ACCOUNT, *, enabled: Iterable[str]) -> None:
        """Give the account exactly these Regions; `client("account").enable_region` adds one, with its event."""
        self.control("set_regions", account=account, enabled=list(enabled))

    def fire_schedule(self, name: str, account: str = ACCOUNT, region: str = REGION) -> None:
        """Let a schedule, or a rule with a schedule expression, fire now; its target runs in the background."""
        self.control("fire_schedule", name=name, account=account, region=region)

    def join_organization(self, account: str, parent: str = "", management: str = ACCOUNT) -> None:
        """Make the account a member of `management`'s organization, below an OU or the root."""
        self.control("join_organization", account=account, parent=parent, management=management)

    def function_logs(self, name: str, account: str = ACCOUNT, region: str = REGION) -> list[str]:
        """Return the lines in the function's log group, oldest first, once all is worked off; empty without a group."""
        self.settle(account)
        logs = self.client("logs", account, region)
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
            return [event["message"] for page in pages for event in page["events"]]
        return []

    # Principals

    def principal(
        self, role: str, account: str = ACCOUNT, *, allow: Iterable[str] = ("sts:AssumeRole",)
    ) -> dict[str, Any]:
        """Return the credentials of a session of a role in the account, which is made if need be."""
        iam, arn = self.client("iam", account), f"arn:aws:iam::{account}:role/{role}"
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=_policy(trust))
        allowed = {"Effect": "Allow", "Action": list(allow), "Resource": "*"}
        iam.put_role_policy(RoleName=role, PolicyName="allowed", PolicyDocument=_policy(allowed))
        assumed = self.client("sts", account).assume_role(RoleArn=arn, RoleSessionName="test")
        return dict(assumed["Credentials"])

    # The process

    def _start(self) -> None:
        certificate = self._authority.issue(self.directory / "certificate.pem")
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            port = listening.getsockname()[1]
            self.endpoint_url = f"https://localhost:{port}"
            with self.log_file.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.sandbox.emulator", str(listening.fileno())],
                    cwd=PROJECT,
                    env=self._emulator_environment(port, certificate),
                    stdin=subprocess.PIPE,  # closes when this process dies, which ends the emulator
                    stdout=log,
                    stderr=log,
                    pass_fds=[listening.fileno()],
                    start_new_session=True,
                )
        try:
            self.control("reset")  # waits in the listening socket's queue
        except OSError as error:
            raise RuntimeError(f"The local AWS did not start: {self.log_file.read_text()[-4000:]}") from error

    def _emulator_environment(self, port: int, certificate: Path) -> dict[str, str]:
        trust = dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(self.ca_file))
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),
            "LANG": "C.UTF-8",
            "LOG_LEVEL": "WARNING",
            "SANDBOX_TOKEN": self._token,
            "AUTH": "true",
            "USE_SSL": "1",
            "GATEWAY_PORT": str(port),
            "CERTIFICATE": str(certificate),
            "IOT_MTLS_ENABLED": "0",  # would listen on every interface
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",  # it removes containers that it takes for its own
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SANDBOX_CA_BUNDLE": str(self._authority.bundle_file),
            **trust,
        }

    def _post(self, path: str, body: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between
            headers, trust = {"X-Sandbox-Token": self._token}, str(self.ca_file)
            answer = session.post(self.endpoint_url + path, json=body, headers=headers, verify=trust, timeout=60)
        if not answer.ok:
            raise RuntimeError(f"{path}: {answer.text}")
        return answer.json()


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
