"""`make coverage-report` from end to end: a real stack set in the local AWS, and Falcon over TLS."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher import coverage, coverage_sources
from launcher.coverage_model import Coverage, State
from launcher.organization_members import Account
from tests.customer import ROLE
from tests.organization import MANAGEMENT, MEMBERS, Operator, Ran, organize
from tests.sandbox.local_aws import LocalAws
from tests.simulator import Connection, FalconSimulator, Fault, missing_scope
from tests.simulator.probe import registry

pytest_plugins = ["tests.launching"]

REGIONS = ("us-east-1", "eu-west-1")
ALLOWED = [
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "cloudformation:DescribeStackSet",
    "cloudformation:ListStackInstances",
    "account:ListRegions",
]
"""What the help and the README say that the report needs."""

ALWAYS = ["sts:GetCallerIdentity"]
GONE = "277777777777"


@pytest.fixture
def operator(
    aws: LocalAws, falcon: FalconSimulator, package: bytes, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> Operator:
    assert package  # is built
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    found, units = organize(aws)
    for account in (MANAGEMENT, *MEMBERS):
        aws.set_regions(account, enabled=REGIONS)
    return Operator(aws, falcon, monkeypatch, units, found)


def report(operator: Operator, directory: Path, **environment: str) -> tuple[Ran, Coverage | None]:
    """Run `make coverage-report` and return what it printed and found."""
    found: list[Coverage] = []
    given = operator.credentials | {"FALCON_CLOUD": "us-1", "FALCON_API_URL": operator.falcon.url} | environment
    ran = operator.run(lambda env, shown: found.append(coverage.report(env, shown, directory)), given)
    return ran, found[0] if found else None


def states(found: Coverage | None, account: str) -> dict[str, State]:
    assert found
    return {region: cell.state for row in found.rows if row.account == account for region, cell in row.cells.items()}


def test_the_report_shows_what_became_of_every_account_and_changes_nothing(
    aws: LocalAws, operator: Operator, tmp_path: Path
) -> None:
    falcon, (connected, failed, expired, missing, closed, by_hand) = operator.falcon, MEMBERS
    aws.client("iam", failed).create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({}))
    assert operator.deploy(**operator.credentials).problem
    falcon.tenant.expire_credential(falcon.connections_of(expired)[0].id)
    falcon.tenant.remove(falcon.connections_of(missing)[0].id)
    falcon.tenant.remove(falcon.connections_of(by_hand)[0].id)
    falcon.add_connection(Connection(url=registry(by_hand, "eu-west-1"), user_defined_alias="by hand"))
    falcon.add_connection(Connection(url=registry(GONE, "us-east-1"), user_defined_alias=f"ecr-{GONE}-us-east-1"))
    aws.client("organizations").close_account(AccountId=closed)
    falcon.journal.clear()
    reader = aws.principal("reader", allow=ALLOWED)
    operator.environment = {
        "AWS_ACCESS_KEY_ID": reader["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": reader["SecretAccessKey"],
        "AWS_SESSION_TOKEN": reader["SessionToken"],
    }

    ran, found = report(operator, tmp_path)

    assert ran.problem == ""
    assert "6 of 12 registries are scanned by Falcon. 7 accounts need attention." in ran.text
    connections = dict.fromkeys(REGIONS, State.CONNECTED)
    assert states(found, connected) == connections
    assert states(found, failed) == dict.fromkeys(REGIONS, State.FAILED)
    assert states(found, expired) == connections | {"eu-west-1": State.EXPIRED}
    assert states(found, missing) == connections | {"eu-west-1": State.MISSING}
    assert states(found, closed) == dict.fromkeys(REGIONS, State.ORPHAN)
    assert states(found, by_hand) == connections | {"eu-west-1": State.UNMANAGED}
    assert states(found, MANAGEMENT) == dict.fromkeys(REGIONS, State.MISSING)
    assert states(found, GONE) == {"us-east-1": State.ORPHAN}
    assert f"ECRExecutionRole: {ROLE} already exists" in (tmp_path / "coverage.html").read_text()
    lines = list(csv.DictReader((tmp_path / "coverage.csv").open(newline="")))
    assert len(lines) == 15
    assert {call["action"] for call in aws.api_calls() if "/reader/" in call["principal"]} <= {*ALLOWED, *ALWAYS}
    assert set(falcon.journal.operations()) <= {"token", "list", "read"}
    assert falcon.journal.operations()["read"] == 1


class NoRegions:
    """An account whose operator may not ask for the Regions of others."""

    account = MANAGEMENT

    def __init__(self, refused: set[str]) -> None:
        self._refused = refused
        self.asked: list[str] = []

    def client(self, _: str) -> Any:
        return self

    get_paginator = client

    def paginate(self, **request: Any) -> Any:
        self.asked.append(request.get("AccountId", "own"))
        if request.get("AccountId") in self._refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListRegions")
        return [{"Regions": [{"RegionName": "us-east-1"}]}, {"Regions": [{"RegionName": "af-south-1"}]}]


ACCOUNTS = [Account(each, "", "ACTIVE") for each in (MANAGEMENT, *MEMBERS[:2])] + [Account(GONE, "", "SUSPENDED")]


def test_regions_are_read_account_by_account_and_the_own_is_not_named() -> None:
    aws: Any = NoRegions(set())

    regions, unread = coverage_sources.regions_of(aws, ACCOUNTS)

    assert regions == dict.fromkeys([MANAGEMENT, *MEMBERS[:2]], frozenset({"us-east-1", "af-south-1"}))
    assert unread == ""
    assert sorted(aws.asked) == sorted([MEMBERS[0], MEMBERS[0], MEMBERS[1], "own"])


def test_who_may_not_read_regions_asks_once_and_the_report_says_so() -> None:
    aws: Any = NoRegions(set(MEMBERS))

    assert coverage_sources.regions_of(aws, ACCOUNTS) == ({}, "AccessDeniedException")
    assert aws.asked == [MEMBERS[0]]


def test_an_account_whose_regions_cannot_be_read_is_told_and_the_others_are_used() -> None:
    aws: Any = NoRegions({MEMBERS[1]})

    regions, unread = coverage_sources.regions_of(aws, ACCOUNTS)

    assert regions.keys() == {MANAGEMENT, MEMBERS[0]}
    assert unread == "AccessDeniedException"


def test_an_organization_without_a_stack_set_is_a_report_too(operator: Operator, tmp_path: Path) -> None:
    ran, found = report(operator, tmp_path)

    assert ran.problem == ""
    assert found
    assert found.scanned == 0
    assert "There is no stack set falcon here" in (tmp_path / "coverage.html").read_text()


def test_a_falcon_that_cannot_be_read_leaves_no_report(operator: Operator, tmp_path: Path) -> None:
    operator.falcon.arm(Fault("list", missing_scope()))

    ran, _ = report(operator, tmp_path / "new")
    wrong, _ = report(operator, tmp_path / "new", FALCON_CLIENT_SECRET="wrong-secret")

    assert (
        "Falcon's connections cannot be read: the API client lacks the scope Falcon Container Image: READ"
        in ran.problem
    )
    assert "the client secret is wrong" in wrong.problem
    assert "wrong-secret" not in wrong.text + wrong.problem
    assert not (tmp_path / "new").exists()


def test_one_listing_covers_the_tenant_however_large(operator: Operator, tmp_path: Path) -> None:
    operator.falcon.seed(12_000)

    _, found = report(operator, tmp_path)

    assert found
    assert found.foreign == 12_000
    assert operator.falcon.journal.operations() == {"token": 1, "list": 3, "read": 120}
    assert coverage_sources.LISTING_SECONDS > 600
