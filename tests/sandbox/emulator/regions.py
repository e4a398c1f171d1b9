"""Repairs of Regions: which of them an account has enabled, and the event when that changes."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import account as account_service
from ministack.services import ec2

from tests.sandbox.emulator import invocations, patching
from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.state import state
from tests.sandbox.known_regions import KNOWN_REGIONS, WITHOUT_OPT_IN

Json = tuple[int, dict[str, str], bytes]

# Events about an account's Regions go to the bus of this Region of the account.
HOME_REGION = "us-east-1"


def repair() -> None:
    """Apply the repairs of this module."""
    describe_the_regions_of_the_account()
    opt_in_and_tell_the_event_bus()
    accept_requests_in_enabled_regions_only()


def enabled_regions(account: str) -> set[str]:
    """Return the Regions that the account has enabled; a new account has those that need no opt-in."""
    return state.enabled_regions.setdefault(account, set(WITHOUT_OPT_IN))


def describe_the_regions_of_the_account() -> None:
    """Answer the enabled Regions of the account, with AllRegions the others too.

    MiniStack answers 31 Regions, all enabled, to every account.
    """

    def describe(_original: Any) -> Callable[[dict[str, Any]], Any]:
        def describe(request: dict[str, Any]) -> Any:
            wanted = ec2._parse_member_list(request, "RegionName")
            if unknown := set(wanted) - set(KNOWN_REGIONS):
                return ec2._error("InvalidParameterValue", f"Invalid region(s): [{', '.join(sorted(unknown))}]", 400)
            statuses = {region: _ec2_status(region) for region in wanted or KNOWN_REGIONS}
            if ec2._p(request, "AllRegions", "").lower() != "true":
                statuses = {region: status for region, status in statuses.items() if status != "not-opted-in"}
            items = "".join(
                f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
                f"<optInStatus>{status}</optInStatus></item>"
                for region, status in statuses.items()
                if _passes_filters(request, region, status)
            )
            return ec2._xml(200, "DescribeRegionsResponse", f"<regionInfo>{items}</regionInfo>")

        return describe

    patching.replace(ec2, "_describe_regions", describe)


def _ec2_status(region: str) -> str:
    if region not in enabled_regions(responses.get_account_id()):
        return "not-opted-in"
    return "opt-in-not-required" if region in WITHOUT_OPT_IN else "opted-in"


def _passes_filters(request: dict[str, Any], region: str, status: str) -> bool:
    values = {"region-name": region, "opt-in-status": status, "endpoint": f"ec2.{region}.amazonaws.com"}
    filters = ec2._parse_filters(request)
    return all(values.get(name) in accepted for name, accepted in filters.items())


def opt_in_and_tell_the_event_bus() -> None:
    """Let an account enable and disable opt-in Regions, and tell its event bus.

    MiniStack knows neither call. A Region that is enabled later must be registered by the rule of the template.
    """
    account_service._DISPATCH.update(
        {
            "/listRegions": _list_regions,
            "/getRegionOptStatus": lambda request: _json({"RegionName": request["RegionName"]} | _opt(request)),
            "/enableRegion": lambda request: _switch(request, enable=True),
            "/disableRegion": lambda request: _switch(request, enable=False),
        }
    )


def _list_regions(request: dict[str, Any]) -> Json:
    wanted = request.get("RegionOptStatusContains")
    statuses = {region: _account_status(region) for region in KNOWN_REGIONS}
    listed = [
        {"RegionName": region, "RegionOptStatus": status}
        for region, status in statuses.items()
        if not wanted or status in wanted
    ]
    return _json({"Regions": listed})


def _opt(request: dict[str, Any]) -> dict[str, str]:
    return {"RegionOptStatus": _account_status(request["RegionName"])}


def _account_status(region: str) -> str:
    if region not in enabled_regions(responses.get_account_id()):
        return "DISABLED"
    return "ENABLED_BY_DEFAULT" if region in WITHOUT_OPT_IN else "ENABLED"


def _switch(request: dict[str, Any], *, enable: bool) -> Json:
    region, account = request["RegionName"], request.get("AccountId") or responses.get_account_id()
    if region in WITHOUT_OPT_IN or region not in KNOWN_REGIONS:
        refused = {"message": f"{region} cannot be enabled or disabled"}
        return 400, {"Content-Type": "application/json", "x-amzn-errortype": "ValidationException"}, _body(refused)
    regions = enabled_regions(account)
    (regions.add if enable else regions.discard)(region)
    for status in ("ENABLING", "ENABLED") if enable else ("DISABLING", "DISABLED"):
        _announce(account, region, status)
    return _json({})


def _announce(account: str, region: str, status: str) -> None:
    detail = {"accountId": account, "status": status, "regionName": region}
    invocations.announce(
        {
            "account": account,
            "region": HOME_REGION,
            "source": "aws.account",
            "detail_type": "Region Opt-In Status Change",
            "detail": detail,
        }
    )


def _json(body: dict[str, Any]) -> Json:
    return 200, {"Content-Type": "application/json"}, _body(body)


def _body(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def accept_requests_in_enabled_regions_only() -> None:
    """Know an account's credentials only in the Regions that it has enabled, as AWS does.

    MiniStack serves every account everywhere, even in Regions that do not exist.
    """

    def enforce(original: Callable[..., Any]) -> Callable[..., Any]:
        def enforce(access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any) -> Any:
            if region and region not in enabled_regions(responses.get_account_id()):
                message = "The security token included in the request is invalid."
                return iam_evaluator.AuthError("UnrecognizedClientException", message)
            return original(access_key, action, service, region, *args, **kwargs)

        return enforce

    patching.replace(iam_evaluator, "enforce", enforce)


@verb
def set_regions(request: dict[str, Any]) -> None:
    """Give the account exactly these Regions."""
    if unknown := set(request["enabled"]) - set(KNOWN_REGIONS):
        raise ValueError(f"Not a commercial Region: {sorted(unknown)}")
    state.enabled_regions[request["account"]] = set(request["enabled"])
