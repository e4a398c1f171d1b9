"""An organization in the local AWS, and somebody who covers it: `make deploy-org`, `make delete-org`."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from rich.console import Console

from launcher import organization, organization_delete, organization_progress, organization_stack
from launcher.errors import LauncherError
from launcher.organization_progress import console
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.simulator import Connection, FalconSimulator

MANAGEMENT = ACCOUNT
STACK_SET = "falcon"
MEMBERS = tuple(f"20000000000{number}" for number in range(1, 7))
NEWCOMER, OUTSIDER = "200000000009", "999988887777"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"


@dataclass
class Ran:
    """What a command printed, and what it failed with, if it did."""

    text: str
    problem: str


@dataclass
class Operator:
    """Somebody signed in to the management account, or to the account that `environment` says."""

    aws: LocalAws
    falcon: FalconSimulator
    monkeypatch: pytest.MonkeyPatch
    units: Mapping[str, str]
    organization: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def credentials(self) -> dict[str, str]:
        return {"FALCON_CLIENT_ID": self.falcon.client_id, "FALCON_CLIENT_SECRET": self.falcon.client_secret}

    def deploy(self, parameters: str = "", regions: str = "us-east-1,eu-west-1", **environment: str) -> Ran:
        """Run `make deploy-org` for both units; the functions find Falcon on this machine."""
        given = {
            "ORG_ID": self.organization,
            "OU_IDS": ",".join(self.units.values()),
            "PARAMETERS": f"FalconApiUrl={self.falcon.url} Regions={regions} {parameters}",
        }
        return self.run(organization.deploy, given | environment)

    def delete(self, **environment: str) -> Ran:
        """Run `make delete-org`, agreeing in advance."""
        return self.run(organization_delete.delete, {"YES": "1"} | environment)

    def run(self, command: Any, environment: Mapping[str, str], shown: Console | None = None) -> Ran:
        """Run a command as its own process would, but at once and here."""
        aws = self.aws.environment() | self.environment
        for name, value in aws.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(organization_progress, "POLL_SECONDS", 0.1)
        self.monkeypatch.setattr(organization_stack, "POLL_SECONDS", 0.1)
        shown = shown or console()
        shown.file = output = io.StringIO()
        try:
            command({"STACK_SET": STACK_SET, "REGION": aws["AWS_REGION"]} | dict(environment), shown)
        except LauncherError as error:
            return Ran(output.getvalue(), str(error))
        return Ran(output.getvalue(), "")

    # What there is

    def instances(self) -> dict[str, str]:
        """Return the status of each account's stack."""
        summaries = self.aws.client("cloudformation").list_stack_instances(StackSetName=STACK_SET)["Summaries"]
        return {each["Account"]: each["Status"] for each in summaries}

    def connected(self) -> dict[str, list[Connection]]:
        """Return the connections of each account that has some."""
        accounts = (MANAGEMENT, *MEMBERS, NEWCOMER)
        return {account: found for account in accounts if (found := self.falcon.connections_of(account))}

    def parameters(self, account: str) -> list[dict[str, str]]:
        """Return the parameters of the account's stacks, whatever their names."""
        stacks = self.aws.client("cloudformation", account).describe_stacks()["Stacks"]
        return [{each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]} for stack in stacks]


def organize(aws: LocalAws) -> tuple[str, dict[str, str]]:
    """Make an organization with two units, one of them with a unit below, and six members; return its id and units."""
    organizations = aws.client("organizations")
    found = organizations.describe_organization()["Organization"]["Id"]
    root = organizations.list_roots()["Roots"][0]["Id"]
    units: dict[str, str] = {}
    for name, parent in (("security", root), ("workloads", root), ("production", "workloads")):
        answer = organizations.create_organizational_unit(ParentId=units.get(parent, parent), Name=name)
        units[name] = answer["OrganizationalUnit"]["Id"]
    for account, unit in zip(MEMBERS, ("security", *("workloads",) * 2, *("production",) * 3), strict=True):
        aws.join_organization(account, units[unit])
    aws.client("cloudformation").activate_organizations_access()
    del units["production"]  # below workloads
    return str(found), units
