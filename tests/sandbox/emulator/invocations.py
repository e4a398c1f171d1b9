"""Asynchronous invocations, and the two services that make them: EventBridge and Scheduler."""

import json
import logging
import threading
import time
import uuid
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.services import eventbridge, lambda_svc, scheduler
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.identity import admits_service, role_decision, role_trusts
from tests.sandbox.emulator.patching import replace, replacing

logger = logging.getLogger("sandbox")

NOT_ASSUMABLE = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."

_in_progress: list[str] = []  # of each event that is worked on, its account


def send(function: dict[str, Any], payload: Any) -> None:
    """Send an event to a function, which gets it in the background, once: its EventInvokeConfig wants no second try."""
    account, region = lambda_runtime._account_region_from_function_config(function["config"])

    def work_off() -> None:
        try:
            with responses.request_scope(account, region):
                lambda_svc._execute_function(function, payload)
        finally:
            _in_progress.remove(account)

    _in_progress.append(account)
    threading.Thread(target=work_off, name="asynchronous invocation", daemon=True).start()


replace(lambda_svc, "invoke_async_with_retry", send)


@replacing(eventbridge, "_dispatch_to_lambda")
def invoke_in_the_background(_original: Any, arn: str, payload: str) -> None:
    """Invoke the function of a rule or schedule."""
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function and config:
        send(lambda_svc._execution_record_for_config(function, config), json.loads(payload))


@replacing(eventbridge, "_invoke_target")
def require_permission_to_invoke(
    original: Any, target: dict[str, Any], event: dict[str, Any], source: dict[str, Any], *rest: Any
) -> None:
    """Fire rules that the function's own policy admits, and schedules whose role may invoke it.

    MiniStack fires without either. On AWS nothing happens when the time comes, silently.
    """
    allowed = _schedule_may if ":scheduler:" in source.get("Arn", "") else _rule_may
    if ":lambda:" in target.get("Arn", "") and not allowed(target, source):
        logger.warning("%s may not invoke %s", source.get("Arn"), target["Arn"])
    else:
        original(target, event, source, *rest)


def _rule_may(target: dict[str, Any], rule: dict[str, Any]) -> bool:
    policy, _ = lambda_svc.function_policy_for_arn(target["Arn"]) or ({}, "")
    return admits_service(policy, "events.amazonaws.com", "lambda:InvokeFunction", target["Arn"], rule["Arn"])


def _schedule_may(target: dict[str, Any], _: Any) -> bool:
    return bool(role_decision(target["RoleArn"], "lambda:InvokeFunction", target["Arn"]).decision == "Allow")


@replacing(provisioners, "_scheduler_schedule_create")
def begin_schedules_as_scheduler_does(original: Any, logical_id: str, properties: Any, stack_name: str) -> Any:
    """Refuse a schedule whose role Scheduler cannot assume, and fire one with a rate at once.

    MiniStack takes any role, and lets the first interval pass.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    group = scheduler._group_arn("default")  # the source in a trust policy's conditions; the schedule is not
    if not role_trusts(properties["Target"]["RoleArn"], "scheduler.amazonaws.com", group):
        raise ValueError(NOT_ASSUMABLE)
    name, attributes = original(logical_id, properties, stack_name)
    schedule = scheduler._schedules[f"default/{name}"]
    if schedule["State"] == "ENABLED" and schedule["ScheduleExpression"].startswith("rate("):
        _fire(schedule)
    return name, attributes


def _fire(schedule: dict[str, Any]) -> None:
    eventbridge._invoke_target(schedule["Target"], _event("aws.scheduler", "Scheduled Event", {}), schedule)


def _event(source: str, detail_type: str, detail: Any) -> dict[str, Any]:
    event = {"EventId": str(uuid.uuid4()), "Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
    event |= {"Account": responses.get_account_id(), "Region": responses.get_region()}
    return {**event, "EventBusName": "default", "Time": int(time.time()), "Resources": []}


# What tests ask for


@verb
def fire_schedule(name: str, account: str, region: str) -> None:
    """Let a schedule fire now instead of when its time comes."""
    with responses.request_scope(account, region):
        _fire(scheduler._schedules[f"default/{name}"])


def announce(account: str, region: str, detail_type: str, detail: Any) -> None:
    """Put an event of AWS Account Management on the account's default bus, which PutEvents refuses to do."""
    with responses.request_scope(account, region):
        eventbridge._dispatch_event(_event("aws.account", detail_type, detail))


@verb
def events_in_progress(account: str) -> int:
    """Return how many events of the account are being worked on."""
    return _in_progress.count(account)
