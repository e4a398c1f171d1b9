"""One stack: launched, updated, followed and deleted, with a CloudFormation that plays a part."""

from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import EndpointConnectionError

from cli.errors import CliError
from cli.stack import Stack
from tests.cli.support import described, refusal, screen

ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/falcon/1a2b3c4d-0000-0000-0000-000000000000"

Script = list[tuple[str, str, str]]
"""The status, resource and reason of each event; without a resource it is the stack's."""

CREATED: Script = [("CREATE_IN_PROGRESS", "", ""), ("CREATE_COMPLETE", "Role", ""), ("CREATE_COMPLETE", "", "")]
UPDATED: Script = [("UPDATE_IN_PROGRESS", "", ""), ("UPDATE_COMPLETE", "", "")]
DELETED: Script = [("DELETE_IN_PROGRESS", "", ""), ("DELETE_COMPLETE", "", "")]
STOPPED = ("CREATE_FAILED", "Rule", "Resource creation cancelled")


class FakeCloudFormation:
    """One stack that goes through `scripts`, one for each operation."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, status: str = "", *scripts: Script) -> None:
        self.status, self.scripts = status, list(scripts)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.events: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.create_stack, self.delete_stack = partial(self.begin, "create"), partial(self.begin, "delete")

    def describe_stacks(self, **_: Any) -> Any:
        if not self.status or self.status == "DELETE_COMPLETE":
            raise refusal("ValidationError", "Stack with id falcon does not exist")
        return {"Stacks": [described(self.status, Regions="us-east-1", Gone="") | {"StackId": ID}]}

    def update_stack(self, **request: Any) -> Any:
        if not self.scripts:
            raise refusal("ValidationError", "No updates are to be performed.")
        return self.begin("update", **request)

    def begin(self, name: str, **request: Any) -> Any:
        """Begin the next script, as this request or as somebody else's."""
        self.calls.append((name, request))
        self.waiting = [
            {
                "EventId": f"{len(self.calls)}-{status}-{resource}",
                "Timestamp": datetime(2026, 11, 25, 12, 0, 1, tzinfo=UTC),
                "LogicalResourceId": resource or "falcon",
                "ResourceType": "AWS::IAM::Role" if resource else "AWS::CloudFormation::Stack",
                "PhysicalResourceId": resource or ID,
                "StackId": ID,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "ClientRequestToken": request.get("ClientRequestToken", ""),
            }
            for status, resource, reason in self.scripts.pop(0)
        ]
        return {"StackId": ID}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        """Return the events, the latest first; one more each time that somebody looks."""
        if self.waiting:
            self.events.append(self.waiting.pop(0))
            if self.events[-1]["PhysicalResourceId"] == ID:
                self.status = self.events[-1]["ResourceStatus"]
        return [{"StackEvents": self.events[::-1]}]


def stack(played: FakeCloudFormation) -> tuple[Stack, Any]:
    shown, output = screen()
    return Stack(played, "falcon", shown), output


def test_a_launch_is_followed_from_its_first_event_to_its_last() -> None:
    played = FakeCloudFormation("", CREATED)
    given, output = stack(played)

    after, changed = given.deploy({"TemplateBody": "{}"}, {"Regions": "x"}, ["Regions"], {"team": "a"})

    assert (after.status, changed) == ("CREATE_COMPLETE", True)
    ((name, request),) = played.calls
    assert name == "create"
    assert request["Parameters"] == [{"ParameterKey": "Regions", "ParameterValue": "x"}]
    assert request["Tags"] == [{"Key": "team", "Value": "a"}]
    assert output.getvalue().splitlines()[1] == "12:00:01  CREATE_COMPLETE              Role"


