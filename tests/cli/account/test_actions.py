"""`make plan`, `make status` and `make reconcile`: what they ask, what they print, and how long they wait."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from cli.account import actions, views
from cli.account.actions import LONGEST_SECONDS
from cli.errors import AttentionError, CliError
from cli.screen import QUIET_SECONDS
from tests.cli.support import Ran, asked, screen
from tests.stack.customer import STACK, Customer
from tests.stack.operating import delete_in_falcon

pytest_plugins = ["tests.stack.launching"]

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
STATUS: dict[str, Any] = {"action": "status", "ok": True, "cloud": "us-1", "regions": [ROW], "problems": []}


class FakeAws:
    """An account with one stack, whose function gives one answer, after a while if told so."""

    region, account = "us-east-1", "111122223333"

    class meta:  # noqa: N801 - as a client has it
        region_name = "us-east-1"

    def __init__(self, answer: Any, *, status: str = "CREATE_COMPLETE", error: bool = False) -> None:
        self._answer, self._status, self._error = answer, status, error
        self.configs: list[Any] = []
        self.payloads: list[Any] = []

    def client(self, service: str, config: Any = None) -> Any:
        if service == "lambda":
            self.configs.append(config)
        return self

    def describe_stacks(self, **_: Any) -> Any:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"Stacks": [{"StackId": "arn", "StackStatus": self._status, "Outputs": outputs}]}

    def invoke(self, *, Payload: bytes, **_: Any) -> Any:  # noqa: N803 - boto3's names
        self.payloads.append(json.loads(Payload))
        if isinstance(self._answer, Exception):
            raise self._answer
        answer = {"Payload": io.BytesIO(json.dumps(self._answer).encode())}
        return answer | ({"FunctionError": "Unhandled"} if self._error else {})


def act(monkeypatch: pytest.MonkeyPatch, aws: FakeAws, action: str = "status", width: int = 2000, **given: str) -> Ran:
    """Run an action; a terminal that prints 80 columns unless told otherwise."""
    monkeypatch.setattr(actions, "connect", lambda *_, **__: aws)
    shown, output = screen(width=width, wide=bool(given.get("WIDE")))
    try:
        getattr(actions, action)(asked(action, **given), shown)
    except CliError as error:
        return Ran(output.getvalue(), ok=False, problem=str(error))
    return Ran(output.getvalue(), ok=True)


def test_a_status_begins_with_the_stack_and_its_version_and_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ROW | {"region": "ap-southeast-1", "problem": "its connection is gone from Falcon " * 4, "state": None}

    ran = act(monkeypatch, FakeAws(STATUS | {"ok": False, "regions": [ROW, wrong]}), width=80)

    lines = [line.rstrip() for line in ran.text.splitlines()]
    assert " ".join(lines[:2]) == (
        "stack crowdstrike-ecr-registry-connections: CREATE_COMPLETE, version 1.2.3 (account 111122223333, us-east-1)"
    )
    assert lines[4].split() == ["REGION", "WHAT", "IS", "WRONG", "STATE", "CREDENTIAL"]
    assert lines[5].split() == ["us-east-1", "-", "active", "valid"]
    assert lines[6].startswith("ap-southeast-1  its connection is gone from Falcon")
    assert lines[-1] == "1 Region to repair: make reconcile"
    assert max(map(len, lines)) <= 80
    assert not ran.ok


def test_wide_adds_ids_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "0" * 36 not in act(monkeypatch, FakeAws(STATUS)).text
    assert f"{'0' * 36}  2026-11-25 12:00  2026-11-25 13:00" in act(monkeypatch, FakeAws(STATUS), WIDE="1").text


def test_wide_cuts_nothing_short_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = [
        line for line in act(monkeypatch, FakeAws(STATUS), width=80, WIDE="1").text.splitlines() if "0" * 36 in line
    ]

    assert row.split()[:3] == ["us-east-1", "-", "active"]
    assert row.rstrip().endswith("2026-11-25 13:00")


def test_a_stack_that_is_not_in_order_and_what_needs_attention_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws(STATUS | {"attention": ["us-east-1: paused in Falcon"]}, status="UPDATE_ROLLBACK_FAILED")

    ran = act(monkeypatch, aws)

    assert "warning: the stack itself is in UPDATE_ROLLBACK_FAILED. Bring it back" in ran.text
    assert "attention: us-east-1: paused in Falcon" in ran.text
    assert ran.ok


def test_json_is_printed_alone_and_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = act(monkeypatch, FakeAws(STATUS | {"ok": False}), JSON="1")

    assert ran.text == json.dumps(STATUS | {"ok": False}) + "\n"
    assert not ran.ok


def test_the_function_is_asked_once_and_waited_for_as_long_as_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws(ReadTimeoutError(endpoint_url="https://lambda"))

    ran = act(monkeypatch, aws, "reconcile")

    assert ran.problem.startswith("the connection to the function broke: ")
    assert "It may still be at work. Look at the log group /aws/lambda/function, then at: make status" in ran.problem
    assert aws.payloads == [{"action": "reconcile"}]
    (config,) = aws.configs
    assert (config.read_timeout, config.retries, config.tcp_keepalive) == (910, {"total_max_attempts": 1}, True)
    assert LONGEST_SECONDS == 910


def test_a_long_wait_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    class AtOnce:
        def __init__(self, seconds: float, function: Any, arguments: Any) -> None:
            assert seconds == QUIET_SECONDS
            self.start = lambda: function(*arguments)

        def cancel(self) -> None:
            pass

    monkeypatch.setattr("threading.Timer", AtOnce)

    assert (
        "checking: the function is at work, and Falcon may be slow; waiting until "
        in act(monkeypatch, FakeAws(STATUS)).text
    )
    assert "checking" not in act(monkeypatch, FakeAws(STATUS), JSON="1").text


def test_a_function_error_says_where_more_is_to_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = FakeAws({"errorMessage": "1 Region failed: sa-east-1", "errorType": "X"}, error=True)

    assert act(monkeypatch, failed, "reconcile").problem == (
        "1 Region failed: sa-east-1\n  Each Region: make status. Every line: the log group /aws/lambda/function"
    )


def test_what_is_left_is_shown_and_does_not_count_as_repaired() -> None:
    left = {"region": "sa-east-1", "outcome": "left", "connection": None, "message": "why"}
    shown, output = screen()

    views.show_reconcile({"ok": True, "cloud": "us-1", "regions": [left]}, shown)

    assert [line.rstrip() for line in output.getvalue().splitlines()[-3:]] == [
        "sa-east-1  why  left",
        "",
        "Nothing was to be repaired.",
    ]


@pytest.mark.parametrize("ok", [True, False])
def test_a_repair_that_did_not_do_the_work_says_why(ok: bool) -> None:
    shown, output = screen()

    views.show_reconcile({"ok": ok, "cloud": None, "regions": [], "message": "another run is at work"}, shown)

    assert output.getvalue().splitlines()[-1] == "another run is at work"


def test_a_real_stack_is_asked_and_repaired(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    customer.launched(Regions="us-east-1,eu-west-1")
    delete_in_falcon(customer, "eu-west-1")
    for name, value in customer.aws.environment(customer.account).items():
        monkeypatch.setenv(name, value)
    ran = []
    for action in ("status", "plan", "reconcile", "status"):
        shown, output = screen()
        try:
            getattr(actions, action)(asked(action, STACK=STACK), shown)
        except AttentionError:
            output.write("not all is well")
        ran.append(output.getvalue())

    before, plan, repair, after = ran
    assert before.endswith("1 Region to repair: make reconcile\nnot all is well")
    assert "1 change to make: make reconcile" in plan
    assert "1 Region repaired." in repair
    assert after.endswith("2 Regions connected, and nothing is wrong.\n")
