"""StackSets with service-managed permissions, which MiniStack does not have: the API.

A model of our own (with `stackset_engine`): it deploys real stacks to the members of the organization, in the number
and with the tolerance of failures that the preferences say. It cannot surprise us where AWS would.
"""

from collections.abc import Callable
from typing import Any, cast

from ministack.core import responses
from ministack.services.cloudformation import handlers, helpers

from tests.sandbox.emulator import stackset_engine
from tests.sandbox.emulator.accounts import accounts_below, is_delegated_administrator, management_account
from tests.sandbox.emulator.query import answer, nested
from tests.sandbox.emulator.stackset_engine import Operation, StackSet, Target
from tests.sandbox.emulator.state import state

Request = dict[str, Any]

NOT_MANAGEMENT = "You must be the management account or delegated admin account of an organization before operating a"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"


class RefusedError(Exception):
    """The request cannot be done; the arguments are AWS's code and message, and the status if it is not 400."""


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
    state.stack_sets[owner, name] = stack_set = StackSet(name, owner, _template(request))
    _define(stack_set, request)
    return {"StackSetId": name}


@action
def update_stack_set(request: Request) -> dict[str, Any]:
    """Change the StackSet and update its instances."""
    stack_set = _stack_set(request)
    if request.get("UsePreviousTemplate") != "true":
        stack_set.template_body = _template(request)
    _define(stack_set, request)
    for instance in stack_set.instances.values():
        instance.status = "OUTDATED"
    everything = {target: instance.organizational_unit_id for target, instance in stack_set.instances.items()}
    return _start(stack_set, "UPDATE", request, everything)


@action
def delete_stack_set(request: Request) -> dict[str, Any]:
    """Delete a StackSet that has no instances."""
    stack_set = _stack_set(request)
    if stack_set.instances:
        raise RefusedError("StackSetNotEmptyException", "StackSet is not empty")
    del state.stack_sets[stack_set.owner, stack_set.stack_set_name]
    return {}


@action
def describe_stack_set(request: Request) -> dict[str, Any]:
    """Return a StackSet."""
    return {"StackSet": _stack_set(request).describe()}


@action
def create_stack_instances(request: Request) -> dict[str, Any]:
    """Deploy to the accounts below the targeted OUs."""
    stack_set = _stack_set(request)
    stack_set.units |= set(request.get("DeploymentTargets", {}).get("OrganizationalUnitIds", []))
    stack_set.regions = list(dict.fromkeys([*stack_set.regions, *request.get("Regions", [])]))
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
    if set(request.get("Regions", [])) >= set(stack_set.regions) and not given.get("Accounts"):
        stack_set.units -= set(given["OrganizationalUnitIds"])
    return _start(stack_set, "DELETE", request, targets)


@action
def list_stack_instances(request: Request) -> dict[str, Any]:
    """Return the instances."""
    return {"Summaries": [each.describe() for each in _stack_set(request).instances.values()]}


@action
def describe_stack_set_operation(request: Request) -> dict[str, Any]:
    """Return an operation."""
    return {"StackSetOperation": _operation(request).describe()}


@action
def list_stack_set_operations(request: Request) -> dict[str, Any]:
    """Return the operations, the latest first."""
    return {"Summaries": [each.describe() for each in reversed(_stack_set(request).operations)]}


@action
def list_stack_set_operation_results(request: Request) -> dict[str, Any]:
    """Return what came of an operation in each account and Region."""
    return {
        "Summaries": [
            {"Account": account, "Region": region, "Status": status, "StatusReason": reason or None}
            for (account, region), (status, reason) in _operation(request).results.items()
        ]
    }


# What requests mean


def _owner(request: Request) -> str:
    """Return the management account, if the caller may act for it."""
    caller = responses.get_account_id()
    management = management_account(caller)
    delegated = request.get("CallAs") == "DELEGATED_ADMIN" and is_delegated_administrator(caller)
    if caller != management and not delegated:
        raise RefusedError("ValidationError", f"{NOT_MANAGEMENT} SERVICE_MANAGED stack set")
    return management


def _stack_set(request: Request) -> StackSet:
    owner, name = _owner(request), request["StackSetName"]
    if (owner, name) not in state.stack_sets:
        raise RefusedError("StackSetNotFoundException", f"StackSet {name} not found", 404)
    return cast("StackSet", state.stack_sets[owner, name])


def _define(stack_set: StackSet, request: Request) -> None:
    """Take what a request says of a StackSet besides its template."""
    before = stack_set.parameters
    stack_set.parameters = {
        each["ParameterKey"]: before[each["ParameterKey"]]
        if each.get("UsePreviousValue") == "true"
        else each.get("ParameterValue", "")
        for each in request.get("Parameters", [])
    }
    stack_set.capabilities = request.get("Capabilities", stack_set.capabilities)
    stack_set.auto_deployment = request.get("AutoDeployment", stack_set.auto_deployment)
    stack_set.managed_execution = request.get("ManagedExecution", stack_set.managed_execution)


def _template(request: Request) -> str:
    body, _ = helpers._resolve_template({key: [value] for key, value in request.items() if key.startswith("Templ")})
    return str(body)


def _targets(stack_set: StackSet, request: Request) -> dict[Target, str]:
    """Return the accounts and Regions that a request means, each with its OU."""
    given = request["DeploymentTargets"]
    below = accounts_below(stack_set.owner, set(given["OrganizationalUnitIds"]))
    picked = given.get("AccountFilterType") == "INTERSECTION"  # the only one that is known here
    chosen = sorted(set(below) & set(given["Accounts"]) if picked else below)
    return {(account, region): below[account] for region in request["Regions"] for account in chosen}


def _start(stack_set: StackSet, kind: str, request: Request, targets: dict[Target, str]) -> dict[str, Any]:
    if kind != "CREATE":
        targets = {target: unit for target, unit in targets.items() if target in stack_set.instances}
    retain = request.get("RetainStacks") == "true"
    operation = Operation(kind, request.get("OperationPreferences", {}), targets, retain)
    return {"OperationId": stackset_engine.start(stack_set, operation)}


def _operation(request: Request) -> Operation:
    return next(each for each in _stack_set(request).operations if each.operation_id == request["OperationId"])
