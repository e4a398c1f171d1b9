"""Whom the organization consists of, and whether the operator may act for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from cli.aws import Aws, error_code, error_text
from cli.errors import CliError
from cli.request import Request


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the organization."""

    id: str
    name: str
    status: str
    """ACTIVE, SUSPENDED, PENDING_CLOSURE, or what AWS adds one day."""

    @property
    def is_active(self) -> bool:
        """Whether stacks can be deployed to it."""
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization, as far as the operator may see it."""

    id: str
    management: str
    """The management account."""
    client: Any

    def seen_from(self, aws: Aws) -> str:
        """Return which organization this is, and where the operator works in it, for the head of a command."""
        return f"organization {self.id}, account {aws.account}, {aws.region}"

    def accounts(self, unit: str = "") -> list[Account]:
        """Return every account, or those of a unit, closed ones too, for as long as AWS lists them (90 days)."""
        operation, named = ("list_accounts_for_parent", {"ParentId": unit}) if unit else ("list_accounts", {})
        pages = self.client.get_paginator(operation).paginate(**named)
        found = (raw for page in pages for raw in page["Accounts"])
        return [Account(raw["Id"], raw.get("Name", ""), raw.get("Status", "ACTIVE")) for raw in found]

    def targets(self, units: Sequence[str]) -> list[Account]:
        """Return the active member accounts in these units and all units below: those that a stack set reaches.

        Raises CliError if there are none.
        """
        found: dict[str, Account] = {}
        waiting = list(units)  # which grows; a unit that is named beside its parent is read twice
        try:
            for unit in waiting:
                found |= {each.id: each for each in self.accounts(unit)}
                below = self.client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit)
                waiting += [raw["Id"] for page in below for raw in page["OrganizationalUnits"]]
        except ClientError as error:
            if error_code(error) not in {"ParentNotFoundException", "InvalidInputException"}:
                raise
            raise CliError(f"OU_IDS names a unit that is not in {self.id}: {error_text(error)}") from None
        reached = [found[number] for number in sorted(found) if found[number].is_active and number != self.management]
        if not reached:
            raise CliError(
                f"there is no active account in {', '.join(units)} that a stack set reaches; the management account "
                "is never one. Look at: aws organizations list-accounts-for-parent --parent-id ..."
            )
        return reached


def find(aws: Aws) -> Organization:
    """Return the organization of the operator's account. Raises ClientError."""
    client = aws.client("organizations")
    described = client.describe_organization()["Organization"]
    return Organization(described["Id"], described["MasterAccountId"], client)


def problems_of(aws: Aws, organization: Organization, asked: Request) -> Iterator[str]:
    """Yield every reason why stack sets cannot be used as `asked` says."""
    if asked.organization and asked.organization != organization.id:
        yield f"ORG_ID is {asked.organization}, but the account {aws.account} belongs to {organization.id}."
    if strangers := sorted({path.split("/")[0] for path in asked.paths} - {organization.id}):
        yield f"ORG_PATHS names {', '.join(strangers)}, but the account {aws.account} belongs to {organization.id}."
    manages, delegated = aws.account == organization.management, asked.call_as == "DELEGATED_ADMIN"
    if delegated and manages:
        yield f"CALL_AS=DELEGATED_ADMIN, but {aws.account} is the management account. Leave CALL_AS out."
    if not (delegated or manages):
        yield (
            f"you are signed in to {aws.account}, and the management account is {organization.management}. Sign in "
            "there, or set CALL_AS=DELEGATED_ADMIN if this account is a delegated administrator of StackSets."
        )
    if "INCLUDE_MANAGEMENT" in asked.flags and not manages:
        yield (
            f"INCLUDE_MANAGEMENT=1 makes a stack in the management account, and you are signed in to {aws.account}. "
            "Leave it out, and run make deploy in the management account."
        )
    if aws.partition == "aws-cn":
        yield "the partition aws-cn has no service-managed stack sets. Use make deploy in each account."
    elif manages or delegated:
        yield from _problems_of_trust(aws, asked)


def _problems_of_trust(aws: Aws, asked: Request) -> Iterator[str]:
    try:
        status = aws.client("cloudformation").describe_organizations_access(CallAs=asked.call_as)["Status"]
    except ClientError as error:
        # Who may use stack sets need not be allowed to ask this; the stack set itself will fail if it matters.
        if error_code(error) == "ValidationError":
            yield f"StackSets does not take CALL_AS={asked.call_as}: {error_text(error)}"
        return
    if status != "ENABLED":
        yield (
            "StackSets may not act in the accounts of this organization yet (trusted access). Once, in the management "
            "account: aws cloudformation activate-organizations-access"
        )