def test_an_update_keeps_what_is_not_given_and_drops_what_the_template_lost() -> None:
    played = FakeCloudFormation("UPDATE_ROLLBACK_COMPLETE", UPDATED)
    given, _ = stack(played)

    assert given.deploy({"TemplateBody": "{}"}, {"S3Key": "new"}, ["Regions", "S3Key"])[1]
    assert not given.deploy({}, {}, [])[1]  # nothing to change is no failure

    assert played.calls[0][1]["Parameters"] == [
        {"ParameterKey": "S3Key", "ParameterValue": "new"},
        {"ParameterKey": "Regions", "UsePreviousValue": True},
    ]


def test_what_is_under_way_is_followed_to_its_end_before_anything_is_begun() -> None:
    played = FakeCloudFormation("", CREATED, UPDATED, UPDATED)
    given, output = stack(played)
    given.deploy({}, {}, [])
    played.begin("update")  # somebody else's, or that of a command that was interrupted
    played.status = "UPDATE_IN_PROGRESS"
    before = len(output.getvalue())

    given.deploy({}, {}, [])

    printed = output.getvalue()[before:]
    assert printed.startswith("the stack falcon is in UPDATE_IN_PROGRESS: following what is under way\n")
    assert printed.count("UPDATE_COMPLETE") == 2
    assert "CREATE_COMPLETE" not in printed  # of an earlier operation
    assert [name for name, _ in played.calls] == ["create", "update", "update"]


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"])
def test_what_is_left_of_a_failed_launch_is_deleted_and_launched_anew(status: str) -> None:
    played = FakeCloudFormation(status, DELETED, CREATED)
    given, output = stack(played)

    given.deploy({}, {}, [])

    assert [name for name, _ in played.calls] == ["delete", "create"]
    assert f"deleting what is left of a failed launch ({status})" in output.getvalue()


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([("CREATE_FAILED", "Role", "role \x1b[31mexists"), STOPPED], "Role (AWS::IAM::Role): role  [31mexists"),
        ([("ROLLBACK_IN_PROGRESS", "", "denied")], "falcon (AWS::CloudFormation::Stack): denied"),
        ([], "CloudFormation gives none; see the events above."),
    ],
)
def test_a_failure_names_its_cause_without_consequences_and_the_remedy(events: Script, cause: str) -> None:
    given, output = stack(FakeCloudFormation("", [*events, ("ROLLBACK_COMPLETE", "", "")]))

    with pytest.raises(CliError) as raised:
        given.deploy({}, {}, [])

    assert str(raised.value).splitlines() == [
        "the stack falcon failed and is in ROLLBACK_COMPLETE. The cause:",
        f"  {cause}",
        "Correct the cause, then run this again: it deletes what is left and launches anew.",
    ]
    assert "\x1b" not in output.getvalue()


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name falcon --region us-east-1"),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack --stack-name falcon --region us-east-1"),
        ("DELETE_FAILED", "--retain-resources RegistryConnections"),
    ],
)
def test_a_stack_that_takes_no_update_is_told_its_way_back(status: str, remedy: str) -> None:
    played = FakeCloudFormation(status)

    with pytest.raises(CliError, match="takes no update") as raised:
        stack(played)[0].deploy({}, {}, [])

    assert remedy in str(raised.value)
    assert played.calls == []


def test_a_deletion_that_fails_says_why_whole_and_how_to_leave() -> None:
    reason = "eu-west-1: HTTP 403 " + "x" * 300
    script = [("DELETE_IN_PROGRESS", "", ""), ("DELETE_FAILED", "Role", reason), ("DELETE_FAILED", "", "")]

    with pytest.raises(CliError, match="delete it again") as raised:
        stack(FakeCloudFormation("CREATE_COMPLETE", script))[0].delete()

    assert reason in str(raised.value)


def test_a_network_that_is_gone_leaves_the_operation_unwatched_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = FakeCloudFormation("CREATE_COMPLETE", UPDATED)
    monkeypatch.setattr(played, "paginate", Mock(side_effect=EndpointConnectionError(endpoint_url="https://aws")))

    with pytest.raises(CliError, match=r"goes on unwatched. The same command again follows it to its end"):
        stack(played)[0].deploy({}, {}, [])
