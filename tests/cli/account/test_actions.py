"""`make plan`, `make status` and `make reconcile`: what they ask, what they print, and how long they wait."""

import io
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from cli.account import actions, views
from cli.screen import QUIET_SECONDS
from tests.cli.support import Operator, Ran, asked, attempt, described, screen
from tests.stack.customer import STACK, Customer

OUTPUTS = {"FunctionName": "function", "LogGroup": "/aws/lambda/function", "Version": "1.2.3"}
ROW: dict[str, Any] = {
    "region": "us-east-1",
    "wanted": True,
    "skipped": None,
    "connection": "0" * 36,
    "alias": "x",
    "state": "active",
    "credential_expired": False,
    "credential_expires_at": None,
    "problem": None,
    "last_refresh": "2026-11-25T12:00:01Z",
    "next_refresh": "2026-11-25T13:00:01Z",
}
Act = Callable[..., Ran]
STATUS: dict[str, Any] = {"action": "status", "ok": True, "cloud": "us-1", "regions": [ROW], "problems": []}


class FakeAws:
    """An account with one stack, whose function gives one answer."""

    region, account = "us-east-1", "111122223333"
    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, answer: Any, status: str = "CREATE_COMPLETE", outputs: Mapping[str, str] = OUTPUTS) -> None:
        self._answer, self._status, self._outputs = answer, status, outputs
        self.asked: list[Any] = []

    def client(self, _: str, config: Any = None) -> Any:
        self.asked += [config] if config else []
        return self

    def describe_stacks(self, **_: Any) -> Any:
        return {"Stacks": [described(self._status, self._outputs)]}

    def invoke(self, *, Payload: bytes, **_: Any) -> Any:  # noqa: N803 - boto3's names
        self.asked.append(json.loads(Payload))
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"Payload": io.BytesIO(json.dumps(self._answer).encode())}


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Act:
    """Return what runs an action; the terminal has so many columns that nothing folds, unless told otherwise."""

    def run(aws: FakeAws, action: str = "status", width: int = 2000, **given: str) -> Ran:
        monkeypatch.setattr(actions, "connect", lambda *_: aws)
        shown, output = screen(width=width, wide=bool(given.get("WIDE")))
        return attempt(lambda: getattr(actions, action)(asked(action, **given), shown), output)

    return run


def test_a_status_begins_with_the_stack_and_its_version_and_fits_80_columns(act: Act) -> None:
    wrong = ROW | {"region": "ap-southeast-1", "problem": "its connection is gone from Falcon " * 4, "state": None}

    ran = act(FakeAws(STATUS | {"ok": False, "regions": [ROW, wrong]}), width=80)

    lines = [line.rstrip() for line in ran.text.splitlines()]
    assert " ".join(lines[:2]) == (
        "stack crowdstrike-ecr-registry-connections: CREATE_COMPLETE, version 1.2.3 (account 111122223333, us-east-1)"
    )
    assert lines[4].split() == ["REGION", "WHAT", "IS", "WRONG", "STATE", "CREDENTIAL"]
    assert lines[5].split() == ["us-east-1", "-", "active", "valid"]
    assert lines[6].startswith("ap-southeast-1  its connection is gone from Falcon")
    assert lines[-1] == "1 Region needs attention. make reconcile repairs what it can."
    assert max(map(len, lines)) <= 80
    assert not ran.ok


def test_what_is_not_in_order_is_told_and_wide_adds_ids_and_times_and_cuts_nothing_short(act: Act) -> None:
    aws = FakeAws(STATUS | {"attention": ["us-east-1: paused in Falcon"]}, "UPDATE_ROLLBACK_FAILED")

    ran, wide = act(aws), act(aws, width=80, WIDE="1")

    assert "warning: the stack itself is in UPDATE_ROLLBACK_FAILED. Bring it back" in ran.text
    assert "attention: us-east-1: paused in Falcon" in ran.text
    assert ran.ok
    assert "0" * 36 not in ran.text
    assert f"{'0' * 36}  2026-11-25 12:00  2026-11-25 13:00" in wide.text


