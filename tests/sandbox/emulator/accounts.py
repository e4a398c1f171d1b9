"""Accounts: to whose organization one belongs, who may act for it, and which Regions it has enabled."""

import json
import time
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import account as account_service
from ministack.services import ec2, organizations

from tests.sandbox.emulator.control import state, verb
from tests.sandbox.emulator.invocations import announce
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.known_regions import KNOWN_REGIONS, WITHOUT_OPT_IN

Payload = dict[str, Any]
Json = tuple[int, dict[str, str], bytes]

HOME_REGION = "us-east-1"  # events about an account's Regions go to the bus of this one

# Organizations


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
            "_ParentId": parent or next(iter(organizations._roots)),
        }


# Regions


@replacing(ec2, "_describe_regions")
def describe_the_regions_of_the_account(_original: Any, _request: dict[str, Any]) -> Any:
    """Answer all Regions, with what they are to the account; MiniStack answers 31, all enabled, to every account."""
    statuses = {region: _status(region, "not-opted-in", "opted-in", "opt-in-not-required") for region in KNOWN_REGIONS}
    items = "".join(
        f"<item><regionName>{region}</regionName><optInStatus>{status}</optInStatus></item>"
        for region, status in statuses.items()
    )
    return ec2._xml(200, "DescribeRegionsResponse", f"<regionInfo>{items}</regionInfo>")


def _status(region: str, disabled: str, enabled: str, default: str) -> str:
    """Return one of three words for the status of a Region of the caller's account."""
    if region not in state.enabled_regions(responses.get_account_id()):
        return disabled
    return default if region in WITHOUT_OPT_IN else enabled


def _list_regions(request: dict[str, Any]) -> Json:
    statuses = {region: _status(region, "DISABLED", "ENABLED", "ENABLED_BY_DEFAULT") for region in KNOWN_REGIONS}
    wanted = request.get("RegionOptStatusContains") or statuses.values()
    listed = [{"RegionName": name, "RegionOptStatus": status} for name, status in statuses.items() if status in wanted]
    return _json({"Regions": listed})


def _enable_region(request: dict[str, Any]) -> Json:
    region, account = request["RegionName"], responses.get_account_id()
    state.enabled_regions(account).add(region)
    for status in ("ENABLING", "ENABLED"):
        detail = {"accountId": account, "status": status, "regionName": region}
        announce(account, HOME_REGION, "Region Opt-In Status Change", detail)
    return _json({})


def _json(body: dict[str, Any]) -> Json:
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


# MiniStack knows neither. A Region that is enabled later must be registered by the rule of the template.
account_service._DISPATCH |= {"/listRegions": _list_regions, "/enableRegion": _enable_region}


@verb
def set_regions(account: str, enabled: list[str]) -> None:
    """Give the account exactly these Regions."""
    state.regions[account] = set(enabled)
