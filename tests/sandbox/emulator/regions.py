"""Regions: which of them an account has enabled, and the event when that changes."""

import json
from typing import Any

from ministack.core import responses
from ministack.services import account as account_service
from ministack.services import ec2

from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.invocations import announce
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state
from tests.sandbox.known_regions import KNOWN_REGIONS, WITHOUT_OPT_IN

Json = tuple[int, dict[str, str], bytes]

HOME_REGION = "us-east-1"  # events about an account's Regions go to the bus of this one


@replacing(ec2, "_describe_regions")
def describe_the_regions_of_the_account(_original: Any, request: dict[str, Any]) -> Any:
    """Answer the enabled Regions of the account; MiniStack answers 31, all enabled, to every account."""
    everything = ec2._p(request, "AllRegions", "").lower() == "true"
    statuses = {region: _status(region, "not-opted-in", "opted-in", "opt-in-not-required") for region in KNOWN_REGIONS}
    items = "".join(
        f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
        f"<optInStatus>{status}</optInStatus></item>"
        for region, status in statuses.items()
        if everything or status != "not-opted-in"
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