def test_json_is_printed_alone_as_it_came_and_the_function_asked_once_and_waited_for(act: Act) -> None:
    aws = FakeAws(STATUS | {"ok": False})

    ran = act(aws, JSON="1")

    config, payload = aws.asked
    assert (ran.text, ran.ok) == (json.dumps(STATUS | {"ok": False}) + "\n", False)
    assert payload == {"action": "status"}
    assert (config.read_timeout, config.retries, config.tcp_keepalive) == (910, {"total_max_attempts": 1}, True)


def test_a_long_wait_is_announced(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    def timer(seconds: float, function: Any, arguments: Any) -> Any:
        assert seconds == QUIET_SECONDS
        return SimpleNamespace(start=lambda: function(*arguments), cancel=lambda: None)

    monkeypatch.setattr("threading.Timer", timer)
    announced = "checking: the function is at work, and Falcon may be slow; waiting until "

    assert announced in act(FakeAws(STATUS)).text
    assert announced not in act(FakeAws(STATUS), JSON="1").text


FAILED = {"errorMessage": "1 Region failed: sa-east-1", "errorType": "X", "stackTrace": ["of Lambda"]}
NOBODY = "and has no function to ask."


@pytest.mark.parametrize(
    ("aws", "problem"),
    [
        (FakeAws(STATUS, "ROLLBACK_IN_PROGRESS", {}), f"PROGRESS {NOBODY} Wait for its end, then ask again."),
        (FakeAws(STATUS, "ROLLBACK_COMPLETE", {}), f"COMPLETE {NOBODY} Its launch failed: make deploy launches anew."),
        (FakeAws(STATUS, outputs={}), f"is in CREATE_COMPLETE {NOBODY} Is it this one?"),
        (
            FakeAws(ReadTimeoutError(endpoint_url="https://lambda")),
            "\n  It may still be at work. Look at the log group /aws/lambda/function, then at: make status",
        ),
        (
            FakeAws(FAILED),
            "1 Region failed: sa-east-1\n  Each Region: make status. Every line: the log group /aws/lambda/function",
        ),
    ],
)
def test_where_there_is_no_answer_it_is_said_where_more_is_to_be_found(act: Act, aws: FakeAws, problem: str) -> None:
    told = act(aws, "reconcile").problem

    assert told.startswith(("the stack crowdstrike-ecr-", "the connection to the function broke: ", "1 Region failed"))
    assert told.endswith(problem)
    assert act(aws, "reconcile", JSON="1").text == ""


LEFT = {"region": "sa-east-1", "outcome": "left", "connection": None, "message": "why"}


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        ({"ok": True, "regions": [LEFT]}, ["sa-east-1  why  left", "", "Nothing was to be repaired."]),
        ({"ok": True, "message": "another run is at work"}, ["another run is at work"]),
        ({"ok": False, "message": "another run is at work"}, ["another run is at work"]),
    ],
)
def test_a_repair_says_what_was_left_and_why_it_did_not_do_the_work(answer: dict[str, Any], last: list[str]) -> None:
    shown, output = screen()

    views.show_reconcile({"cloud": "us-1", "regions": []} | answer, shown)

    assert [line.rstrip() for line in output.getvalue().splitlines()[-len(last) :]] == last


def test_a_real_stack_is_asked_and_repaired(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    customer.launched(Regions="us-east-1,eu-west-1")
    customer.delete_in_falcon("eu-west-1")
    operator = Operator(customer.aws, customer.falcon, monkeypatch)

    before, plan, repair, after = (
        operator.run(each, STACK=STACK) for each in ("status", "plan", "reconcile", "status")
    )

    assert before.text.endswith("1 Region needs attention. make reconcile repairs what it can.\n")
    assert [each.ok for each in (before, plan, repair, after)] == [False, True, True, True]
    assert "1 change to make: make reconcile" in plan.text
    assert "1 Region repaired." in repair.text
    assert after.text.endswith("2 Regions connected, and nothing is wrong.\n")
