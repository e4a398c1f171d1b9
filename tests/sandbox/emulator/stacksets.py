"""StackSets with service-managed permissions, which MiniStack does not have: the API.

A model of our own: it deploys real stacks to the members of the organization, in the order, number and tolerance of
failures that the preferences say, and by itself to accounts that join. It cannot surprise us where AWS would.
"""

from collections.abc import Callable
from typing import Any

from ministack.core import responses
from ministack.services import organizations
from ministack.services.cloudformation import handlers

from tests.sandbox.emulator import patching, stackset_engine
from tests.sandbox.emulator import stackset_requests as requests
from tests.sandbox.emulator.query import Answer, answer, error, nested
from tests.sandbox.emulator.stackset_model import StackSet
from tests.sandbox.emulator.stackset_requests import NOT_TRUSTED, SERVICE, RefusedError, Request
from tests.sandbox.emulator.state import state


def repair() -> None:
    """Apply the repairs of this module."""
    serve_stack_sets()
    deploy_when_accounts_move()


def serve_stack_sets() -> None:
    """Answer the actions of StackSets."""
    for action in (
        activate_organizations_access,
        describe_organizations_access,
        create_stack_set,
        update_stack_set,
        delete_stack_set,
        describe_stack_set,
        list_stack_sets,
        create_stack_instances,
        update_stack_instances,
        delete_stack_instances,
        list_stack_instances,
        describe_stack_instance,
        describe_stack_set_operation,
        list_stack_set_operations,
        list_stack_set_operation_results,
        stop_stack_set_operation,
    ):
        name = "".join(word.capitalize() for word in action.__name__.split("_"))
        handlers._ACTION_HANDLERS[name] = _served(name, action)


def _served(name: str, action: Callable[[Request], dict[str, Any]]) -> Callable[[dict[str, Any]], Answer]:
    def serve(parameters: dict[str, Any]) -> Answer:
        try:
            return answer(name, **action(nested(parameters)))
        except RefusedError as refused:
            return error(refused.code, str(refused), 404 if refused.code.endswith("NotFoundException") else 400)

    return serve


