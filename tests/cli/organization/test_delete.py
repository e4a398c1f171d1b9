"""`make delete-org` in the local AWS: what each choice leaves, what it asks first, and what stands in its way."""

from types import SimpleNamespace
from typing import Any

import pytest

from cli.account.delete import MEANING
from cli.errors import CliError
from cli.organization import delete as command
from cli.stack import Stack
from tests.cli.organization.fake import ACCOUNTS, CURRENT, UNIT, FakeStackSets
from tests.cli.support import MANAGEMENT, MEMBERS, STACK_SET, Operator, Ran, asked, attempt, described, screen
from tests.sandbox.local_aws import LocalAws
from tests.simulator import Connection
from tests.simulator.probe import registry
from tests.stack.customer import resources


def test_the_management_account_gets_what_the_stack_set_has_and_all_goes_but_what_the_choice_leaves(
    aws: LocalAws, administrator: Operator
) -> None:
    administrator.launch_org()
    unit = administrator.units["security"]
    included = administrator.run("deploy-org", STACK_SET=STACK_SET, OU_IDS=unit, INCLUDE_MANAGEMENT="1")
    covered = administrator.connected()
    for account in (MEMBERS[0], MANAGEMENT):
        administrator.falcon.add_connection(Connection(url=registry(account, "us-west-2")))
    before = set(resources(aws, MEMBERS[0]))

    ran = administrator.delete_org(INCLUDE_MANAGEMENT="1", DELETE_CONNECTIONS="Stack", DELETE_BUCKET="1")

    assert "2 accounts are covered" in included.text, included.problem
    assert len(covered[MANAGEMENT]) == 2  # the Regions of the stack set, which that run did not name
    assert ran.problem == ""
    assert "Setting DeleteConnections=Stack" in ran.text
    left = {account: len(found) for account, found in administrator.connected().items()}
    assert left == {MEMBERS[0]: 1, MANAGEMENT: 1}  # which the stacks do not manage
    assert before - set(resources(aws, MEMBERS[0]))
    assert {kind.split()[0] for kind in resources(aws, MEMBERS[0])} <= {"log"}
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []  # the shared secret went last
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert administrator.delete_org().problem == f"there is no stack set {STACK_SET} in us-east-1."


def deletion(played: FakeStackSets, **given: str) -> tuple[command.Deletion, Any]:
    """Return a deletion without AWS, and what is printed."""
    shown, output = screen()
    aws: Any = SimpleNamespace(region="us-east-1", account=MANAGEMENT, client=lambda _: played)
    return command.Deletion(aws, asked("delete-org", STACK_SET="falcon", **given), shown), output


def delete(played: FakeStackSets, **given: str) -> Ran:
    to_run, output = deletion(played, **given)
    return attempt(to_run.run, output)


def test_what_goes_is_told_before_the_name_is_asked_for() -> None:
    played = FakeStackSets({"S3Key": f"falcon-ecr/1.2.3-{'0' * 16}/lambda_function.zip"}, [UNIT], CURRENT)
    played.begin(ACCOUNTS[:1])
    played.stacks = {"falcon": described(DeleteConnections="Account"), "falcon-secret": described()}
    asks, output = deletion(played, INCLUDE_MANAGEMENT="1")

    with pytest.raises(CliError, match="this needs an answer"):
        asks.confirm()

    assert output.getvalue().splitlines() == [
        "Waiting for an operation that is under way: 1 of 1 accounts",
        "This deletes the stack set falcon (version 1.2.3) and its stacks in 4 accounts.",
        f"DeleteConnections=Keep: {MEANING['Keep']}",
        f"This deletes the stack falcon of the management account {MANAGEMENT}.",
        f"There DeleteConnections=Account: {MEANING['Account']}",
        "This deletes the shared secret and its key, unless the management account's stack stays and reads it.",
        "The bucket with the packages is kept.",
    ]


def test_suspended_accounts_are_taken_out_with_their_stacks_and_it_says_so() -> None:
    played = FakeStackSets({"DeleteConnections": "Stack"}, [UNIT], CURRENT, suspended=ACCOUNTS[1:2])

    ran = delete(played)

    assert ran.problem == ""
    assert f"taken out, their stacks and connections stay: {ACCOUNTS[1]}" in ran.text
    deleted, taken_out, _ = (request for _, request in played.calls)
    assert (deleted["RetainStacks"], taken_out["RetainStacks"]) == (False, True)
    assert taken_out["DeploymentTargets"]["Accounts"] == [ACCOUNTS[1]]


