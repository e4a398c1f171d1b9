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
from tests.sandbox.emulator.identity import role_may
from tests.sandbox.emulator.patching import replace, replacing
from tests.sandbox.emulator.state import Hold, state

logger = logging.getLogger("sandbox")

# AWS's defaults.
RETRIES, OLDEST_SECONDS = 2, 6 * 60 * 60
FIRST_RETRY_SECONDS = 60.0

NOT_ASSUMABLE = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


@dataclass
class Event:
    """An event on its way to a function."""

    function: dict[str, Any]
    payload: Any
    sent: float = field(default_factory=time.monotonic)

    @property
    def place(self) -> tuple[str, str]:
        """Return the function's account and Region."""
        account, region = lambda_runtime._account_region_from_function_config(self.function["config"])
        return account, region

    @property
    def settings(self) -> dict[str, Any]:
        """Return the function's EventInvokeConfig."""
        by_qualifier = self.function.get("event_invoke_configs") or {}
        return by_qualifier.get("$LATEST") or self.function.get("event_invoke_config") or {}

    def deliver(self, aged: float = 0.0) -> bool:
        """Invoke the function in the background, unless the event is too old: it is `aged` seconds older than it is."""
        age = time.monotonic() - self.sent + aged
        if age > float(self.settings.get("MaximumEventAgeInSeconds", OLDEST_SECONDS)):
            logger.warning("An event for %s is dropped after %.0f s", self.function["config"]["FunctionArn"], age)
            return False
        with _lock:
            _in_progress.append(self)
        threading.Thread(target=self._attempt, args=(age,), name="asynchronous invocation", daemon=True).start()
        return True

    def _attempt(self, age: float) -> None:
        """Invoke the function as often as its EventInvokeConfig says, and no longer than that."""
        try:
            oldest = float(self.settings.get("MaximumEventAgeInSeconds", OLDEST_SECONDS))
            over = state.over
            with responses.request_scope(*self.place):
                for attempt in range(int(self.settings.get("MaximumRetryAttempts", RETRIES)) + 1):
                    wait = FIRST_RETRY_SECONDS * attempt  # one minute, then two
                    age += wait
                    scale = (state.first_retry_seconds or FIRST_RETRY_SECONDS) / FIRST_RETRY_SECONDS
                    if age > oldest or over.wait(wait * scale):
                        return
                    if not lambda_svc._execute_function(self.function, self.payload).get("error"):
                        return
        finally:
            with _lock:
                _in_progress.remove(self)


_in_progress: list[Event] = []
_lock = threading.Lock()


def send(function: dict[str, Any], payload: Any) -> None:
    """Send an event to a function, which gets it in the background, unless a test holds it."""
    event = Event(function, payload)
    hold = next((hold for hold in state.holds if _holds(hold, event)), None)
    if not hold:
        event.deliver()
        return
    hold.times = None if hold.times is None else hold.times - 1
    state.held.append(event)


replace(lambda_svc, "invoke_async_with_retry", lambda _original: send)


def _holds(hold: Hold, event: Event) -> bool:
    payload = event.payload if isinstance(event.payload, dict) else {}
    return hold.times != 0 and hold.account == event.place[0] and hold.fields.items() <= payload.items()


@replacing(eventbridge, "_dispatch_to_lambda")
def invoke_in_the_background(_original: Any, arn: str, payload: str) -> None:
    """Invoke for EventBridge and Scheduler in the background, and twice again after an error.

    This is AWS's way. MiniStack's EventBridge invokes once. A function that raises, and does not have
    EventInvokeConfig with no retries, runs again a minute later on AWS, when CloudFormation may long be rolling back.
    """
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function and config:
        send(lambda_svc._execution_record_for_config(function, config), json.loads(payload))


# Who may invoke


@replacing(eventbridge, "_invoke_target")
def require_permission_to_invoke(
    original: Any, target: dict[str, Any], event: dict[str, Any], source: dict[str, Any], *rest: Any
) -> None:
    """Fire rules that the function's own policy admits, and schedules whose role may invoke it.

    MiniStack fires without either. A wrong AWS::Lambda::Permission, or a schedule role without a policy, would go
    unnoticed: on AWS nothing happens when the time comes, silently.
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
    request = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=responses.get_region(),
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": responses.get_account_id()},
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, request, service=service).decision == "Allow")


@replacing(provisioners, "_scheduler_schedule_create")
def begin_schedules_as_scheduler_does(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    """Refuse a schedule whose role Scheduler cannot assume, and fire one with a rate at once.

    MiniStack takes any role, and lets the first interval pass.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    group = properties.get("GroupName", "default")
    if not _scheduler_may_assume(properties.get("Target", {}), group):
        raise ValueError(NOT_ASSUMABLE)
    before = set(scheduler._schedules)
    name, attributes = original(logical_id, properties, stack_name)
    schedule = scheduler._schedules[f"{group}/{name}"]
    if f"{group}/{name}" in before:  # MiniStack has no update
        changed = ("ScheduleExpression", "FlexibleTimeWindow", "Target", "State", "Description")
        schedule |= {key: properties[key] for key in changed if key in properties}
    elif schedule["State"] == "ENABLED" and schedule["ScheduleExpression"].startswith("rate("):
        _fire(schedule)
    return name, attributes


def _fire(schedule: dict[str, Any]) -> None:
    eventbridge._invoke_target(schedule["Target"], _event("aws.scheduler", schedule["Arn"]), schedule)


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


# What tests ask for


@verb
def fire_schedule(request: dict[str, Any]) -> None:
    """Let a schedule fire now instead of when its time comes."""
    with responses.request_scope(request["account"], request["region"]):
        schedules = [each for key, each in scheduler._schedules.items() if key.split("/", 1)[1] == request["name"]]
        if not schedules:
            raise LookupError(f"There is no schedule {request['name']}")
        _fire(schedules[0])


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


@verb
def hold_events(request: dict[str, Any]) -> None:
    """Keep asynchronous events of an account, those with these fields, until they are released."""
    state.holds.append(Hold(**request))


@verb
def held_events(request: dict[str, Any]) -> list[Any]:
    """Return the events of the account that are held."""
    return [event.payload for event in state.held if event.place[0] == request["account"]]


@verb
def release_events(request: dict[str, Any]) -> int:
    """Deliver what is held of the account, so many seconds older than it is, and hold nothing more.

    Returns how many were delivered: what is older than its function admits is dropped.
    """
    state.holds = [hold for hold in state.holds if hold.account != request["account"]]
    released = [event for event in state.held if event.place[0] == request["account"]]
    state.held = [event for event in state.held if event not in released]
    return sum(event.deliver(request["aged"]) for event in released)


@verb
def events_in_progress(request: dict[str, Any]) -> int:
    """Return how many events of the account are being worked on."""
    with _lock:
        return sum(event.place[0] == request["account"] for event in _in_progress)
