"""The function's entry: builds the real objects, routes the event, and answers.

The only importer of crhelper, which sees events of CloudFormation and no others.
"""

import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from crhelper import CfnResource

from registry_connections import __version__, answer
from registry_connections.aws import AwsAccount
from registry_connections.crew import Crew
from registry_connections.errors import AwsError, DeadlineError, RegistrationError, SettingsError
from registry_connections.falcon import Falcon
from registry_connections.logs import set_up, tell, tell_report
from registry_connections.model import Credentials, Deadline
from registry_connections.reconcile import Shell
from registry_connections.report import LONGEST_REASON, Report, action_result, data, shorten
from registry_connections.settings import parse
from registry_connections.state import State, applied
from registry_connections.transport import Transport
from registry_connections.turns import Kind, Request, Turns, confirm
from registry_connections.views import failure_view, plan_view, status_view

RESOURCE_TYPE: Final = "Custom::FalconRegistryConnections"
SPARE_SECONDS: Final = 30.0  # of the invocation's time, for the state and the answer
ANSWER_SPARE_SECONDS: Final = 2.0  # when even the answer is given up
ACTIONS: Final = ("plan", "status", "reconcile")


def lambda_handler(event: Any, context: Any) -> Any:
    """Answer an event of CloudFormation, the schedule, EventBridge or a person.

    CloudFormation is answered at its ResponseURL, always; an action returns JSON, and raises RegistrationError
    if something failed, so that the function's error metric tells.
    """
    set_up(os.environ.get("LOG_LEVEL", "INFO"))
    if isinstance(event, dict) and {"ResponseURL", "RequestType", "StackId"} <= event.keys():
        _helper()(event, context)
        if event["RequestType"] != Kind.DELETE:  # which takes the role away that this needs
            _follow_up(context, event)  # CloudFormation has its answer: nobody waits for this
        return None
    result = _act(_action(event), context)
    _follow_up(context)
    return result


# Events of CloudFormation


class _Helper(CfnResource):
    """crhelper with a sender that ends, and without a trace of its own. `taken`: whether the answer was."""

    taken = False

    def _send(self, status: str | None = None, reason: str = "", send_response: object = None) -> None:  # noqa: ARG002
        super()._send(status, reason, self._put)  # type: ignore[misc] # the stub of crhelper leaves it out

    def _put(self, url: str, body: Mapping[str, Any], _verify: object) -> None:
        def left() -> float:
            context: Any = self._context  # type: ignore[attr-defined]
            return float(context.get_remaining_time_in_millis() / 1000 - ANSWER_SPARE_SECONDS)

        self.taken = urlsplit(url).scheme == "https" and answer.put(url, body, left)
        text = "answered CloudFormation" if self.taken else "CloudFormation did not take the answer"
        tell(logging.INFO if self.taken else logging.ERROR, text, status=body["Status"], reason=body["Reason"])


@cache
def _helper() -> _Helper:
    """Return crhelper, one for each container."""
    os.environ["AWS_SAM_LOCAL"] = "true"  # its own switch: without the three clients that only its polling needs
    helper = _Helper(json_logging=False, log_level="INFO", boto_level="CRITICAL", sleep_on_delete=0)
    logging.getLogger("crhelper").setLevel(logging.CRITICAL)  # it logs tracebacks of what we log in one line
    for register in (helper.create, helper.update, helper.delete):
        register(_on_stack_event)
    return helper


def _on_stack_event(event: Mapping[str, Any], context: Any) -> str:
    """Do what a stack event asks. The physical id is set before any work, so that a failure reports it as well."""
    ours = f"falcon-ecr-{event['StackId'].rsplit('/', 1)[-1]}"
    identifier = str(event.get("PhysicalResourceId") or ours)
    _helper().PhysicalResourceId = identifier if event["RequestType"] == Kind.DELETE else ours
    if event.get("ResourceType") != RESOURCE_TYPE:
        return _pass_by(event, identifier)
    settings, problems = parse(event.get("ResourceProperties") or {})
    request = Request(
        Kind(event["RequestType"]),
        str(event["RequestId"]),
        settings,
        tuple(problems),
        ours=identifier == ours,
        rollout=":stack/StackSet-" in event["StackId"],  # so AWS names the stacks of a StackSet
    )
    report = _run(request.kind, context, lambda means: means.shell.answer(request, means.deadline))
    _helper().Data = {} if request.kind is Kind.DELETE else data(report)
    return str(_helper().PhysicalResourceId)


def _pass_by(event: Mapping[str, Any], identifier: str) -> str:
    """Let a resource go that is not ours: the trigger of the solution that this stack was upgraded from."""
    if event["RequestType"] != Kind.DELETE:
        raise RegistrationError(f"This function serves resources of type {RESOURCE_TYPE} only.")
    tell(logging.INFO, "a resource of another type is deleted, with no effect", type=str(event.get("ResourceType")))
    return identifier


# Actions


def _action(event: Any) -> str:
    """Return the action that an event asks for; raise RegistrationError, which lists what is accepted."""
    if isinstance(event, dict):
        detail = event.get("detail")
        enabled = isinstance(detail, dict) and detail.get("status") == "ENABLED"
        if event.get("source") == "aws.account" and enabled:
            return "reconcile"
        if event.get("action") in ACTIONS:
            return str(event["action"])
    accepted = ", ".join(json.dumps({"action": action}) for action in ACTIONS)
    raise RegistrationError(f"Unknown event. Accepted: {accepted}, or an event of CloudFormation or of a Region.")


