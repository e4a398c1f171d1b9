"""A local AWS and a local Falcon for people: `make sandbox`. They run until Ctrl-C, and leave nothing behind."""

import contextlib
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.sandbox.environment import tidy
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.tls import Authority
from tests.simulator import FalconSimulator

MEMBERS = ("200000000001", "200000000002", "200000000003")


def organize(aws: LocalAws) -> str:
    """Make an organization with one unit and three members; return the unit's id."""
    organizations = aws.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="workloads")["OrganizationalUnit"]["Id"]
    for member in MEMBERS:
        aws.join_organization(member, unit)
    aws.client("cloudformation").activate_organizations_access()
    return str(unit)


def show(environment: Mapping[str, str], url: str, unit: str) -> None:
    """Print what to export in another shell, and what to run there."""
    lines = [
        "# A local AWS and a local Falcon run until Ctrl-C. In another shell:",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        "# then, for one account and for an organization:",
        f"#   make deploy PARAMETERS=FalconApiUrl={url}",
        "#   make status; make plan; make reconcile; make delete DELETE_CONNECTIONS=Stack",
        f"#   make deploy-org OU_IDS={unit} INCLUDE_MANAGEMENT=1 PARAMETERS=FalconApiUrl={url}",
        "#   make coverage-report; make delete-org INCLUDE_MANAGEMENT=1",
        "# The local AWS knows no paths of an organization: leave ORG_PATHS out.",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - it is for people


def main() -> int:
    """Run both until somebody interrupts."""
    tidy(os.environ)
    with tempfile.TemporaryDirectory(prefix="sandbox-") as directory:
        authority = Authority(Path(directory))
        with LocalAws(authority, directory=Path(directory)) as aws, FalconSimulator(authority) as falcon:
            credentials = {"FALCON_CLIENT_ID": falcon.client_id, "FALCON_CLIENT_SECRET": falcon.client_secret}
            unit = organize(aws)
            with contextlib.suppress(KeyboardInterrupt):
                show(aws.environment() | credentials, falcon.url, unit)
                signal.pause()
    print("\n# both are stopped", flush=True)  # noqa: T201 - it is for people
    return 0


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
