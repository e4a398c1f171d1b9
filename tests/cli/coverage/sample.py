"""An organization as large as they come, with everything that can be wrong in it, for the coverage report.

`PYTHONPATH=source python -m tests.cli.coverage.sample .github/coverage-report.png` takes the picture of the README.
"""

import base64
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cli.coverage import page
from cli.coverage.model import Coverage, Scope, cover
from cli.coverage.page import About
from cli.organization.members import Account
from cli.organization.stack_set import Instance
from registry_connections.core.model import Connection, Registry
from tests.cli.coverage import browser
from tests.sandbox.known_regions import WITHOUT_OPT_IN

MANAGEMENT = "111122223333"
SUFFIX = "amazonaws.com"
AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MARK = "1a2b3c4d"
SCOPE = Scope(SUFFIX, MANAGEMENT, {}, frozenset(WITHOUT_OPT_IN), version="1.0.0")
DENIED = "RegistryConnections: eu-west-1: HTTP 403 the API client lacks the scope Falcon Container Image: WRITE"
TAKEN = "ECRExecutionRole: crowdstrike-ecr-lambda-role already exists"
TEAMS = ("payments", "search", "data", "identity", "mobile", "retail", "logistics", "research")
STAGES = ("prod", "staging", "dev", "sandbox")


def instance(account: str, status: str = "CURRENT", reason: str = "", detail: str = "") -> Instance:
    """Return an account's stack."""
    return Instance(
        account,
        "us-east-1",
        status,
        detail or ("SUCCEEDED" if status == "CURRENT" else "FAILED"),
        "",
        reason,
        f"arn:aws:cloudformation:us-east-1:{account}:stack/falcon/{MARK}-0000-0000-0000-000000000000",
    )


def connection(account: str, region: str, **fields: object) -> Connection:
    """Return a connection of ours, but for `fields`."""
    registry = Registry(region, account, SUFFIX)
    ours: dict[str, object] = {
        "id": f"{account}-{region}",
        "url": registry.url,
        "type": "ecr",
        "alias": f"ecr-{MARK}-{account}-{region}",
    }
    return Connection(**(ours | fields))  # type: ignore[arg-type]


def accounts(count: int) -> list[Account]:
    """Return the management account and `count - 1` others."""
    names = [f"{TEAMS[number % 8]}-{STAGES[number // 8 % 4]}-{number:03}" for number in range(1, count)]
    others = [Account(str(300_000_000_000 + 7919 * number), name, "ACTIVE") for number, name in enumerate(names)]
    return [Account(MANAGEMENT, "management", "ACTIVE"), *others]


def sample(count: int = 1000) -> Coverage:
    """Return an organization of `count` accounts by 17 Regions, mostly covered; the same every time."""
    chance = random.Random(count)  # noqa: S311 - a picture, not a secret
    every = accounts(count)
    failed = {each.id: chance.choice([DENIED, DENIED, TAKEN]) for each in every[5::167]}
    every[40] = Account(every[40].id, every[40].name, "SUSPENDED")
    outside = {each.id for each in every[9::211]}
    instances = [
        instance(each.id, "OUTDATED" if each.id in failed else "CURRENT", failed.get(each.id, ""))
        for each in every[1:]
        if each.id not in outside
    ]
    connections = [
        made
        for each in every[1:]
        if each.id not in failed and each.id not in outside
        for made in _connections(each.id, chance)
    ]
    connections += [connection("299999999999", region) for region in WITHOUT_OPT_IN[:4]]  # an account that is gone
    connections += [connection("288888888888", "us-east-1", alias="of somebody else")]
    return cover(every, instances, connections, SCOPE)


def _connections(account: str, chance: random.Random) -> Iterator[Connection]:
    for region in WITHOUT_OPT_IN:
        luck = chance.random()
        if luck < 0.003:
            continue
        if luck < 0.006:
            yield connection(account, region, expired=True, expired_at="2026-11-20T04:00:00Z")
        elif luck < 0.0065:
            yield connection(account, region, state="paused")
        elif luck < 0.007:
            yield connection(account, region, state="offline")
        elif luck < 0.012:
            yield connection(account, region, alias="legacy-onboarding")
        else:
            yield connection(account, region)


def about(*remarks: str) -> About:
    """Return where the sample's figures come from."""
    return About("o-exampleorgid", "crowdstrike-ecr-registry-connections", "1.0.0", "us-1", AT, remarks)


def take_picture(path: Path) -> None:
    """Show the sample in a browser, and keep what the first screen looks like."""
    found = browser.find()
    assert found, f"no browser on PATH: {', '.join(browser.NAMES)}"
    with tempfile.TemporaryDirectory() as directory, browser.running(found) as shown:
        file = Path(directory) / "page.html"
        file.write_text(page.html(sample(), about()), encoding="utf-8")
        shown.open(file)
        shown.resize(1360, 1340)
        path.write_bytes(base64.b64decode(shown.call("Page.captureScreenshot", format="png")["data"]))


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]))