def _act(action: str, context: Any) -> dict[str, Any]:
    """Do what an action asks: reconcile raises if something failed, plan and status tell it in what they return."""
    if action != "reconcile":
        return {"action": action, **_view(action, context)}

    def work(means: _Means) -> Report:
        state = means.shell.crew.one(means.account.load, means.deadline)
        settings, problems = parse(applied(state))
        request = Request(Kind.REPAIR, context.aws_request_id, settings, tuple(problems))
        return means.shell.answer(request, means.deadline)

    return action_result(action, _run(action, context, work))


def _view(action: str, context: Any) -> dict[str, Any]:
    """Look, and change nothing."""
    state: State | None = None
    try:
        with _at_work(action, context) as means:
            reader, deadline = means.shell.reader, means.deadline
            state = reader.crew.one(means.account.load, deadline)
            settings, problems = parse(applied(state))
            prepared = reader.prepare(settings, problems, state, deadline)
            if action == "status":
                return status_view(prepared, settings)
            return plan_view(prepared, settings, read_problem=reader.read_problem(prepared.falcon, deadline))
    except RegistrationError as error:
        return failure_view(action, state, error)


# Both


@dataclass(frozen=True)
class _Means:
    """What one invocation works with."""

    shell: Shell
    account: AwsAccount
    transport: Transport
    deadline: Deadline


@contextmanager
def _at_work(action: str, context: Any) -> Iterator[_Means]:
    """Give the means and the time to do something; log what goes wrong, and let nothing secret out with it."""
    about = _about(action, context)
    crew = Crew()
    left = context.get_remaining_time_in_millis() / 1000
    try:
        yield _means(Deadline(time.monotonic() + left - SPARE_SECONDS, time.monotonic), crew)
    except RegistrationError as error:
        tell(logging.ERROR, str(error), **about, error=type(error).__name__)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer must be sent, and hold nothing secret
        where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        tell(logging.CRITICAL, "unexpected failure", **about, error=type(error).__name__, where=where)
        raise RegistrationError(f"Unexpected {type(error).__name__}: see the log group for where.") from None
    finally:
        crew.dismiss()


def _about(action: str, context: Any) -> dict[str, Any]:
    return {"request_id": context.aws_request_id, "action": str(action), "version": __version__}


def _run(action: str, context: Any, work: Callable[[_Means], Report]) -> Report:
    """Do the work within its time and log what became of it; raise RegistrationError with the reason if it failed."""
    started = time.monotonic()
    try:
        with _at_work(action, context) as means:
            report = work(means)
    except RegistrationError as error:
        raise RegistrationError(_problems(error)) from None
    figures = {"milliseconds": round((time.monotonic() - started) * 1000), "falcon_calls": means.transport.calls}
    about = {**_about(action, context), "function": context.function_name}
    tell_report(report, about, figures, time.time() if os.environ.get("PUBLISH_METRICS") == "Yes" else None)
    if report.failure:
        raise RegistrationError(report.failure)
    return report


@cache
def _account() -> AwsAccount:
    """Return the account, whose clients take longer to build than to call: once for each container."""
    return AwsAccount(boto3.Session(), os.environ["SECRET_ARN"], os.environ["STATE_PARAMETER"])


def _means(deadline: Deadline, crew: Crew) -> _Means:
    api_url = os.environ.get("FALCON_API_URL", "").rstrip("/")
    if api_url and urlsplit(api_url).scheme != "https":
        raise SettingsError(["FalconApiUrl must begin with https://."])
    account = _account()
    transport = Transport()

    def connect(credentials: Credentials, cloud: str) -> Falcon:
        return Falcon(transport, crew, credentials, cloud, api_url)

    shell = Shell(account, connect, crew, Turns(account, time.time, time.sleep), time.monotonic)
    return _Means(shell, account, transport, deadline)


def _follow_up(context: Any, event: Mapping[str, Any] | None = None) -> None:
    """Do what matters to nobody who waits, in the time that is left."""
    crew = Crew(1)
    left = context.get_remaining_time_in_millis() / 1000 - ANSWER_SPARE_SECONDS
    try:
        crew.one(lambda: _finish(context, event), Deadline(time.monotonic() + left, time.monotonic), "AWS")
    except (AwsError, DeadlineError) as error:
        tell(logging.WARNING, str(error), request_id=context.aws_request_id)
    except Exception as error:  # noqa: BLE001 - all is done and answered, and its text may hold anything
        tell(logging.ERROR, "unexpected failure", request_id=context.aws_request_id, error=type(error).__name__)
    finally:
        crew.dismiss()


def _finish(context: Any, event: Mapping[str, Any] | None) -> None:
    """Note that a launch was answered; bound the life of the log group, which is Lambda's and outlives the stack."""
    days = os.environ.get("LOG_RETENTION_DAYS", "")
    if event and event["RequestType"] == Kind.CREATE and _helper().taken:
        confirm(_account(), str(event["RequestId"]))
    if days.isdecimal():
        _account().retain_logs(context.log_group_name, int(days))


def _problems(error: RegistrationError) -> str:
    """Return an error's text, short enough to be shown whole; of many problems, how many did not fit."""
    problems = error.problems if isinstance(error, SettingsError) else (str(error),)
    for shown in range(len(problems), 0, -1):
        hidden = len(problems) - shown
        text = " ".join(problems[:shown]) + (f" And {hidden} more, see the log." if hidden else "")
        if len(text) <= LONGEST_REASON:
            return text
    return shorten(problems[0], LONGEST_REASON)
