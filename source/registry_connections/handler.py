"""The function's entry: tells events of CloudFormation from actions, builds the objects, and answers."""

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

from registry_connections import __version__, actions, custom_resource
from registry_connections.aws.account import AwsAccount
from registry_connections.aws.calls import FRESH_POLICY_SECONDS, Clients, FreshPolicy
from registry_connections.aws.parameter_store import ParameterStore
from registry_connections.concurrency import Clock, ThreadPool
from registry_connections.core.errors import AwsError, DeadlineError, RegistrationError, SettingsError, shorten
from registry_connections.core.model import Credentials, Deadline, Identity
from registry_connections.core.record import Kind, Request
from registry_connections.core.report import LONGEST_REASON, Report, action_result
from registry_connections.falcon.auth import Login
from registry_connections.falcon.client import Falcon
from registry_connections.falcon.http import RETRY_SECONDS, HttpClient
from registry_connections.logs import log, log_report, set_up
from registry_connections.reconciler import Reconciler
from registry_connections.snapshot import Reader

RESERVE_SECONDS: Final = 30.0  # of the invocation's time, for the record and the response
VIEW_RETRY_SECONDS: Final = 30.0  # somebody waits for what a view shows


def lambda_handler(event: Any, context: Any) -> Any:
    """Answer an event of CloudFormation, the schedule, EventBridge or a person.

    CloudFormation is answered at its ResponseURL, always; an action returns JSON, and raises RegistrationError
    if something failed, so that the function's error metric shows it.
    """
    set_up(os.environ.get("LOG_LEVEL", "INFO"))
    if custom_resource.is_event(event):
        custom_resource.respond(event, context, identity(context), lambda request: _answer(request, context))
        if event["RequestType"] != Kind.DELETE:  # which takes the role away that this needs
            _retain_logs(context)
        return None
    result = _act(actions.action(event), context)
    _retain_logs(context)
    return result


def identity(context: Any) -> Identity:
    """Return the account and the stack that the function runs for, from its own ARN and environment."""
    _, partition, _, _, account, *_ = context.invoked_function_arn.split(":")
    return Identity(
        account,
        partition,
        os.environ["URL_SUFFIX"],
        os.environ["STACK_ID"],
        os.environ["CONNECTION_ROLE_ARN"],
        os.environ["EXTERNAL_ID"],
    )


def _answer(request: Request, context: Any) -> Report:
    def work(services: Services) -> Report:
        if request.kind is Kind.DELETE:
            return services.reconciler.delete(request, services.deadline)
        return services.reconciler.converge(request, services.deadline)

    # A launch may be cancelled, and its Delete come, within the seconds in which its policy is not known yet.
    return _run(request.kind, context, work, 0.0 if request.is_purge else FRESH_POLICY_SECONDS)


def _act(name: str, context: Any) -> dict[str, Any]:
    """Do what an action asks: reconcile raises if something failed, plan and status have it in what they return."""
    if name != "reconcile":
        with _services(name, context, retry_seconds=VIEW_RETRY_SECONDS) as services:
            shown = actions.view(name, services.reconciler, services.deadline)
        return {"action": name, "version": __version__, **shown}
    request = actions.repair(context.aws_request_id, time.time())
    # The schedule's first repair may come while the role's policy is not known yet.
    report = _run(name, context, lambda s: s.reconciler.converge(request, s.deadline), FRESH_POLICY_SECONDS)
    return action_result(name, report)


@dataclass(frozen=True)
class Services:
    """What one invocation works with."""

    reconciler: Reconciler
    http: HttpClient
    deadline: Deadline


