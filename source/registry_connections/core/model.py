"""The terms of this project as frozen types, and what follows from them alone: URLs, aliases, clouds, partitions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

AUTODISCOVER: Final = "autodiscover"

FALCON_CLOUDS: Final[Mapping[str, str]] = {
    "us-1": "https://api.crowdstrike.com",
    "us-2": "https://api.us-2.crowdstrike.com",
    "us-3": "https://api.us-3.crowdstrike.com",
    "eu-1": "https://api.eu-1.crowdstrike.com",
    "us-gov-1": "https://api.laggar.gcw.crowdstrike.com",
    "us-gov-2": "https://api.us-gov-2.crowdstrike.mil",
}
"""Base URL of each Falcon cloud, as CrowdStrike's own clients list them. Credentials go to no other host."""

GOVERNMENT_CLOUDS: Final = frozenset({"us-gov-1", "us-gov-2"})
"""Clouds that discovery never leads to; they must be named (CrowdStrike's own clients say so)."""

SCANNING_STATES: Final = frozenset({"", "active", "pending", "resumed", "enabled", "online", "connected", "scanning"})
"""States of a connection that is scanned or soon will be. Only `active` and `pending` are near to certain."""

_MARKED_ALIAS: Final = re.compile(r"ecr-(?P<adopted>adopted-)?(?P<mark>[0-9a-f]{8})(?:-|$)")

