"""What requests to StackSets mean: who may ask, for which StackSet, with which template and targets."""

from typing import Any

from ministack.core import responses
from ministack.services import organizations
from ministack.services.cloudformation import engine, helpers

from tests.sandbox.emulator import stackset_engine
from tests.sandbox.emulator.accounts import accounts_below, is_delegated_administrator, management_account
from tests.sandbox.emulator.stackset_model import Operation, Preferences, StackSet
from tests.sandbox.emulator.state import state

Request = dict[str, Any]

NOT_TRUSTED = "You must enable organizations access to operate a service managed stack set"
NOT_MANAGEMENT = (
    "You must be the management account or delegated admin account of an organization before operating a"
    " SERVICE_MANAGED stack set"
)
ONLY_UNITS = "StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target"
NO_TRANSFORMS = "StackSets with SERVICE_MANAGED permission model do not support templates with macros or nested stacks"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"


class RefusedError(Exception):
    """The request cannot be done; `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def owner_of(request: Request) -> str:
    """Return the management account, if the caller may act for it."""
    caller = responses.get_account_id()
    management = management_account(caller)
    delegated = request.get("CallAs") == "DELEGATED_ADMIN" and is_delegated_administrator(caller)
    if caller != management and not delegated:
        raise RefusedError("ValidationError", NOT_MANAGEMENT)
    return management


def stack_set_of(request: Request) -> StackSet:
    owner, name = owner_of(request), request["StackSetName"].split(":", 1)[0]
    if (owner, name) not in state.stack_sets:
        raise RefusedError("StackSetNotFoundException", f"StackSet {name} not found")
    found: StackSet = state.stack_sets[owner, name]
    return found


def template_of(request: Request) -> str:
    body, refused = helpers._resolve_template(
        {key: [value] for key, value in request.items() if key.startswith("Templ")}
    )
    if refused:
        raise RefusedError("ValidationError", "TemplateBody or TemplateURL is missing, too large or cannot be read")
    template = engine._parse_template(body)
    nested_stacks = [
        each for each in template["Resources"].values() if each.get("Type") == "AWS::CloudFormation::Stack"
    ]
    if "Transform" in template or nested_stacks:
        raise RefusedError("ValidationError", NO_TRANSFORMS)
    return str(body)


def parameters_of(request: Request, before: dict[str, str]) -> dict[str, str]:
    given = request.get("Parameters", [])
    return {
        each["ParameterKey"]: before[each["ParameterKey"]]
        if each.get("UsePreviousValue") == "true"
        else each.get("ParameterValue", "")
        for each in given
    }


def targets_of(stack_set: StackSet, request: Request) -> dict[tuple[str, str], str]:
    """Return the accounts and Regions that a request means, each with its OU."""
    given = request.get("DeploymentTargets", {})
    units = set(given.get("OrganizationalUnitIds", []))
    if not units:
        raise RefusedError("ValidationError", ONLY_UNITS)
    accounts, below = set(given.get("Accounts", [])), accounts_below(stack_set.owner, units)
    match given.get("AccountFilterType", "NONE"):
        case "INTERSECTION":
            below = {account: unit for account, unit in below.items() if account in accounts}
        case "DIFFERENCE":
            below = {account: unit for account, unit in below.items() if account not in accounts}
        case "UNION":
            everybody = accounts_below(stack_set.owner, {root for _, root in organizations._roots.to_dict()})
            below |= {account: everybody[account] for account in accounts if account in everybody}
    regions = request.get("OperationPreferences", {}).get("RegionOrder") or request.get("Regions", [])
    return {(account, region): below[account] for region in regions for account in sorted(below)}


def start(
    stack_set: StackSet, action: str, request: Request, targets: dict[tuple[str, str], str] | None = None
) -> dict[str, Any]:
    require_free(stack_set)
    if targets is None and action == "UPDATE" and not request.get("DeploymentTargets"):
        targets = {target: instance.unit for target, instance in stack_set.instances.items()}
    operation = Operation(
        action,
        Preferences(request.get("OperationPreferences", {})),
        targets_of(stack_set, request) if targets is None else targets,
        retain=request.get("RetainStacks") == "true",
    )
    if action != "CREATE":
        operation.targets = {
            target: unit for target, unit in operation.targets.items() if target in stack_set.instances
        }
    if request.get("OperationId"):
        operation.operation_id = request["OperationId"]
    return {"OperationId": stackset_engine.start(stack_set, operation)}


def require_free(stack_set: StackSet, *, even_if_managed: bool = False) -> None:
    """Refuse while an operation runs; managed execution queues instead."""
    if stack_set.running and (even_if_managed or not stack_set.managed_execution):
        running = stack_set.running[0].operation_id
        raise RefusedError("OperationInProgressException", f"Another Operation on StackSet is in progress: {running}")


def operation_of(stack_set: StackSet, request: Request) -> Operation:
    for operation in stack_set.operations:
        if operation.operation_id == request["OperationId"]:
            return operation
    raise RefusedError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