@contextmanager
def _services(
    name: str, context: Any, *, access_seconds: float = 0.0, retry_seconds: float = RETRY_SECONDS
) -> Iterator[Services]:
    """Give the services and the time to do something; log what goes wrong, with nothing secret in it."""
    about, pool = _about(name, context), ThreadPool()
    left = context.get_remaining_time_in_millis() / 1000
    deadline = Deadline(time.monotonic() + left - RESERVE_SECONDS, time.monotonic)
    try:
        yield _build(
            identity(context), deadline, pool, FreshPolicy(access_seconds), HttpClient(None, None, retry_seconds)
        )
    except RegistrationError as error:
        log(logging.ERROR, str(error), **about, error=type(error).__name__)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the response must be sent, and hold nothing secret
        where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        log(logging.CRITICAL, "unexpected failure", **about, error=type(error).__name__, where=where)
        raise RegistrationError(f"Unexpected {type(error).__name__}: see the log group for where.") from None
    finally:
        pool.shutdown()


def _build(stack: Identity, deadline: Deadline, pool: ThreadPool, access: FreshPolicy, http: HttpClient) -> Services:
    api_url = os.environ.get("FALCON_API_URL", "").rstrip("/")
    if api_url and urlsplit(api_url).scheme != "https":
        raise SettingsError(["FalconApiUrl must begin with https://."])
    http.protect(stack.external_id)

    def connect(credentials: Credentials, cloud: str) -> Falcon:
        return Falcon(Login(http, credentials, cloud, api_url), pool)

    clients = _clients()
    store = ParameterStore(lambda: clients.get("ssm"), f"/falcon-ecr/{stack.uuid}", access)
    account = AwsAccount(clients, os.environ["SECRET_ARN"], stack.stack_id, access)
    reader = Reader(stack, account, connect, pool)
    return Services(Reconciler(stack, store, reader, pool, Clock()), http, deadline)


@cache
def _clients() -> Clients:
    """Return the clients of AWS, which take longer to build than to call: once for each container."""
    return Clients(boto3.Session())


def _about(name: str, context: Any) -> Mapping[str, Any]:
    return {"request_id": context.aws_request_id, "action": str(name), "version": __version__}


def _run(name: str, context: Any, work: Callable[[Services], Report], access_seconds: float) -> Report:
    """Do the work within its time and log what became of it; raise RegistrationError with the reason if it failed."""
    started = time.monotonic()
    try:
        with _services(name, context, access_seconds=access_seconds) as services:
            report = work(services)
    except RegistrationError as error:
        raise RegistrationError(_problems(error)) from None
    measured = {"milliseconds": round((time.monotonic() - started) * 1000), "falcon_calls": services.http.calls}
    about = {**_about(name, context), "function": context.function_name}
    log_report(report, about, measured, time.time() if os.environ.get("PUBLISH_METRICS") == "Yes" else None)
    if report.failure:
        raise RegistrationError(report.failure)
    return report


def _retain_logs(context: Any) -> None:
    """Bound the life of the log group, which is Lambda's and outlives the stack, in the time that is left."""
    days, pool = os.environ.get("LOG_RETENTION_DAYS", ""), ThreadPool(1)
    if not days.isdecimal():
        return
    left = context.get_remaining_time_in_millis() / 1000 - custom_resource.RESERVE_SECONDS
    account = AwsAccount(_clients(), "", "", FreshPolicy(0.0))
    try:
        deadline = Deadline(time.monotonic() + left, time.monotonic)
        pool.run(lambda: account.retain_logs(context.log_group_name, int(days)), deadline, "AWS")
    except (AwsError, DeadlineError) as error:
        log(logging.WARNING, str(error), request_id=context.aws_request_id)
    except Exception as error:  # noqa: BLE001 - all is done and answered, and its text may hold anything
        log(logging.ERROR, "unexpected failure", request_id=context.aws_request_id, error=type(error).__name__)
    finally:
        pool.shutdown()


def _problems(error: RegistrationError) -> str:
    """Return an error's text, short enough to be shown whole; of many problems, how many did not fit."""
    problems = error.problems if isinstance(error, SettingsError) else (str(error),)
    for shown in range(len(problems), 0, -1):
        hidden = len(problems) - shown
        text = " ".join(problems[:shown]) + (f" And {hidden} more, see the log." if hidden else "")
        if len(text) <= LONGEST_REASON:
            return text
    return shorten(problems[0], LONGEST_REASON)