REVOKED = {ACCOUNTS[2]: "the API client was revoked"}


def test_an_account_that_cannot_be_told_the_choice_stops_the_deletion_until_it_can() -> None:
    played = FakeStackSets({"DeleteConnections": "Keep"}, [UNIT], CURRENT, REVOKED)

    runs = [delete(played, DELETE_CONNECTIONS="Stack") for _ in range(2)]
    played.failing = {}
    last = delete(played, DELETE_CONNECTIONS="Stack")

    for refused in runs:
        assert f"{ACCOUNTS[2]}  the API client was revoked" in refused.text
        assert refused.problem.startswith(
            "1 account could not be updated to DeleteConnections=Stack, so nothing was deleted"
        )
    assert "Setting DeleteConnections=Stack again: 1 of 1 accounts" in last.text  # and nobody else
    assert last.ok
    again = ["update_stack_instances"]
    assert played.changes == ["update_stack_set", *again, *again, "delete_stack_instances", "delete_stack_set"]


def test_by_force_the_stacks_go_and_the_accounts_whose_connections_stay_are_named() -> None:
    played = FakeStackSets({"DeleteConnections": "Keep"}, [UNIT], CURRENT, REVOKED)

    ran = delete(played, DELETE_CONNECTIONS="Stack", FORCE="1")

    assert "the stack set falcon is deleted" in ran.text
    assert ran.problem.startswith("deleted by force without DeleteConnections")
    assert ran.problem.endswith(f": {ACCOUNTS[2]}")


def test_a_stack_that_cannot_be_deleted_keeps_the_stack_set() -> None:
    played = FakeStackSets({"DeleteConnections": "Keep"}, [UNIT], CURRENT, stuck=ACCOUNTS[3:])

    ran = delete(played)

    assert ACCOUNTS[3] in ran.text
    assert ran.problem.startswith("there is still a stack in 1 account")
    assert played.changes == ["delete_stack_instances"]


@pytest.mark.parametrize(
    ("choice", "problem", "changes"),
    [
        ("Stack", "", ["delete_stack_instances", "delete_stack_set"]),
        ("Keep", "1 account could not be updated to DeleteConnections=Keep", ["update_stack_set"]),
    ],
)
def test_where_a_deletion_failed_the_choice_was_known_and_another_one_cannot_be_told(
    choice: str, problem: str, changes: list[str]
) -> None:
    played = FakeStackSets({"DeleteConnections": "Stack"}, [UNIT], CURRENT | {ACCOUNTS[2]: "INOPERABLE"})
    played.failing = {ACCOUNTS[2]: "it is excluded from updates"} if choice == "Keep" else {}

    assert delete(played, DELETE_CONNECTIONS=choice).problem.startswith(problem)
    assert played.changes == changes


SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:Secret-a1b2c3-XyZ123"


@pytest.mark.parametrize(
    ("status", "named", "kept"),
    [
        ("CREATE_COMPLETE", SECRET, True),
        ("UPDATE_ROLLBACK_COMPLETE", "Secret-a1b2c3", True),
        ("CREATE_COMPLETE", "crowdstrike-ecr-api-credentials", False),
        ("CREATE_COMPLETE", "", False),
        ("ROLLBACK_COMPLETE", SECRET, False),
        ("ROLLBACK_FAILED", SECRET, True),
    ],
)
def test_the_shared_secret_is_kept_if_a_stack_of_this_account_reads_it(
    monkeypatch: pytest.MonkeyPatch, status: str, named: str, *, kept: bool
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(Stack, "delete", lambda stack: deleted.append(stack.name))
    stacks = {
        "falcon": described(status, SecretsManagerSecretName=named),
        "falcon-secret": described(outputs={"SecretArn": SECRET}),
    }

    ran = delete(FakeStackSets(stacks=stacks))

    assert ("the shared secret is kept: the stack falcon of this account may read it" in ran.text) is kept
    assert deleted == ([] if kept else ["falcon-secret"])