# `111122223333.dkr.ecr.eu-west-1.amazonaws.com`, its FIPS form, and the dual-stack form on `on.aws`. The name of a
# Region goes into logs and the record, and is as short as one.
_ECR_HOST: Final = re.compile(
    r"(?P<account>\d{12})\.(?:dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]{3,40})\.(?P<suffix>[a-z0-9.-]+)"
    r"|dkr-ecr(?:-fips)?\.(?P<dual_region>[a-z0-9-]{3,40})\.on\.aws)"
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on `clock` (seconds, monotonic) after which no further work is begun."""

    at: float
    clock: Callable[[], float]

    def left(self) -> float:
        """Return the seconds that are left, never less than zero."""
        return max(0.0, self.at - self.clock())

    def earlier(self, seconds: float) -> "Deadline":
        """Return the deadline that many seconds before this one."""
        return Deadline(self.at - seconds, self.clock)

    def within(self, seconds: float) -> "Deadline":
        """Return the earlier of this deadline and that many seconds from now."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)


@dataclass(frozen=True, slots=True, order=True)
class Registry:
    """The ECR registry of one account in one Region."""

    region: str
    account: str
    url_suffix: str

    @property
    def url(self) -> str:
        """The URL that Falcon stores and compares verbatim: https, no trailing slash."""
        return f"https://{self.account}.dkr.ecr.{self.region}.{self.url_suffix}"


class Owner(StrEnum):
    """Who manages a connection, as its alias says."""

    CREATED = "created by this stack"
    ADOPTED = "adopted by this stack"
    OTHER_STACK = "managed by another stack"
    NOBODY = "without the mark of a stack"


@dataclass(frozen=True, slots=True)
class Identity:
    """The account and the stack that the function runs for, from its own environment and never from an event."""

    account: str
    partition: str
    url_suffix: str
    stack_id: str
    role_arn: str
    external_id: str = field(repr=False)

    @property
    def uuid(self) -> str:
        """The UUID at the end of the stack's id."""
        return self.stack_id.rsplit("/", 1)[-1]

    @property
    def mark(self) -> str:
        """The first group of the UUID, by which the aliases name this stack."""
        return self.uuid.partition("-")[0].lower()

    def registry(self, region: str) -> Registry:
        """Return the registry of this account in that Region."""
        return Registry(region, self.account, self.url_suffix)

    def created_alias(self, region: str) -> str:
        """Return the alias of a connection that this stack creates; people see it in the Falcon console."""
        return f"ecr-{self.mark}-{self.account}-{region}"

    def adopted_alias(self, region: str) -> str:
        """Return the alias of a connection that this stack takes over."""
        return f"ecr-adopted-{self.mark}-{self.account}-{region}"

    def owner(self, alias: str) -> Owner:
        """Return whose mark an alias carries. The mark stands first, so that an alias cut short still carries it."""
        match = _MARKED_ALIAS.match(alias)
        if match is None:
            return Owner.NOBODY
        if match["mark"] != self.mark:
            return Owner.OTHER_STACK
        return Owner.ADOPTED if match["adopted"] else Owner.CREATED


@dataclass(frozen=True, slots=True)
class Connection:
    """Falcon's record of a registry. Falcon never returns the role or the external id of its credential."""

    id: str
    url: str
    type: str
    alias: str = ""
    state: str = ""  # no list of states is published
    expired: bool = False
    expired_at: str = ""
    created_at: str = ""
    last_refreshed_at: str = ""
    next_refresh_at: str = ""

    def is_for(self, registry: Registry) -> bool:
        """Whether this is a connection of exactly that registry."""
        return self.type == "ecr" and bool(_host(self.url)) and _host(self.url) == _host(registry.url)

    def belongs_to(self, account: str, url_suffix: str) -> bool:
        """Whether this is a connection of an ECR registry of that account, in whichever form of its host name.

        Under another suffix it is a mirror's host, or that of an account with the same number in another partition.
        """
        match = _ECR_HOST.fullmatch(_host(self.url))
        return (
            self.type == "ecr"
            and match is not None
            and match["account"] == account
            and match["suffix"] in {url_suffix, None}  # None: the dual-stack form, whose suffix is fixed
        )

    @property
    def is_paused(self) -> bool:
        """Whether a person paused it."""
        return self.state.lower() in {"pause", "paused"}

    @property
    def problem(self) -> str:
        """What keeps Falcon from scanning it, as far as Falcon says; empty if nothing does."""
        if self.expired:
            return "its credential expired"
        if self.is_paused:
            return "it is paused: a person did that, and nothing but a person resumes it"
        return "" if self.state.lower() in SCANNING_STATES else f"its state is {self.state}"

    @property
    def region(self) -> str:
        """The Region of the registry, or nothing if the URL is not that of an ECR registry."""
        match = _ECR_HOST.fullmatch(_host(self.url))
        return (match["region"] or match["dual_region"]) if match else ""


def _host(url: str) -> str:
    """Return the host of a registry URL in lower case, and nothing if the URL names more than a host."""
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
    except ValueError:
        return ""
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    return parts.netloc.lower() if bare and parts.scheme == "https" else ""


@dataclass(frozen=True, slots=True)
class AccountRegions:
    """The Regions of an account's partition, by whether the account has them enabled."""

    enabled: frozenset[str]
    disabled: frozenset[str] = frozenset()


class RegionUse(StrEnum):
    """What ECR says of a Region when it is asked for one repository."""

    REPOSITORIES = "holds repositories"
    EMPTY = "holds no repository"
    DENIED = "denied by a service control policy"
    UNKNOWN = "unknown"


class RegionScope(StrEnum):
    """Which of the enabled Regions are registered."""

    ENABLED = "Enabled"
    WITH_REPOSITORIES = "WithRepositories"


class RegionFailurePolicy(StrEnum):
    """What a Region that cannot be registered means for the stack."""

    FAIL = "Fail"
    REPORT = "Report"


class DeletePolicy(StrEnum):
    """Which connections leave Falcon when the stack no longer wants them, or is deleted."""

    KEEP = "Keep"
    STACK = "Stack"
    ACCOUNT = "Account"


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of the stack's operator, parsed. `choices` holds the texts that differ from their defaults."""

    falcon_cloud: str = AUTODISCOVER
    principal_arn: str = ""
    regions: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    region_scope: RegionScope = RegionScope.ENABLED
    on_region_failure: RegionFailurePolicy = RegionFailurePolicy.FAIL
    delete_connections: DeletePolicy = DeletePolicy.KEEP
    choices: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Falcon issues a token for. `cloud` is empty where the secret names none.

    `member_cid` names a child tenant of a Flight Control parent, whose API client this is.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    cloud: str = ""
    member_cid: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        return tuple(filter(None, (self.client_secret, self.client_id, self.member_cid)))


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """What Falcon needs in order to read a registry: the connection role, and how to say so to the cloud."""

    role_arn: str
    external_id: str = field(repr=False)
    partition: str
    government_cloud: bool

    def credential(self) -> dict[str, Any]:
        """Return the `credential` of the API call.

        Government clouds are sent the additional flags that CrowdStrike's own onboarding code sends them; its
        commercial calls carry none. What they do is not published.
        """
        details: dict[str, Any] = {"aws_iam_role": self.role_arn, "aws_external_id": self.external_id}
        if self.government_cloud:
            details["aws_gov_using_commercial_connection"] = self.partition != "aws-us-gov"
        return {"type": "ecr", "details": details}


def mismatch(partition: str, cloud: str, principal_arn: str) -> str:
    """Return why Falcon could not assume a role of this partition from that cloud, or nothing.

    An IAM principal of one partition cannot be trusted in another (AWS, IAM user guide), and CrowdStrike's
    principals are known for `aws` with commercial clouds and `aws-us-gov` with government clouds only.
    """
    if principal_arn:
        theirs = principal_arn.split(":")[1] if principal_arn.count(":") > 1 else ""
        if theirs == partition:
            return ""
        return f"FalconPrincipalArn is of partition {theirs or '?'}, but this account is of {partition}."
    if partition == "aws-us-gov" and cloud == AUTODISCOVER:
        return "Government clouds cannot be discovered: set FalconCloud to us-gov-1 or us-gov-2."
    if partition == ("aws-us-gov" if cloud in GOVERNMENT_CLOUDS else "aws"):
        return ""
    return (
        f"Falcon cloud {cloud} has no known principal in partition {partition}: "
        "set FalconPrincipalArn to the one that CrowdStrike names for this case."
    )


class OutcomeKind(StrEnum):
    """What became of one Region."""

    CREATED = "created"
    ADOPTED = "adopted"
    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    LEFT = "left"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"


CONNECTED: Final = frozenset({OutcomeKind.CREATED, OutcomeKind.ADOPTED, OutcomeKind.REFRESHED, OutcomeKind.UNCHANGED})
UNSUCCESSFUL: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.NOT_ATTEMPTED})


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """What became of one Region, and why."""

    region: str
    kind: OutcomeKind
    connection_id: str = ""
    message: str = ""
    status: int = 0  # HTTP status where Falcon refused
    trace_id: str = ""
    milliseconds: int = 0
