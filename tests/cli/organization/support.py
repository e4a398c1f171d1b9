"""An organization in the local AWS, and somebody who covers it: `make deploy-org`, `make delete-org`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cli.credentials import Credentials
from tests.cli.support import NOBODY, Operator, Ran
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.simulator import Connection

MANAGEMENT = ACCOUNT
STACK_SET = "falcon"
MEMBERS = tuple(f"20000000000{number}" for number in range(1, 7))
OUTSIDER = "999988887777"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"


@dataclass
class OrganizationOperator(Operator):
    """Somebody signed in to the management account, or to the account that `environment` says."""

    units: Mapping[str, str] = field(default_factory=dict)

    def deploy(self, parameters: str = "", given: Credentials = NOBODY, **variables: str) -> Ran:
        """Run `make deploy-org` for both units; the functions find Falcon on this machine."""
        asked = {
            "STACK_SET": STACK_SET,
            "OU_IDS": ",".join(self.units.values()),
            "PARAMETERS": f"FalconApiUrl={self.falcon.url} Regions=us-east-1,eu-west-1 {parameters}",
        }
        return self.run("deploy-org", given, **asked | variables)

    def launch(self, **variables: str) -> Ran:
        """Run `make deploy-org` for the first time, for the unit with one member; it must succeed.

        Afterwards no account is at work: the repairs that the schedules begin with would meet what a test arms.
        """
        ran = self.deploy("", self.credentials, **{"OU_IDS": self.units["security"]} | variables)
        assert ran.ok, ran.text + ran.problem
        for account in MEMBERS:
            self.aws.settle(account)
        return ran

    def delete(self, **variables: str) -> Ran:
        """Run `make delete-org`, agreeing in advance."""
        return self.run("delete-org", **{"STACK_SET": STACK_SET, "YES": "1"} | variables)

    def report(self, **variables: str) -> Ran:
        """Run `make coverage-report`."""
        return self.run("coverage-report", self.credentials, **{"STACK_SET": STACK_SET} | variables)

    def connected(self) -> dict[str, list[Connection]]:
        """Return the connections of each account that has some."""
        accounts = (MANAGEMENT, *MEMBERS)
        return {account: found for account in accounts if (found := self.falcon.connections_of(account))}


def organize(aws: LocalAws) -> dict[str, str]:
    """Make an organization with two units, one of them with a unit below, and six members; return the units."""
    organizations = aws.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    units: dict[str, str] = {}
    for name, parent in (("security", root), ("workloads", root), ("production", "workloads")):
        answer = organizations.create_organizational_unit(ParentId=units.get(parent, parent), Name=name)
        units[name] = answer["OrganizationalUnit"]["Id"]
    for account, unit in zip(MEMBERS, ("security", *("workloads",) * 2, *("production",) * 3), strict=True):
        aws.join_organization(account, units[unit])
    aws.client("cloudformation").activate_organizations_access()
    del units["production"]  # below workloads
    return units
