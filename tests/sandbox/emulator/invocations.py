"""Repairs of asynchronous invocations, and of the two services that make them: EventBridge and Scheduler."""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime, responses
from ministack.services import eventbridge, iam, lambda_svc, scheduler
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator import patching
from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.state import state

logger = logging.getLogger("sandbox")

RETRIES = 2  # AWS's default
LONGEST_WAIT_SECONDS = 300.0
NOT_ASSUMABLE = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


def repair() -> None:
    """Apply the repairs of this module."""
    retry_asynchronous_invocations()
    require_permission_to_invoke()
    require_schedules_to_have_their_role()


def retry_asynchronous_invocations() -> None:
    """Invoke for EventBridge, Scheduler and CloudFormation in the background, and twice again after an error.

    This is AWS's way. MiniStack's EventBridge invokes once. A function that raises, and does not have
    EventInvokeConfig with no retries, runs again a minute later on AWS, when CloudFormation may long be rolling back.
    """

    def dispatch(_original: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def dispatch(arn: str, payload: str) -> None:
            function, config, _ = lambda_svc._get_func_record_for_ref(arn)
            if function and config:
                invoke(lambda_svc._execution_record_for_config(function, config), json.loads(payload))

        return dispatch

    patching.replace(eventbridge, "_dispatch_to_lambda", dispatch)
    patching.replace(lambda_svc, "invoke_async_with_retry", lambda _original: invoke)


def invoke(function: dict[str, Any], event: Any) -> None:
    """Invoke the function in the background, as often as its EventInvokeConfig says."""
    threading.Thread(target=_attempts, args=(function, event), name="asynchronous invocation", daemon=True).start()


def _attempts(function: dict[str, Any], event: Any) -> None:
    account, region = lambda_runtime._account_region_from_function_config(function["config"])
    settings = (function.get("event_invoke_configs") or {}).get("$LATEST") or function.get("event_invoke_config") or {}
    retries = int(settings.get("MaximumRetryAttempts", RETRIES))
    over = state.over
    with responses.request_scope(account, region):
        for attempt in range(retries + 1):
            if attempt and over.wait(_wait_seconds(attempt)):
                return
            if not lambda_svc._execute_function(function, event).get("error"):
                return


def _wait_seconds(attempt: int) -> float:
    return float(min(state.first_retry_seconds * 2 ** (attempt - 1), LONGEST_WAIT_SECONDS))


def require_permission_to_invoke() -> None:
    """Fire rules that the function's own policy admits, and schedules whose role may invoke it.

    MiniStack fires without either. A wrong AWS::Lambda::Permission, or a schedule role without a policy, would go
    unnoticed: on AWS nothing happens when the time comes, silently.
    """

    def invoke_target(original: Callable[..., None]) -> Callable[..., None]:
        def invoke_target(target: dict[str, Any], event: dict[str, Any], source: dict[str, Any], *rest: Any) -> None:
            if ":lambda:" in target.get("Arn", ""):
                allowed = _schedule_may(target, source) if _is_schedule(source) else _rule_may(target, source)
                if not allowed:
                    logger.warning("%s may not invoke %s", source.get("Arn"), target["Arn"])
                    return
            original(target, event, source, *rest)

        return invoke_target

    patching.replace(eventbridge, "_invoke_target", invoke_target)


def _is_schedule(source: dict[str, Any]) -> bool:
    return ":scheduler:" in source.get("Arn", "")


def _rule_may(target: dict[str, Any], rule: dict[str, Any]) -> bool:
    policy, _ = lambda_svc.function_policy_for_arn(target["Arn"]) or ({}, "")
    request = _request("lambda:InvokeFunction", target["Arn"], rule["Arn"], "events.amazonaws.com")
    return _allows_service(policy, request, "events.amazonaws.com")


def _schedule_may(target: dict[str, Any], schedule: dict[str, Any]) -> bool:
    if not _scheduler_may_assume(target, schedule.get("GroupName", "default")):
        return False
    account, role = responses.get_account_id(), target["RoleArn"].rsplit("/", 1)[-1]
    request = _request("lambda:InvokeFunction", target["Arn"], schedule["Arn"], target["RoleArn"])
    limits = iam_evaluator._permissions_boundary(iam._roles, role, account)
    policies = iam_evaluator._gather_role_policies(role, account)
    return bool(iam_evaluator.evaluate(request, policies, *limits).decision == "Allow")


def _scheduler_may_assume(target: dict[str, Any], group: str) -> bool:
    role = iam._roles.get(str(target.get("RoleArn")).rsplit("/", 1)[-1])
    if role is None:
        return False
    request = _request("sts:AssumeRole", "*", scheduler._group_arn(group), "scheduler.amazonaws.com")
    return _allows_service(json.loads(role["AssumeRolePolicyDocument"]), request, "scheduler.amazonaws.com")


def _allows_service(policy: dict[str, Any], request: Any, service: str) -> bool:
    decision = iam_evaluator.evaluate_resource_policy(policy, request, service=service).decision
    return bool(decision == "Allow")


def _request(action: str, resource: str, source_arn: str, principal: str) -> Any:
    return iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=responses.get_region(),
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": responses.get_account_id()},
    )


def require_schedules_to_have_their_role() -> None:
    """Refuse a schedule whose role Scheduler cannot assume; MiniStack takes any.

    The source ARN in such a trust policy is the schedule's group, not the schedule.
    """

    def create(original: Callable[..., Any]) -> Callable[..., Any]:
        def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
            if not _scheduler_may_assume(properties.get("Target", {}), properties.get("GroupName", "default")):
                raise ValueError(NOT_ASSUMABLE)
            return original(logical_id, properties, stack_name)

        return create

    patching.replace(provisioners, "_scheduler_schedule_create", create)


@verb
def fire_schedule(request: dict[str, Any]) -> None:
    """Let a schedule, or a rule with a schedule expression, fire now instead of when its time comes."""
    name = request["name"]
    with responses.request_scope(request["account"], request["region"]):
        schedules = [item for key, item in scheduler._schedules.items() if key.split("/", 1)[1] == name]
        rules = [(key, rule) for key, rule in eventbridge._rules.items() if rule["Name"] == name]
        if not schedules and not rules:
            raise LookupError(f"There is no schedule or rule {name}")
        for schedule in schedules:
            eventbridge._invoke_target(schedule["Target"], _event("aws.scheduler", schedule["Arn"]), schedule)
        for key, rule in rules:
            for target in eventbridge._targets.get(key, []):
                eventbridge._invoke_target(target, _event("aws.events", rule["Arn"]), rule)


@verb
def announce(request: dict[str, Any]) -> None:
    """Put an event of an AWS service on the account's default bus, which PutEvents refuses to do."""
    with responses.request_scope(request["account"], request["region"]):
        event = _event(request["source"]) | {
            "DetailType": request["detail_type"],
            "Detail": json.dumps(request["detail"]),
            "EventBusName": "default",
        }
        eventbridge._dispatch_event(event)


@verb
def set_first_retry(request: dict[str, Any]) -> None:
    """Retry failed asynchronous invocations after this time instead of AWS's minute."""
    state.first_retry_seconds = request["seconds"]


def _event(source: str, *resources: str) -> dict[str, Any]:
    return {
        "EventId": str(uuid.uuid4()),
        "Source": source,
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": int(time.time()),
        "Resources": list(resources),
        "Account": responses.get_account_id(),
        "Region": responses.get_region(),
    }
