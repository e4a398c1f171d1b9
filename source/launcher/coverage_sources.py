"""What the coverage report is made of, read and never written: the organization, the stack set, and Falcon."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from launcher import organization_members
from launcher.errors import LauncherError
from launcher.organization_aws import Aws, error_code
from launcher.organization_members import Account
from launcher.organization_request import DEFAULT_CONCURRENCY
from launcher.organization_stack_set import Definition, Instance, StackSet
from launcher.publish import SUFFIXES
from registry_connections.crew import Crew
from registry_connections.errors import RegistrationError
from registry_connections.falcon import Falcon
from registry_connections.model import AUTODISCOVER, Connection, Credentials, Deadline
from registry_connections.transport import Transport

LISTING_SECONDS: Final = 1800.0
"""85,000 connections are 870 calls, a fraction of a minute's allowance; the rest is patience with other clients."""

ASKING_AT_ONCE: Final = 8  # Account Management allows few calls a second
ENABLED: Final = ("ENABLED", "ENABLED_BY_DEFAULT", "ENABLING")


@dataclass(frozen=True, slots=True)
class FalconAccess:
    """How to read from Falcon."""

    credentials: Credentials
    cloud: str = AUTODISCOVER
    api_url: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was read."""

    organization: str
    management: str
    accounts: Sequence[Account]
    definition: Definition | None
    """The stack set, None if there is none."""
    instances: Sequence[Instance]
    connections: Sequence[Connection]
    cloud: str
    url_suffix: str
    regions: Mapping[str, frozenset[str]]
    """Enabled Regions by account."""
    unread: str
    """Why the Regions of some accounts could not be read, nothing if they were."""


def read(aws: Aws, stack_set_name: str, call_as: str, access: FalconAccess) -> Facts:
    """Read everything. Raises LauncherError, ClientError or BotoCoreError."""
    organization = organization_members.find(aws)
    stack_set = StackSet(aws.client("cloudformation"), stack_set_name, call_as, DEFAULT_CONCURRENCY)
    with ThreadPoolExecutor(2) as others:
        falcon = others.submit(_connections, access)
        accounts = organization.accounts()
        regions, unread = regions_of(aws, accounts)
        definition = stack_set.now()
        instances = stack_set.instances() if definition else []
        connections, cloud = falcon.result()
    return Facts(
        organization=organization.id,
        management=organization.management,
        accounts=accounts,
        definition=definition,
        instances=instances,
        connections=connections,
        cloud=cloud,
        url_suffix=SUFFIXES.get(aws.partition, "amazonaws.com"),
        regions=regions,
        unread=unread,
    )


def _connections(access: FalconAccess) -> tuple[list[Connection], str]:
    """Return every connection of the tenant, and its cloud."""
    crew, deadline = Crew(), Deadline(time.monotonic() + LISTING_SECONDS, time.monotonic)
    falcon = Falcon(Transport(), crew, access.credentials, cloud=access.cloud, api_url=access.api_url)
    try:
        falcon.log_in(deadline)
        return falcon.list_all(deadline), falcon.cloud
    except RegistrationError as error:
        raise LauncherError(f"Falcon's connections cannot be read: {error}") from None
    finally:
        crew.dismiss()


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
