"""StackSets with service-managed permissions, which MiniStack does not have.

A model of our own: it deploys real stacks to the members of the organization, in the number that the preferences say,
and tolerates any number of failures. It cannot surprise us where AWS would.
"""

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import cloudformation, organizations
from ministack.services.cloudformation import engine, handlers, helpers

from tests.sandbox.emulator.accounts import accounts_below, is_delegated_administrator, management_account
from tests.sandbox.emulator.control import state
from tests.sandbox.emulator.query import answer, flat, nested

Request = dict[str, Any]
Target = tuple[str, str]  # account, Region
Shown = dict[str, Any]
"""A StackSet, an operation or an instance, as the API shows it; what begins with an underscore is not shown."""

NOT_MANAGEMENT = "You must be the management account or delegated admin account of an organization before operating a"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"
EXECUTION_ROLE = "stacksets-exec-0123456789abcdef0123456789abcdef"
NO_UPDATES = "No updates are to be performed"  # which is a success to StackSets
POLL_SECONDS = 0.05

_tasks: set[asyncio.Task[None]] = set()


class RefusedError(Exception):
    """The request cannot be done; the arguments are AWS's code and message, and the status if it is not 400."""


class InstanceFailedError(Exception):
    """A stack of the StackSet did not reach the state that it should."""


def action(function: Callable[[Request], dict[str, Any]]) -> Callable[[Request], dict[str, Any]]:
    """Serve the function as the action of its name."""
    name = "".join(word.capitalize() for word in function.__name__.split("_"))

    def serve(parameters: dict[str, Any]) -> Any:
        try:
            return answer(name, **function(nested(parameters)))
        except RefusedError as refused:
            return helpers._error(*refused.args)

    handlers._ACTION_HANDLERS[name] = serve
    return function


# The API


@action
def activate_organizations_access(_: Request) -> dict[str, Any]:
    """Let StackSets act in the organization."""
    state.trusted_services.setdefault(_owner({}), set()).add(SERVICE)
    return {}


@action
def describe_organizations_access(request: Request) -> dict[str, Any]:
    """Say whether StackSets may act in the organization."""
    return {"Status": "ENABLED" if SERVICE in state.trusted_services.get(_owner(request), set()) else "DISABLED"}


@action
def create_stack_set(request: Request) -> dict[str, Any]:
    """Create a StackSet; nothing is deployed yet."""
    owner, name = _owner(request), request["StackSetName"]
    lists: Shown = {"Capabilities": [], "Regions": [], "OrganizationalUnitIds": [], "_operations": []}
    ours: Shown = {"StackSetName": name, "Status": "ACTIVE", "_owner": owner, "_parameters": {}, "_instances": {}}
    state.stack_sets[owner, name] = stack_set = {**ours, **lists, "TemplateBody": _template(request)}
    _define(stack_set, request)
    return {"StackSetId": name}


@action
def update_stack_set(request: Request) -> dict[str, Any]:
    """Change the StackSet and update its instances."""
    stack_set = _stack_set(request)
    if request.get("UsePreviousTemplate") != "true":
        stack_set["TemplateBody"] = _template(request)
    _define(stack_set, request)
    for instance in stack_set["_instances"].values():
        instance["Status"] = "OUTDATED"
    everything = {target: each["OrganizationalUnitId"] for target, each in stack_set["_instances"].items()}
    return _start(stack_set, "UPDATE", request, everything)


@action
def delete_stack_set(request: Request) -> dict[str, Any]:
    """Delete a StackSet that has no instances."""
    stack_set = _stack_set(request)
    if stack_set["_instances"]:
        raise RefusedError("StackSetNotEmptyException", "StackSet is not empty")
    del state.stack_sets[stack_set["_owner"], stack_set["StackSetName"]]
    return {}


@action
def describe_stack_set(request: Request) -> dict[str, Any]:
    """Return a StackSet, without the values of parameters that are never shown."""
    stack_set = _stack_set(request)
    defined = engine._parse_template(stack_set["TemplateBody"]).get("Parameters", {})
    hidden = {name for name, each in defined.items() if str(each.get("NoEcho")).lower() == "true"}
    shown = {key: "****" if key in hidden else value for key, value in stack_set["_parameters"].items()}
    return {"StackSet": stack_set | {"Parameters": _listed(shown)}}


@action
def create_stack_instances(request: Request) -> dict[str, Any]:
    """Deploy to the accounts below the targeted OUs."""
    stack_set, units = _stack_set(request), request.get("DeploymentTargets", {}).get("OrganizationalUnitIds", [])
    for name, more in (("OrganizationalUnitIds", units), ("Regions", request.get("Regions", []))):
        stack_set[name] = sorted({*stack_set[name], *more})
    return _start(stack_set, "CREATE", request, _targets(stack_set, request))


@action
def update_stack_instances(request: Request) -> dict[str, Any]:
    """Update some instances."""
    stack_set = _stack_set(request)
    return _start(stack_set, "UPDATE", request, _targets(stack_set, request))


