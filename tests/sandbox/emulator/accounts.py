"""Organizations: which account belongs to whose organization, and who may act for it."""

import time
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import organizations

from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state

Payload = dict[str, Any]


def management_account(account: str) -> str:
    """Return the management account of the account's organization; an account without one manages itself."""
    owners = [owner for owner, member in organizations._accounts.to_dict() if member == account and owner != account]
    return owners[0] if owners else account


def is_delegated_administrator(account: str) -> bool:
    """Whether the organization lets this account administer StackSets."""
    return account in state.delegated_administrators.get(management_account(account), set())


def accounts_below(management: str, parents: set[str]) -> dict[str, str]:
    """Return the member accounts below these OUs or roots, each with its own OU."""
    units = {unit: record for (owner, unit), record in organizations._ous.to_dict().items() if owner == management}
    below = set(parents)
    while found := {unit for unit, record in units.items() if record["_ParentId"] in below} - below:
        below |= found
    return {
        account: record["_ParentId"]
        for (owner, account), record in organizations._accounts.to_dict().items()
        if owner == management and account != management and record["_ParentId"] in below
    }


@replacing(organizations, "handle_request")
async def serve_members_too(original: Any, *request: Any) -> Any:
    """Let a member account see its organization.

    With MiniStack every account manages an organization of its own.
    """
    with responses.request_scope(management_account(responses.get_account_id()), responses.get_region()):
        return await original(*request)


@replacing(iam_evaluator, "_principal_org_id")
def know_the_organization_of_members(_original: Any, account: str) -> str | None:
    """Let `aws:PrincipalOrgID` of a member be the id of its organization, which a bucket policy may admit."""
    organization = organizations._orgs.get_scoped(management_account(account), None, "self")
    return organization["Id"] if organization else None


def _distrust(request: Payload) -> Any:
    state.trusted_services[responses.get_account_id()].discard(request["ServicePrincipal"])
    return organizations._json(200, {})


def _delegate(request: Payload) -> Any:
    state.delegated_administrators.setdefault(responses.get_account_id(), set()).add(request["AccountId"])
    return organizations._json(200, {})


# An organization may trust services and delegate their administration; MiniStack knows neither.
organizations._DISPATCH |= {"DisableAWSServiceAccess": _distrust, "RegisterDelegatedAdministrator": _delegate}


@verb
def join_organization(account: str, parent: str, management: str) -> None:
    """Make an account with a number of our choice a member, below the root or an OU; CreateAccount invents one."""
    with responses.request_scope(management, responses.get_region()):
        organizations._ensure_org()
        root = next(iter(organizations._roots))
        organization = organizations._orgs["self"]["Id"]
        organizations._accounts[account] = {
            "Id": account,
            "Arn": f"arn:aws:organizations::{management}:account/{organization}/{account}",
            "Email": f"{account}@example.com",
            "Name": f"Account {account}",
            "Status": "ACTIVE",
            "JoinedMethod": "INVITED",
            "JoinedTimestamp": int(time.time()),
            "Path": "/",
            "_ParentId": root,
        }
        if parent:
            move = {"AccountId": account, "SourceParentId": root, "DestinationParentId": parent}
            organizations._move_account(move)