def deploy_when_accounts_move() -> None:
    """Deploy to an account that joins a targeted OU, and delete from one that leaves it."""

    def move(original: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def move(request: Request) -> Any:
            moved = original(request)
            stackset_engine.deploy_to_who_joined(responses.get_account_id())
            return moved

        return move

    patching.replace(organizations, "_move_account", move)


# Access


def activate_organizations_access(_: Request) -> dict[str, Any]:
    """Let StackSets act in the organization."""
    state.trusted_services.setdefault(requests.owner_of({}), set()).add(SERVICE)
    return {}


def describe_organizations_access(request: Request) -> dict[str, Any]:
    """Say whether StackSets may act in the organization."""
    return {
        "Status": "ENABLED" if SERVICE in state.trusted_services.get(requests.owner_of(request), set()) else "DISABLED"
    }


# StackSets


def create_stack_set(request: Request) -> dict[str, Any]:
    """Create a StackSet; nothing is deployed yet."""
    owner, name = requests.owner_of(request), request["StackSetName"]
    if request.get("PermissionModel") != "SERVICE_MANAGED":
        raise RefusedError("ValidationError", "This sandbox knows StackSets with service-managed permissions only")
    if SERVICE not in state.trusted_services.get(owner, set()):
        raise RefusedError("ValidationError", NOT_TRUSTED)
    if (owner, name) in state.stack_sets:
        raise RefusedError("NameAlreadyExistsException", f"The name {name} is already in use")
    stack_set = state.stack_sets[owner, name] = StackSet(
        name=name,
        owner=owner,
        region=responses.get_region(),
        template=requests.template_of(request),
        parameters=requests.parameters_of(request, {}),
        capabilities=request.get("Capabilities", []),
        description=request.get("Description", ""),
        tags=request.get("Tags", []),
        auto_deployment=request.get("AutoDeployment", {"Enabled": "false"}),
        managed_execution=request.get("ManagedExecution", {}).get("Active") == "true",
    )
    return {"StackSetId": stack_set.stack_set_id}


def update_stack_set(request: Request) -> dict[str, Any]:
    """Change the StackSet and update its instances, or those that are targeted."""
    stack_set = requests.stack_set_of(request)
    requests.require_free(stack_set)
    if request.get("UsePreviousTemplate") != "true":
        stack_set.template = requests.template_of(request)
    stack_set.parameters = requests.parameters_of(request, stack_set.parameters)
    stack_set.capabilities = request.get("Capabilities", stack_set.capabilities)
    stack_set.description = request.get("Description", stack_set.description)
    stack_set.tags = request.get("Tags", stack_set.tags)
    stack_set.auto_deployment = request.get("AutoDeployment", stack_set.auto_deployment)
    if "ManagedExecution" in request:
        stack_set.managed_execution = request["ManagedExecution"].get("Active") == "true"
    for instance in stack_set.instances.values():
        instance.status = "OUTDATED"
    return requests.start(stack_set, "UPDATE", request)


def delete_stack_set(request: Request) -> dict[str, Any]:
    """Delete a StackSet that has no instances."""
    stack_set = requests.stack_set_of(request)
    if stack_set.instances:
        raise RefusedError("StackSetNotEmptyException", "StackSet is not empty")
    requests.require_free(stack_set, even_if_managed=True)
    del state.stack_sets[stack_set.owner, stack_set.name]
    return {}


def describe_stack_set(request: Request) -> dict[str, Any]:
    """Return a StackSet."""
    return {"StackSet": requests.stack_set_of(request).describe()}


def list_stack_sets(request: Request) -> dict[str, Any]:
    """Return the StackSets of the organization."""
    owner = requests.owner_of(request)
    return {"Summaries": [each.summary() for (account, _), each in state.stack_sets.items() if account == owner]}


# Instances


def create_stack_instances(request: Request) -> dict[str, Any]:
    """Deploy to the accounts below the targeted OUs, and remember those for accounts that join."""
    stack_set = requests.stack_set_of(request)
    stack_set.units |= set(request.get("DeploymentTargets", {}).get("OrganizationalUnitIds", []))
    stack_set.regions = list(dict.fromkeys([*stack_set.regions, *request.get("Regions", [])]))
    return requests.start(stack_set, "CREATE", request)


def update_stack_instances(request: Request) -> dict[str, Any]:
    """Override parameters in some instances, and update them."""
    stack_set = requests.stack_set_of(request)
    overrides = requests.parameters_of({"Parameters": request.get("ParameterOverrides", [])}, {})
    for target in requests.targets_of(stack_set, request):
        if target in stack_set.instances:
            stack_set.instances[target].overrides = overrides
    return requests.start(stack_set, "UPDATE", request)


def delete_stack_instances(request: Request) -> dict[str, Any]:
    """Delete instances, and their stacks unless they are retained."""
    stack_set = requests.stack_set_of(request)
    units = request.get("DeploymentTargets", {}).get("OrganizationalUnitIds", [])
    targets = requests.targets_of(stack_set, request)
    if set(request.get("Regions", [])) >= set(stack_set.regions) and not request["DeploymentTargets"].get("Accounts"):
        stack_set.units -= set(units)
    return requests.start(stack_set, "DELETE", request, targets)


def list_stack_instances(request: Request) -> dict[str, Any]:
    """Return the instances that pass the filters."""
    stack_set = requests.stack_set_of(request)
    filters = {each["Name"]: each["Values"] for each in request.get("Filters", [])}
    return {
        "Summaries": [
            each.describe(stack_set.stack_set_id)
            for each in stack_set.instances.values()
            if request.get("StackInstanceAccount", each.account) == each.account
            and request.get("StackInstanceRegion", each.region) == each.region
            and filters.get("DETAILED_STATUS", each.detailed_status) == each.detailed_status
            and filters.get("LAST_OPERATION_ID", each.operation_id) == each.operation_id
        ]
    }


def describe_stack_instance(request: Request) -> dict[str, Any]:
    """Return an instance."""
    stack_set = requests.stack_set_of(request)
    instance = stack_set.instances.get((request["StackInstanceAccount"], request["StackInstanceRegion"]))
    if instance is None:
        raise RefusedError("StackInstanceNotFoundException", "The stack instance was not found")
    overrides = [{"ParameterKey": key, "ParameterValue": value} for key, value in instance.overrides.items()]
    return {"StackInstance": instance.describe(stack_set.stack_set_id) | {"ParameterOverrides": overrides}}


# Operations


def describe_stack_set_operation(request: Request) -> dict[str, Any]:
    """Return an operation."""
    stack_set = requests.stack_set_of(request)
    found = requests.operation_of(stack_set, request)
    return {
        "StackSetOperation": found.describe() | {"StackSetId": stack_set.stack_set_id, "RetainStacks": found.retain}
    }


def list_stack_set_operations(request: Request) -> dict[str, Any]:
    """Return the operations, the latest first."""
    return {"Summaries": [each.describe() for each in reversed(requests.stack_set_of(request).operations)]}


def list_stack_set_operation_results(request: Request) -> dict[str, Any]:
    """Return what came of an operation in each account and Region."""
    stack_set = requests.stack_set_of(request)
    operation = requests.operation_of(stack_set, request)
    filters = {each["Name"]: each["Values"] for each in request.get("Filters", [])}
    return {
        "Summaries": [
            {
                "Account": account,
                "Region": region,
                "Status": status,
                "StatusReason": reason or None,
                "OrganizationalUnitId": operation.targets[account, region],
            }
            for (account, region), (status, reason) in operation.results.items()
            if filters.get("OPERATION_RESULT_STATUS", status) == status
        ]
    }


def stop_stack_set_operation(request: Request) -> dict[str, Any]:
    """Stop an operation once the instances that it works on are done."""
    requests.operation_of(requests.stack_set_of(request), request).stopping = True
    return {}
