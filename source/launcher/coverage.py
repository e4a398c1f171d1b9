"""Shows which registries of an organization Falcon scans, and which it does not: `make coverage-report`.

Reads the accounts of the organization, the stacks of the stack set and Falcon's connections, once; changes nothing.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import coverage_page
from launcher.artifact import PROJECT
from launcher.coverage_model import Coverage, Scope, State, cover
from launcher.coverage_sources import Facts, FalconAccess, read
from launcher.errors import LauncherError, exit_status
from launcher.organization_aws import connect, take_environment, told
from launcher.organization_progress import console
from launcher.organization_request import CALL_AS
from launcher.request import CREDENTIALS, DEFAULT_STACK, read_place
from registry_connections.model import AUTODISCOVER, FALCON_CLOUDS, Credentials

if TYPE_CHECKING:
    from rich.console import Console

DIRECTORY: Final = PROJECT / "build"

VARIABLES: Final = """\
environment:
  FALCON_CLIENT_ID        Falcon API client; the scope Falcon Container Image: READ suffices (required)
  FALCON_CLIENT_SECRET    its secret; export it, never write it on a command line (required)
  FALCON_CLOUD            autodiscover, us-1, us-2, us-3, eu-1, us-gov-1 or us-gov-2 (autodiscover)
  FALCON_API_URL          https URL that replaces the cloud's own
  STACK_SET               name of the stack set (crowdstrike-ecr-registry-connections)
  REGION                  Region of the stack set (AWS_REGION, AWS_DEFAULT_REGION, or the profile's)
  CALL_AS                 DELEGATED_ADMIN if you are signed in to a delegated administrator's account (SELF)
  REGIONS                 Regions to expect in accounts whose own cannot be read, comma-separated

It needs organizations:ListAccounts, organizations:DescribeOrganization, cloudformation:DescribeStackSet,
cloudformation:ListStackInstances and, if possible, account:ListRegions. Nothing is changed anywhere.
"""


@dataclass(frozen=True, slots=True)
class CoverageRequest:
    """What the operator asks for."""

    stack_set: str
    region: str
    call_as: str
    regions: frozenset[str]
    falcon: FalconAccess


def read_request(environment: Mapping[str, str]) -> CoverageRequest:
    """Return the request that `environment` describes. Raises LauncherError with every problem."""
    missing = [name for name in CREDENTIALS if not environment.get(name)]
    problems = [f"{name} is not set. Export it, from an API client of the Falcon console." for name in missing]
    cloud = environment.get("FALCON_CLOUD") or AUTODISCOVER
    api_url = environment.get("FALCON_API_URL", "").rstrip("/")
    call_as = environment.get("CALL_AS") or CALL_AS[0]
    if cloud not in {AUTODISCOVER, *FALCON_CLOUDS}:
        problems.append(f"FALCON_CLOUD is {cloud!r}. It takes {AUTODISCOVER}, {', '.join(FALCON_CLOUDS)}.")
    if api_url and not api_url.startswith("https://"):
        problems.append("FALCON_API_URL must begin with https://")
    if call_as not in CALL_AS:
        problems.append(f"CALL_AS is {call_as!r}. It takes {' or '.join(CALL_AS)}.")
    if problems:
        raise LauncherError(*problems)
    credentials = Credentials(environment["FALCON_CLIENT_ID"], environment["FALCON_CLIENT_SECRET"])
    return CoverageRequest(
        stack_set=environment.get("STACK_SET") or DEFAULT_STACK,
        region=read_place(environment)[1],
        call_as=call_as,
        regions=_names(environment.get("REGIONS", "")),
        falcon=FalconAccess(credentials, cloud, api_url),
    )


def report(environment: Mapping[str, str], shown: "Console", directory: Path = DIRECTORY) -> Coverage:
    """Read everything, write `coverage.html` and `coverage.csv` into the directory, and return what they show.

    Raises LauncherError if something cannot be read.
    """
    request = read_request(environment)
    with told((request.falcon.credentials.client_secret,)):
        aws = connect(request.region)
        shown.print("reading the organization, the stack set and Falcon's connections")
        facts = read(aws, request.stack_set, request.call_as, request.falcon)
    coverage = cover(facts.accounts, facts.instances, facts.connections, scope_of(facts, request.regions))
    directory.mkdir(parents=True, exist_ok=True)
    page, table = directory / "coverage.html", directory / "coverage.csv"
    about = coverage_page.About(
        organization=facts.organization,
        stack_set=request.stack_set,
        cloud=facts.cloud,
        at=datetime.now(UTC),
        remarks=remarks(facts, request.regions, request.stack_set),
    )
    page.write_text(coverage_page.html(coverage, about), encoding="utf-8")
    table.write_text(coverage_page.csv(coverage), encoding="utf-8", newline="")
    shown.print(coverage_page.headline(coverage))
    for state in State:
        if coverage.totals[state]:
            shown.print(f"  {coverage.totals[state]:>7,}  {state}")
    shown.print(f"{page}\n{table}")
    return coverage


def scope_of(facts: Facts, named: frozenset[str]) -> Scope:
    """Return which registries should have a connection, as the stack set says; `named` stands in for unread Regions."""
    held = facts.definition.parameters if facts.definition else {}
    seen = {connection.region for connection in facts.connections} - {""}
    return Scope(
        url_suffix=facts.url_suffix,
        management=facts.management,
        regions=facts.regions,
        otherwise=named or frozenset(seen | {each.region for each in facts.instances}),
        excluded=_names(held.get("ExcludedRegions", "")),
        wanted=_names(held.get("Regions", "")),
    )


def remarks(facts: Facts, named: frozenset[str], stack_set: str) -> list[str]:
    """Return what a reader must know about how this was found out."""
    said = []
    if facts.definition is None:
        said.append(f"There is no stack set {stack_set} here, so no account has a stack.")
    if facts.unread:
        unread = len([each for each in facts.accounts if each.is_active and each.id not in facts.regions])
        stand_in = "those named in REGIONS" if named else "the Regions seen in Falcon, which may be more or fewer"
        said.append(
            f"The enabled Regions of {unread} accounts could not be read ({facts.unread} from account:ListRegions), so "
            f"they are compared with {stand_in}. In the management account, trusted access for Account Management lets "
            "them be read."
        )
    held = facts.definition.parameters if facts.definition else {}
    limits = [f"{name}={held[name]}" for name in ("Regions", "ExcludedRegions") if held.get(name)]
    if limits:
        said.append(f"The stack set is limited by {' and '.join(limits)}.")
    if held.get("RegionScope") == "WithRepositories":
        said.append("RegionScope=WithRepositories: a Region without a repository gets none, and is missing here.")
    return said


def _names(text: str) -> frozenset[str]:
    return frozenset(name.lower() for name in re.split(r"[,\s]+", text) if name)


def main() -> None:
    """Report what the environment describes."""
    argparse.ArgumentParser(
        prog="make coverage-report",
        usage="make coverage-report [STACK_SET=...] [REGION=...] [CALL_AS=...] [REGIONS=...]",
        description=__doc__,
        epilog=VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    report(take_environment(os.environ), console())


if __name__ == "__main__":
    sys.exit(exit_status(main))
