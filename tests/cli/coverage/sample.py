"""An organization as large as they come, with everything that can be wrong in it, for the coverage report.

`PYTHONPATH=source python -m tests.cli.coverage.sample > page.html` writes its page, and `chromium --headless
--hide-scrollbars --window-size=1360,1340 --screenshot=.github/coverage-report.png page.html` the picture of the README.
"""

import random
import sys
from datetime import UTC, datetime

from cli.coverage import page
from cli.coverage.model import Coverage, Facts, cover
from cli.organization.members import Account
from cli.organization.stack_set import Definition, Instance
from registry_connections.core.model import Connection, Registry
from tests.sandbox.known_regions import WITHOUT_OPT_IN

MANAGEMENT = "111122223333"
SUFFIX = "amazonaws.com"
AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MARK = "1a2b3c4d"
DENIED = "RegistryConnections: eu-west-1: HTTP 403 the API client lacks the scope Falcon Container Image: WRITE"
TAKEN = "ECRExecutionRole: crowdstrike-ecr-lambda-role already exists"
TEAMS = ("payments", "search", "data", "identity", "mobile", "retail", "logistics", "research")
STAGES = ("prod", "staging", "dev", "sandbox")
EXPIRED = {"expired": True, "expired_at": "2026-11-20T04:00:00Z"}
FATES: tuple[tuple[float, dict[str, object] | None], ...] = (
    (98.8, {}),
    (0.3, None),
    (0.3, EXPIRED),
    (0.05, {"state": "paused"}),
    (0.05, {"state": "offline"}),
    (0.5, {"alias": "legacy-onboarding"}),
)
"""How many of a hundred registries have what kind of connection, if any."""


def facts(**given: object) -> Facts:
    """Return what was read of an organization without accounts, but for what is given."""
    read: dict[str, object] = {
        "organization": "o-exampleorgid",
        "management": MANAGEMENT,
        "accounts": [],
        "stack_set": "crowdstrike-ecr-registry-connections",
        "definition": definition(),
        "instances": [],
        "connections": [],
        "cloud": "us-1",
        "url_suffix": SUFFIX,
        "regions": {},
        "named": frozenset(WITHOUT_OPT_IN),
    }
    return Facts(**(read | given))  # type: ignore[arg-type]


def definition(version: str = "1.0.0", **parameters: str) -> Definition:
    """Return a stack set that deploys this version with these parameters."""
    held = {"S3Key": f"falcon-ecr/{version}-{'0' * 16}/lambda_function.zip", **parameters}
    return Definition("", held, True, frozenset(), {})


def instance(account: str, status: str = "CURRENT", reason: str = "") -> Instance:
    """Return an account's stack."""
    detail = "SUCCEEDED" if status == "CURRENT" else "FAILED"
    stack = f"arn:aws:cloudformation:us-east-1:{account}:stack/falcon/{MARK}-0000-0000-0000-000000000000"
    return Instance(account, "us-east-1", status, detail, "", reason, stack)


def connection(account: str, region: str, **fields: object) -> Connection:
    """Return a connection of ours, but for `fields`."""
    named = {"id": f"{account}-{region}", "alias": f"ecr-{MARK}-{account}-{region}"}
    ours: dict[str, object] = {"url": Registry(region, account, SUFFIX).url, "type": "ecr", **named}
    return Connection(**(ours | fields))  # type: ignore[arg-type]


def sample(count: int = 1000) -> Coverage:
    """Return an organization of `count` accounts by 17 Regions, mostly covered; the same every time."""
    chance = random.Random(count)  # noqa: S311 - a picture, not a secret
    members = [
        Account(
            str(300_000_000_000 + 7919 * number),
            f"{TEAMS[number % 8]}-{STAGES[number // 8 % 4]}-{number:03}",
            "SUSPENDED" if number == 40 else "ACTIVE",
        )
        for number in range(1, count)
    ]
    failed = {each.id: chance.choice([DENIED, DENIED, TAKEN]) for each in members[4::167]}
    frequencies, fates = zip(*FATES, strict=True)
    inside = [each.id for number, each in enumerate(members) if number % 211 != 8]
    covered = [each for each in inside if each not in failed]
    connections = [
        connection(account, region, **fate)
        for account in covered
        for region, fate in zip(WITHOUT_OPT_IN, chance.choices(fates, frequencies, k=17), strict=True)
        if fate is not None
    ]
    connections += [connection("299999999999", region) for region in WITHOUT_OPT_IN[:4]]  # an account that is gone
    connections += [connection("288888888888", "us-east-1", alias="of somebody else")]
    instances = [instance(each) for each in covered]
    instances += [instance(account, "OUTDATED", reason) for account, reason in failed.items()]
    accounts = [Account(MANAGEMENT, "management", "ACTIVE"), *members]
    return cover(facts(accounts=accounts, instances=instances, connections=connections))


if __name__ == "__main__":
    sys.stdout.write(page.html(sample(), facts(), AT))