@action
def delete_stack_instances(request: Request) -> dict[str, Any]:
    """Delete instances, and their stacks unless they are retained."""
    stack_set = _stack_set(request)
    targets, given = _targets(stack_set, request), request["DeploymentTargets"]
    if set(request.get("Regions", [])) >= set(stack_set["Regions"]) and not given.get("Accounts"):
        left = set(stack_set["OrganizationalUnitIds"]) - set(given["OrganizationalUnitIds"])
        stack_set["OrganizationalUnitIds"] = sorted(left)
    return _start(stack_set, "DELETE", request, targets)


@action
def list_stack_instances(request: Request) -> dict[str, Any]:
    """Return the instances."""
    return {"Summaries": list(_stack_set(request)["_instances"].values())}


@action
def describe_stack_set_operation(request: Request) -> dict[str, Any]:
    """Return an operation."""
    return {"StackSetOperation": _operation(request)}


@action
def list_stack_set_operations(request: Request) -> dict[str, Any]:
    """Return the operations, the latest first."""
    return {"Summaries": _stack_set(request)["_operations"][::-1]}


@action
def list_stack_set_operation_results(request: Request) -> dict[str, Any]:
    """Return what came of an operation in each account and Region."""
    return {"Summaries": _operation(request)["_results"]}


# What requests mean


def _owner(request: Request) -> str:
    """Return the management account, if the caller may act for it."""
    caller = responses.get_account_id()
    management = management_account(caller)
    delegated = request.get("CallAs") == "DELEGATED_ADMIN" and is_delegated_administrator(caller)
    if caller != management and not delegated:
        raise RefusedError("ValidationError", f"{NOT_MANAGEMENT} SERVICE_MANAGED stack set")
    return management


def _stack_set(request: Request) -> Shown:
    owner, name = _owner(request), request["StackSetName"]
    if (owner, name) not in state.stack_sets:
        raise RefusedError("StackSetNotFoundException", f"StackSet {name} not found", 404)
    return state.stack_sets[owner, name]


def _define(stack_set: Shown, request: Request) -> None:
    """Take what a request says of a StackSet besides its template."""
    before = stack_set["_parameters"]
    stack_set["_parameters"] = {
        each["ParameterKey"]: before[each["ParameterKey"]]
        if each.get("UsePreviousValue") == "true"
        else each.get("ParameterValue", "")
        for each in request.get("Parameters", [])
    }
    stack_set |= {
        name: request[name] for name in request.keys() & {"Capabilities", "AutoDeployment", "ManagedExecution"}
    }


