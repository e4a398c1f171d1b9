"""Asynchronous invocations, and the two services that make them: EventBridge and Scheduler."""

import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime, responses
from ministack.services import eventbridge, iam, lambda_svc, scheduler
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.identity import request_of, role_may
from tests.sandbox.emulator.patching import replace, replacing
from tests.sandbox.emulator.state import state

logger = logging.getLogger("sandbox")

# AWS's defaults.
RETRIES, OLDEST_SECONDS, RETRY_SECONDS = 2, 6 * 60 * 60, 60

NOT_ASSUMABLE = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


@dataclass(eq=False)
class Event:
    """An event on its way to a function."""

    function: dict[str, Any]
    payload: Any
    sent: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.account, self.region = lambda_runtime._account_region_from_function_config(self.function["config"])
        by_qualifier = self.function.get("event_invoke_configs") or {}
        settings = by_qualifier.get("$LATEST") or self.function.get("event_invoke_config") or {}
        self.retries = int(settings.get("MaximumRetryAttempts", RETRIES))
        self.oldest = float(settings.get("MaximumEventAgeInSeconds", OLDEST_SECONDS))

    def deliver(self, aged: float = 0.0) -> bool:
        """Invoke the function in the background, unless the event, said to be `aged` seconds older, is too old."""
        age = time.monotonic() - self.sent + aged
        if age > self.oldest:
            logger.warning("An event for %s is dropped after %.0f s", self.function["config"]["FunctionArn"], age)
            return False
        _in_progress.append(self)
        threading.Thread(target=self._work_off, args=(age,), name="asynchronous invocation", daemon=True).start()
        return True

    def _work_off(self, age: float) -> None:
        try:
            with responses.request_scope(self.account, self.region):
                self._attempt(age, state.over)
        finally:
            _in_progress.remove(self)

    def _attempt(self, age: float, over: threading.Event) -> None:
        """Invoke the function as often, and as long, as its configuration says: again after one minute, then two."""
        for attempt in range(self.retries + 1):
            age += RETRY_SECONDS * attempt
            if age > self.oldest or over.wait(state.first_retry_seconds * attempt):
                return
            if not lambda_svc._execute_function(self.function, self.payload).get("error"):
                return


_in_progress: list[Event] = []


def send(function: dict[str, Any], payload: Any) -> None:
    """Send an event to a function, which gets it in the background, unless a test holds it.

    EventBridge, Scheduler and CloudFormation do so, and try again after an error. MiniStack's EventBridge invokes once.
    """
    event = Event(function, payload)
    given = payload.items() if isinstance(payload, dict) else {}.items()
    holds = [hold for hold in state.holds if hold["account"] == event.account and hold["fields"].items() <= given]
    if any(state.claimed(hold) for hold in holds):
        state.held.append(event)
    else:
        event.deliver()


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
        return
    original(target, event, source, *rest)


def _rule_may(target: dict[str, Any], rule: dict[str, Any]) -> bool:
    policy, _ = lambda_svc.function_policy_for_arn(target["Arn"]) or ({}, "")
    return _admits_service(policy, "lambda:InvokeFunction", target["Arn"], rule["Arn"], "events.amazonaws.com")


def _schedule_may(target: dict[str, Any], schedule: dict[str, Any]) -> bool:
    return _scheduler_may_assume(target, schedule.get("GroupName", "default")) and role_may(
        target["RoleArn"], "lambda:InvokeFunction", target["Arn"]
    )


def _scheduler_may_assume(target: dict[str, Any], group: str) -> bool:
    """Whether the trust policy lets Scheduler in; the source in its conditions is the group, not the schedule."""
    role = iam._roles.get(str(target.get("RoleArn")).rsplit("/", 1)[-1])
    trust = json.loads(role["AssumeRolePolicyDocument"]) if role else {}
    return _admits_service(trust, "sts:AssumeRole", "*", scheduler._group_arn(group), "scheduler.amazonaws.com")


def _admits_service(policy: dict[str, Any], action: str, resource: str, source_arn: str, service: str) -> bool:
    source = {"aws:sourcearn": source_arn, "aws:sourceaccount": responses.get_account_id()}
    request = request_of("Service", service, "", action, resource, service_context=source)
    return bool(iam_evaluator.evaluate_resource_policy(policy, request, service=service).decision == "Allow")


@replacing(provisioners, "_scheduler_schedule_create")
def begin_schedules_as_scheduler_does(original: Any, logical_id: str, properties: Any, stack_name: str) -> Any:
    """Refuse a schedule whose role Scheduler cannot assume, and fire one with a rate at once.

    MiniStack takes any role, lets the first interval pass, and does not update a schedule.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    group = properties.get("GroupName", "default")
    if not _scheduler_may_assume(properties.get("Target", {}), group):
        raise ValueError(NOT_ASSUMABLE)
    before = set(scheduler._schedules)
    name, attributes = original(logical_id, properties, stack_name)
    schedule = scheduler._schedules[f"{group}/{name}"]
    if f"{group}/{name}" in before:
        schedule |= {key: properties[key] for key in schedule.keys() & properties.keys()}
    elif schedule["State"] == "ENABLED" and schedule["ScheduleExpression"].startswith("rate("):
        _fire(schedule)
    return name, attributes


def _fire(schedule: dict[str, Any]) -> None:
    event = _event("aws.scheduler", "Scheduled Event", {})
    eventbridge._invoke_target(schedule["Target"], event, schedule)


def _event(source: str, detail_type: str, detail: Any) -> dict[str, Any]:
    return {
        "EventId": str(uuid.uuid4()),
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "EventBusName": "default",
        "Time": int(time.time()),
        "Resources": [],
        "Account": responses.get_account_id(),
        "Region": responses.get_region(),
    }


# What tests ask for


@verb
def fire_schedule(name: str, account: str, region: str) -> None:
    """Let a schedule fire now instead of when its time comes."""
    with responses.request_scope(account, region):
        _fire(scheduler._schedules[f"default/{name}"])


@verb
def announce(account: str, region: str, source: str, detail_type: str, detail: Any) -> None:
    """Put an event of an AWS service on the account's default bus, which PutEvents refuses to do."""
    with responses.request_scope(account, region):
        eventbridge._dispatch_event(_event(source, detail_type, detail))


@verb
def held_events(account: str) -> list[Any]:
    """Return the events of the account that are held."""
    return [event.payload for event in state.held if event.account == account]


@verb
def release_events(account: str, aged: float) -> int:
    """Deliver what is held of the account, `aged` seconds older than it is; hold nothing more; return how many."""
    state.holds = [hold for hold in state.holds if hold["account"] != account]
    released = [event for event in state.held if event.account == account]
    state.held = [event for event in state.held if event.account != account]
    return sum(event.deliver(aged) for event in released)


@verb
def events_in_progress(account: str) -> int:
    """Return how many events of the account are being worked on."""
    return sum(event.account == account for event in list(_in_progress))
