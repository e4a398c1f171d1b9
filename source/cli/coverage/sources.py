"""What the coverage report is made of, read and never written: the organization, the stack set, and Falcon."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli import artifact
from cli.aws import Aws, error_code
from cli.coverage.model import Facts
from cli.errors import CliError
from cli.falcon import connections, logged_in
from cli.organization import members
from cli.organization.members import Account
from cli.organization.stack_set import StackSet
from cli.request import Request
from cli.screen import Screen
from registry_connections.core.model import AUTODISCOVER

ASKING_AT_ONCE: Final = 8  # Account Management allows few calls a second
ENABLED: Final = ("ENABLED", "ENABLED_BY_DEFAULT", "ENABLING")


def read(aws: Aws, asked: Request, screen: Screen) -> Facts:
    """Read everything. Raises CliError, ClientError or BotoCoreError."""
    package = artifact.find(asked.release).package.path
    organization = members.find(aws)
    stack_set = StackSet(aws.client("cloudformation"), asked.name, asked.call_as, asked.max_concurrent, screen)
    definition = stack_set.now()
    if definition is None:
        raise CliError(f"there is no stack set {asked.name} in {aws.region}. Name it: STACK_SET=... REGION=...")
    held = definition.parameters
    cloud = held.get("FalconCloud", AUTODISCOVER) if asked.cloud == AUTODISCOVER else asked.cloud
    with (
        logged_in(asked.credentials, cloud, asked.api_url or held.get("FalconApiUrl", ""), package, screen) as falcon,
        ThreadPoolExecutor(1) as others,
    ):
        listing = others.submit(connections, falcon)
        accounts = organization.accounts()
        regions, unread = regions_of(aws, accounts)
        instances = stack_set.instances()
        found = listing.result()
    return Facts(
        organization=organization.id,
        management=organization.management,
        accounts=accounts,
        stack_set=asked.name,
        definition=definition,
        instances=instances,
        connections=found,
        cloud=falcon.cloud,
        url_suffix=aws.suffix,
        regions=regions,
        unread=unread,
        named=asked.regions,
    )


def regions_of(aws: Aws, accounts: Sequence[Account]) -> tuple[dict[str, frozenset[str]], str]:
    """Return the enabled Regions of every active account, and why some could not be read."""
    client = aws.client("account")
    active = [each.id for each in accounts if each.is_active]
    if not active:
        return {}, ""

    def ask(account: str) -> frozenset[str] | str:
        # Who asks for their own account must not name it.
        named = {} if account == aws.account else {"AccountId": account}
        try:
            pages = client.get_paginator("list_regions").paginate(**named, RegionOptStatusContains=list(ENABLED))
            return frozenset(region["RegionName"] for page in pages for region in page["Regions"])
        except (ClientError, BotoCoreError) as error:
            return error_code(error)

    first = next((each for each in active if each != aws.account), active[0])
    if isinstance(probe := ask(first), str):
        return {}, probe  # the others would be refused as well
    with ThreadPoolExecutor(ASKING_AT_ONCE) as threads:
        answers: dict[str, Any] = dict(zip(active, threads.map(ask, active), strict=True))
    unread = sorted({answer for answer in answers.values() if isinstance(answer, str)})
    return {account: found for account, found in answers.items() if not isinstance(found, str)}, ", ".join(unread)
