"""Regions: which of them an account has enabled, and the event when that changes."""

import json
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import account as account_service
from ministack.services import ec2

from tests.sandbox.emulator import invocations
from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state
from tests.sandbox.known_regions import KNOWN_REGIONS, WITHOUT_OPT_IN

Json = tuple[int, dict[str, str], bytes]

# Events about an account's Regions go to the bus of this Region of the account.
HOME_REGION = "us-east-1"


def enabled_regions(account: str = "") -> set[str]:
    """Return the Regions that the account, else the caller's, has enabled: at first those that need no opt-in."""
    return state.enabled_regions.setdefault(account or responses.get_account_id(), set(WITHOUT_OPT_IN))


@replacing(ec2, "_describe_regions")
def describe_the_regions_of_the_account(_original: Any, request: dict[str, Any]) -> Any:
    """Answer the enabled Regions of the account, with AllRegions the others too.

    MiniStack answers 31 Regions, all enabled, to every account.
    """
    wanted = ec2._parse_member_list(request, "RegionName")
    if unknown := set(wanted) - set(KNOWN_REGIONS):
        return ec2._error("InvalidParameterValue", f"Invalid region(s): [{', '.join(sorted(unknown))}]", 400)
    everything = ec2._p(request, "AllRegions", "").lower() == "true"
    statuses = {region: _status(region, "not-opted-in", "opted-in", "opt-in-not-required") for region in KNOWN_REGIONS}
    filters = ec2._parse_filters(request)
    items = "".join(
        f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
        f"<optInStatus>{status}</optInStatus></item>"
        for region, status in statuses.items()
        if region in (wanted or KNOWN_REGIONS)
        and (everything or status != "not-opted-in")
        and region in filters.get("region-name", [region])
        and status in filters.get("opt-in-status", [status])
    )
    return ec2._xml(200, "DescribeRegionsResponse", f"<regionInfo>{items}</regionInfo>")


def _status(region: str, disabled: str, enabled: str, default: str) -> str:
    """Return one of three words for the status of a Region of the caller's account."""
    return disabled if region not in enabled_regions() else default if region in WITHOUT_OPT_IN else enabled


def _list_regions(request: dict[str, Any]) -> Json:
    statuses = {region: _status(region, "DISABLED", "ENABLED", "ENABLED_BY_DEFAULT") for region in KNOWN_REGIONS}
    wanted = request.get("RegionOptStatusContains") or statuses.values()
    listed = [{"RegionName": name, "RegionOptStatus": status} for name, status in statuses.items() if status in wanted]
    return _json({"Regions": listed})


def _switch(request: dict[str, Any], *, enable: bool) -> Json:
    region, account = request["RegionName"], request.get("AccountId") or responses.get_account_id()
    if region in WITHOUT_OPT_IN or region not in KNOWN_REGIONS:
        return _json({"message": f"{region} cannot be enabled or disabled"}, "ValidationException")
    regions = enabled_regions(account)
    (regions.add if enable else regions.discard)(region)
    for status in ("ENABLING", "ENABLED") if enable else ("DISABLING", "DISABLED"):
        invocations.announce(
            {
                "account": account,
                "region": HOME_REGION,
                "source": "aws.account",
                "detail_type": "Region Opt-In Status Change",
                "detail": {"accountId": account, "status": status, "regionName": region},
            }
        )
    return _json({})


def _json(body: dict[str, Any], error: str = "") -> Json:
    headers = {"Content-Type": "application/json"} | ({"x-amzn-errortype": error} if error else {})
    return 400 if error else 200, headers, json.dumps(body).encode()


# MiniStack knows none of these. A Region that is enabled later must be registered by the rule of the template.
account_service._DISPATCH |= {
    "/listRegions": _list_regions,
    "/enableRegion": lambda request: _switch(request, enable=True),
    "/disableRegion": lambda request: _switch(request, enable=False),
}


@replacing(iam_evaluator, "enforce")
def accept_requests_in_enabled_regions_only(
    original: Any, access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any
) -> Any:
    """Know an account's credentials only in the Regions that it has enabled, as AWS does.

    MiniStack serves every account everywhere, even in Regions that do not exist.
    """
    if region and region not in enabled_regions():
        message = "The security token included in the request is invalid."
        return iam_evaluator.AuthError("UnrecognizedClientException", message)
    return original(access_key, action, service, region, *args, **kwargs)


@verb
def set_regions(request: dict[str, Any]) -> None:
    """Give the account exactly these Regions."""
    if unknown := set(request["enabled"]) - set(KNOWN_REGIONS):
        raise ValueError(f"Not a commercial Region: {sorted(unknown)}")
    state.enabled_regions[request["account"]] = set(request["enabled"])
