"""The probe asks what is open, tells what differs, and leaves the tenant as it was. Asked of the simulator."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from probe import __main__ as command
from probe import report
from probe.falcon import CannotAskError, Credential, Falcon
from probe.questions import QUESTIONS
from probe.survey import MARK, Survey
from tests.sandbox.tls import Authority
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Connection, FalconSimulator, Fault, Reset, Truncated

URL = "https://111122223333.dkr.ecr.us-west-1.amazonaws.com"
ABSENT = Credential("arn:aws:iam::111122223333:role/absent", "an-external-id")
WORKING = Credential("arn:aws:iam::111122223333:role/working", "another-external-id")
ENVIRON = {"FALCON_CLIENT_ID": CLIENT_ID, "FALCON_CLIENT_SECRET": CLIENT_SECRET, "YES": "1"}
Prepare = Callable[[FalconSimulator], object]
UNKNOWN: dict[str, object] = {"bad_credential_leaves_record": True, "alias_characters": 5}
NEEDS_A_CONNECTION = {
    *("create", "alias", "alias-length", "duplicate", "duplicate-key", "patch", "delete-several", "create-again"),
}


@pytest.fixture
def falcon(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FalconSimulator]:
    """Run a Falcon that can assume the working role, in a tenant with a neighbour who must stay untouched."""
    monkeypatch.chdir(tmp_path)
    with FalconSimulator(authority) as simulator:
        works = (WORKING.role, WORKING.external_id)
        simulator.change(credential_check=lambda *given: given == works, active_after=0.0)
        neighbour = simulator.add_connection(Connection(url=f"{URL}.example", user_defined_alias=f"{MARK}not-quite"))
        yield simulator

        assert simulator.connections() == [neighbour]


def survey(falcon: FalconSimulator, working: Credential | None = WORKING) -> Survey:
    api = Falcon(falcon.url, verify=str(falcon.ca_file))
    return Survey(api, URL, ABSENT, working, sleep=lambda _: None)


def ask(falcon: FalconSimulator, working: Credential | None = WORKING) -> int:
    """Ask everything, and return the exit status."""
    return command.run(survey(falcon, working), ENVIRON)


def written() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path("build/probe.json").read_text())
    return document


@pytest.mark.parametrize(
    ("switches", "differing"),
    [
        ({}, {}),
        ({"create_status": 201}, {"create": {"201"}}),
        ({"details_as_null": True}, {"details": {"null"}}),
        ({"unknown_id": "not_found"}, {"read-unknown": {"404"}}),
        ({"unknown_id_on_delete": "empty"}, {"delete-unknown": {"200"}}),
        ({"delete_many": False}, {"delete-several": {"400, 2 of 2 are left"}}),
        ({"patch_needs_credential": False}, {"patch": {"accepted"}}),
        ({"credential_check": None}, {"refused-role": {"accepted"}}),
        ({"credential_refusal": "no such role"}, {"refused-role-text": {"no such role"}}),
        ({"bad_credential_leaves_record": True}, {"refused-role-record": {"yes"}}),
        ({"alias_characters": 40}, {"alias": {"cut to 40 characters"}, "alias-length": {"cut to 40 characters"}}),
        ({"conflict_after_delete": 100.0}, {"create-again": {"409"}}),
        ({"retry_after_unit": "milliseconds"}, {"retry-after": {"milliseconds"}}),
        ({"retry_after_unit": "absent"}, {"retry-after": {"absent"}}),
    ],
    ids=str,
)
def test_every_question_is_asked_and_what_a_tenant_does_otherwise_is_told(
    falcon: FalconSimulator, switches: dict[str, object], differing: dict[str, set[str]]
) -> None:
    falcon.change(**switches)

    assert ask(falcon) == (command.DIFFERS if differing else command.NOTHING_DIFFERS)

    rows = {row["name"]: row for row in written()["questions"]}
    assert {name: set(row["answers"]) for name, row in rows.items() if row["verdict"] == "differs"} == differing
    assert rows.keys() == {question.name for question in QUESTIONS}
    assert differing or {row["verdict"] for row in rows.values()} == {"as assumed"}


def test_a_state_that_nobody_knew_is_told(falcon: FalconSimulator) -> None:
    falcon.tenant.force_state(falcon.connections()[0].id, "offline")

    assert ask(falcon) == command.DIFFERS
    assert {"active", "offline"} in (set(row["answers"]) for row in written()["questions"] if row["name"] == "states")
    falcon.tenant.force_state(falcon.connections()[0].id, "")


def test_without_a_working_role_only_what_needs_no_connection_is_asked(falcon: FalconSimulator) -> None:
    assert ask(falcon, working=None) == command.NOTHING_DIFFERS

    assert {row["name"] for row in written()["questions"] if row["verdict"] == "not asked"} == NEEDS_A_CONNECTION
    assert falcon.journal.count("create") == 1


# Cleaning up


def test_a_connection_that_is_there_stays_and_nothing_is_asked(falcon: FalconSimulator) -> None:
    theirs = falcon.add_connection(Connection(url=URL, user_defined_alias="somebody's"))

    with pytest.raises(CannotAskError, match="is connected already"):
        ask(falcon)

    assert falcon.tenant.get(theirs.id) == theirs
    assert falcon.journal.count("create") == 0
    falcon.tenant.remove(theirs.id)


@pytest.mark.parametrize("characters", [None, 5])
def test_an_interruption_leaves_nothing_whatever_became_of_the_alias(
    falcon: FalconSimulator, characters: int | None
) -> None:
    falcon.change(alias_characters=characters)
    interrupted = survey(falcon)
    interrupted.sleep = Mock(side_effect=KeyboardInterrupt)

    assert command.run(interrupted, ENVIRON) == command.CANNOT_ASK

    assert written()["stopped"] == "interrupted"


def test_what_an_earlier_run_left_is_removed_first(falcon: FalconSimulator, capsys: pytest.CaptureFixture[str]) -> None:
    falcon.add_connection(Connection(url=URL, user_defined_alias=f"{MARK}left"))

    assert ask(falcon) == command.NOTHING_DIFFERS
    assert "Removed 1 connections that an earlier run had left." in capsys.readouterr().out


def test_what_cannot_be_removed_is_told(falcon: FalconSimulator) -> None:
    falcon.arm(Fault("delete", Reset(), skip=1))

    assert ask(falcon) == command.CANNOT_ASK

    assert "Connections may be left: run this again" in written()["stopped"]
    falcon.disarm()
    assert ask(falcon) == command.NOTHING_DIFFERS


# What is not to be had


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (lambda falcon: falcon.add_client(CLIENT_ID, "another"), "gives no token: HTTP 403"),
        (lambda falcon: falcon.arm(Fault("token", Reset())), "no response to POST /oauth2/token"),
        (lambda falcon: falcon.add_client(CLIENT_ID, CLIENT_SECRET, []), "GET .*: HTTP 403 access denied"),
        (lambda falcon: setattr(falcon.tenant, "cloud", "us-2"), "FALCON_CLOUD=us-2"),
    ],
    ids=["secret", "network", "scope to read", "cloud"],
)
def test_a_tenant_that_cannot_be_asked_says_why(falcon: FalconSimulator, prepare: Prepare, problem: str) -> None:
    prepare(falcon)

    with pytest.raises(CannotAskError, match=problem):
        ask(falcon)


@pytest.mark.parametrize(
    ("prepare", "stopped", "left"),
    [
        (lambda falcon: falcon.arm(Fault("create", Truncated(), skip=1, times=1)), "no response to POST", 0),
        (lambda falcon: falcon.add_client(CLIENT_ID, CLIENT_SECRET, ["read"]), "scope not permitted", 0),
        (lambda falcon: falcon.change(**UNKNOWN), "came without our alias", 1),
    ],
    ids=["lost response", "scope to write", "not known as ours"],
)
def test_what_stops_the_questions_is_told_and_leaves_nothing_but_what_is_named(
    falcon: FalconSimulator, prepare: Prepare, stopped: str, left: int
) -> None:
    prepare(falcon)

    assert ask(falcon) == command.CANNOT_ASK
    found = [there.id for there in falcon.connections() if there.url == URL]
    assert len(found) == left
    assert all(text in written()["stopped"] for text in (stopped, *found))
    for each in found:
        falcon.tenant.remove(each)


# Before anything is asked


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "FALCON_CLIENT_ID is not set; FALCON_CLIENT_SECRET is not set"),
        (ENVIRON | {"FALCON_CLOUD": "mars"}, "FALCON_CLOUD is one of us-1"),
        (ENVIRON | {"REGION": "us-west-1a"}, "REGION is no Region"),
        (ENVIRON | {"ROLE_ARN": "arn:aws:iam::111122223333:role/x"}, "ROLE_ARN and EXTERNAL_ID belong together"),
    ],
    ids=["credentials", "cloud", "region", "role"],
)
def test_an_environment_that_does_not_do_is_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(CannotAskError, match=problem):
        command.make_survey(environ)


@pytest.mark.parametrize(
    ("region", "url", "partition"),
    [
        ("us-west-1", "https://111122223333.dkr.ecr.us-west-1.amazonaws.com", "aws"),
        ("us-gov-west-1", "https://111122223333.dkr.ecr.us-gov-west-1.amazonaws.com", "aws-us-gov"),
        ("cn-north-1", "https://111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", "aws-cn"),
    ],
)
def test_only_this_accounts_registry_in_one_region_is_used(region: str, url: str, partition: str) -> None:
    made = command.make_survey(ENVIRON | {"ACCOUNT_ID": "111122223333", "REGION": region})

    assert made.url == url
    assert made.refused.role == f"arn:{partition}:iam::111122223333:role/falcon-ecr-probe-does-not-exist"


def test_nothing_is_done_unless_somebody_agrees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = {"ACCOUNT_ID": "111122223333", "YES": "", "FALCON_API_URL": "https://localhost:1"}
    for name, value in (ENVIRON | nobody).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["probe"])

    assert command.main() == command.CANNOT_ASK

    assert "there is nobody to ask" in capsys.readouterr().err


def test_a_report_shows_no_secret_and_cuts_what_is_long(falcon: FalconSimulator) -> None:
    falcon.change(credential_refusal=f"refused: {ABSENT.role} {ABSENT.external_id} {CLIENT_SECRET}\nnext | line")
    asked = survey(falcon)
    command.run(asked, ENVIRON)

    text = Path("build/probe.json").read_text() + Path("build/probe.md").read_text()
    for secret in (ABSENT.external_id, CLIENT_SECRET, CLIENT_ID, asked.falcon.token, "111122223333"):
        assert secret not in text
    assert "refused: arn:aws:iam::***:role/absent *** *** next / line" in Path("build/probe.md").read_text()
    assert report.redact("x" * 500, []) == "x" * report.LONGEST