def _listed(parameters: dict[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]


def _template(request: Request) -> str:
    body, _ = helpers._resolve_template({key: [value] for key, value in request.items() if key.startswith("Templ")})
    return str(body)


def _targets(stack_set: Shown, request: Request) -> dict[Target, str]:
    """Return the accounts and Regions that a request means, each with its OU."""
    given = request["DeploymentTargets"]
    below = accounts_below(stack_set["_owner"], set(given["OrganizationalUnitIds"]))
    picked = given.get("AccountFilterType") == "INTERSECTION"  # the only one that is known here
    chosen = sorted(set(below) & set(given["Accounts"]) if picked else below)
    return {(account, region): below[account] for region in request["Regions"] for account in chosen}


def _operation(request: Request) -> Shown:
    operations: list[Shown] = _stack_set(request)["_operations"]
    return next(each for each in operations if each["OperationId"] == request["OperationId"])


# Operations


def _start(stack_set: Shown, kind: str, request: Request, targets: dict[Target, str]) -> dict[str, Any]:
    """Start an operation and return its id. Nobody starts one while another is under way."""
    if kind != "CREATE":
        targets = {target: unit for target, unit in targets.items() if target in stack_set["_instances"]}
    operation: Shown = {
        "Action": kind,
        "OperationId": str(uuid.uuid4()),
        "OperationPreferences": request.get("OperationPreferences", {}),
        "Status": "RUNNING",
        "_retain": request.get("RetainStacks") == "true",
        "_targets": targets,
        "_results": [],
    }
    stack_set["_operations"].append(operation)
    task = asyncio.get_running_loop().create_task(_run(stack_set, operation))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return {"OperationId": operation["OperationId"]}


def _standing(status: str, detailed: str, reason: str = "") -> Shown:
    """Return the status of an instance: CURRENT, OUTDATED or INOPERABLE, and what it comes from."""
    return {"Status": status, "StatusReason": reason, "StackInstanceStatus": {"DetailedStatus": detailed}}


async def _run(stack_set: Shown, operation: Shown) -> None:
    places = asyncio.Semaphore(int(operation["OperationPreferences"].get("MaxConcurrentCount", 1)))

    async def one(target: Target) -> None:
        async with places:
            await _run_instance(stack_set, operation, target)

    await asyncio.gather(*(asyncio.create_task(one(target)) for target in operation["_targets"]))
    operation["Status"] = "SUCCEEDED"  # any number of failures is tolerated, the only choice that is known here


async def _run_instance(stack_set: Shown, operation: Shown, target: Target) -> None:
    """Do the operation's work in one account and Region; this task acts for that account from here on."""
    account, region = target
    where = {"Account": account, "Region": region}
    if operation["Action"] == "CREATE":
        new = {**where, "OrganizationalUnitId": operation["_targets"][target], "StackId": ""}
        stack_set["_instances"].setdefault(target, new | _standing("OUTDATED", "PENDING"))
    result: Shown = {**where, "Status": "RUNNING"}
    operation["_results"].append(result)
    instance: Shown = stack_set["_instances"][target]
    instance["StackInstanceStatus"] = {"DetailedStatus": "RUNNING"}
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    iam_evaluator._request_caller_arn.set(f"arn:aws:sts::{account}:assumed-role/{EXECUTION_ROLE}/stackset")
    deletes, retain = operation["Action"] == "DELETE", operation["_retain"]
    member = organizations._accounts.get_scoped(stack_set["_owner"], None, account) or {}
    if member.get("Status") == "SUSPENDED" and not retain:  # nothing is done, and nobody's failure
        instance["StackInstanceStatus"], result["Status"] = {"DetailedStatus": "SKIPPED_SUSPENDED_ACCOUNT"}, "SUCCEEDED"
        return
    try:
        await (_delete(stack_set, instance, retain=retain) if deletes else _put(stack_set, instance))
    except InstanceFailedError as failure:
        instance |= _standing("INOPERABLE" if deletes else "OUTDATED", "FAILED", str(failure))
        result |= {"Status": "FAILED", "StatusReason": str(failure)}
    else:
        instance |= _standing("CURRENT", "SUCCEEDED")
        result["Status"] = "SUCCEEDED"


async def _put(stack_set: Shown, instance: Shown) -> None:
    """Create the instance's stack, or update it; a stack that never came to be is replaced."""
    if _status(instance) == "ROLLBACK_COMPLETE":
        await _delete_stack(instance)
    request = {name: stack_set[name] for name in ("TemplateBody", "Capabilities")}
    request["Parameters"] = _listed(stack_set["_parameters"])
    if _status(instance) in {"", "DELETE_COMPLETE"}:
        name = f"StackSet-{stack_set['StackSetName']}-{uuid.uuid4()}"
        created = _call(handlers._create_stack, {"StackName": name, **request})
        (instance["StackId"],) = re.findall(r"<StackId>(.+?)</StackId>", created)
    else:
        _call(handlers._update_stack, {"StackName": instance["StackId"], **request})
    await _require_end(instance, "CREATE_COMPLETE", "UPDATE_COMPLETE")


async def _delete(stack_set: Shown, instance: Shown, *, retain: bool) -> None:
    """Delete the instance, and its stack unless it is retained."""
    if not retain and _status(instance):
        await _delete_stack(instance)
    del stack_set["_instances"][instance["Account"], instance["Region"]]


async def _delete_stack(instance: Shown) -> None:
    _call(handlers._delete_stack, {"StackName": instance["StackId"]})
    await _require_end(instance, "DELETE_COMPLETE")


def _call(handler: Callable[[dict[str, list[str]]], Any], request: dict[str, Any]) -> str:
    status, _, body = handler(flat(request))
    text = str(body.decode())
    if status >= 400 and NO_UPDATES not in text:
        raise InstanceFailedError(*re.findall(r"<Message>(.+?)</Message>", text, re.DOTALL))
    return text


def _status(instance: Shown) -> str:
    stack = handlers._resolve_stack(instance["StackId"]) if instance["StackId"] else None
    return str(stack["StackStatus"]) if stack else ""


async def _require_end(instance: Shown, *statuses: str) -> None:
    if (status := await _ended(instance)) not in statuses:
        raise InstanceFailedError(_first_failure(instance) or f"The stack is {status}")


async def _ended(instance: Shown) -> str:
    over = state.over
    await asyncio.sleep(0)  # the stack's own task starts
    while _status(instance).endswith("_IN_PROGRESS") and not over.is_set():
        await asyncio.sleep(POLL_SECONDS)
    return _status(instance)


def _first_failure(instance: Shown) -> str:
    """Return the first failure of the stack's last operation, as StackSets words it."""
    events: list[dict[str, Any]] = cloudformation._stack_events.get(instance["StackId"], [])
    begins = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    own = [each["ResourceStatus"] if each["PhysicalResourceId"] == instance["StackId"] else "" for each in events]
    last = max(number for number, status in enumerate(own) if status in begins)
    for each in events[last:]:
        if each["ResourceStatus"].endswith("_FAILED"):
            said = f"ResourceType:{each['ResourceType']}, ResourceStatusReason:{each['ResourceStatusReason']}."
            return f"ResourceLogicalId:{each['LogicalResourceId']}, {said}"
    return ""
