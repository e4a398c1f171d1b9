"""What the operator asks for an organization, read from the environment: every problem is found, none is raised."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from launcher import request
from launcher.request import DEFAULT_STACK

UNITS_AT_ONCE: Final = 50  # documented limit of one CreateStackInstances
LARGEST_CONCURRENCY: Final = 100  # documented ceiling of one stack set
DEFAULT_CONCURRENCY: Final = 20
"""Accounts at a time. All share one Falcon tenant and its 6,000 requests a minute."""

CALL_AS: Final = ("SELF", "DELEGATED_ADMIN")
DELETE_POLICIES: Final = ("Keep", "Stack", "Account")
_YES: Final = frozenset({"1", "yes", "true"})
_NO: Final = frozenset({"", "0", "no", "false"})

SHARED_VARIABLES: Final = """\
  STACK_SET               name of the stack set (crowdstrike-ecr-registry-connections)
  REGION                  Region of the stacks (AWS_REGION, AWS_DEFAULT_REGION, or the profile's)
  CALL_AS                 DELEGATED_ADMIN if you are signed in to a delegated administrator's account (SELF)
  MAX_CONCURRENT          accounts at a time, 1 to 100 (20); all share one Falcon tenant and its rate limit
  INCLUDE_MANAGEMENT      1 includes the management account, by a plain stack: stack sets never reach it\
"""

DEPLOY_VARIABLES: Final = f"""\
environment:
  ORG_ID                  id of the organization, as in o-exampleorgid (required)
  OU_IDS                  organizational units or the root, comma-separated (required)
{SHARED_VARIABLES}
  S3_BUCKET               bucket of yours instead of our own; the organization must be able to read falcon-ecr/* in it
  FALCON_CLIENT_ID        Falcon API client (required for a new stack set, unless SecretsManagerSecretName names an
                          existing secret; an existing one keeps what it has)
  FALCON_CLIENT_SECRET    its secret; export it, never write it on a command line
  PARAMETERS              other parameters of the template, as words Name=value in the shell's own quoting:
                          PARAMETERS='DeleteConnections=Stack ExcludedRegions=us-west-1'

AWS credentials come from where every AWS tool finds them (AWS_PROFILE, aws sso login, ...).
"""

DELETE_VARIABLES: Final = f"""\
environment:
  DELETE_CONNECTIONS      Keep leaves all connections in Falcon, Stack removes those that the stacks manage, Account
                          removes every ECR connection of every account (what the stack set says now)
{SHARED_VARIABLES}
  DELETE_BUCKET           1 deletes the bucket with the packages as well
  YES                     1 asks nothing, for automation

AWS credentials come from where every AWS tool finds them (AWS_PROFILE, aws sso login, ...).
"""


@dataclass(frozen=True, slots=True)
class OrganizationRequest:
    """What the operator asks for; `problems` holds one sentence for each reason why it cannot be done."""

    stack_set: str
    region: str
    """Empty if only the AWS profile can tell."""
    call_as: str
    max_concurrent: int
    include_management: bool
    organization: str = ""
    units: tuple[str, ...] = ()
    bucket: str = ""
    """Empty means one of our own."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    delete_connections: str = ""
    """Empty means what the stack set says."""
    delete_bucket: bool = False
    unasked: bool = False
    """Whether the operator has agreed in advance."""
    problems: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        return tuple(self.credentials.values())


def read_deploy(environment: Mapping[str, str]) -> OrganizationRequest:
    """Return the deployment that `environment` describes."""
    bucket = environment.get("S3_BUCKET", "")
    # The plain deployment needs a bucket and names a stack; neither is asked for here.
    plain = request.read({**environment, "S3_BUCKET": bucket or "ours", "STACK": ""})
    units = tuple(dict.fromkeys(unit for unit in re.split(r"[,\s]+", environment.get("OU_IDS", "")) if unit))
    organization = environment.get("ORG_ID", "")
    return OrganizationRequest(
        stack_set=environment.get("STACK_SET") or DEFAULT_STACK,
        region=plain.region,
        call_as=environment.get("CALL_AS") or CALL_AS[0],
        max_concurrent=_concurrency(environment),
        include_management=_flag(environment, "INCLUDE_MANAGEMENT"),
        organization=organization,
        units=units,
        bucket=plain.bucket if bucket else "",
        parameters=plain.parameters,
        credentials=plain.credentials,
        problems=(*_targets(organization, units), *_shared_problems(environment), *plain.problems),
    )


def read_delete(environment: Mapping[str, str]) -> OrganizationRequest:
    """Return the deletion that `environment` describes."""
    region = request.read({**environment, "PARAMETERS": ""}).region
    policy = environment.get("DELETE_CONNECTIONS", "")
    problems = list(_shared_problems(environment, "DELETE_BUCKET", "YES"))
    if policy and policy not in DELETE_POLICIES:
        problems.append(f"DELETE_CONNECTIONS is {policy!r}. It takes {', '.join(DELETE_POLICIES)}.")
    return OrganizationRequest(
        stack_set=environment.get("STACK_SET") or DEFAULT_STACK,
        region=region,
        call_as=environment.get("CALL_AS") or CALL_AS[0],
        max_concurrent=_concurrency(environment),
        include_management=_flag(environment, "INCLUDE_MANAGEMENT"),
        delete_connections=policy,
        delete_bucket=_flag(environment, "DELETE_BUCKET"),
        unasked=_flag(environment, "YES"),
        problems=tuple(problems),
    )


def _targets(organization: str, units: tuple[str, ...]) -> Iterator[str]:
    if not organization:
        yield "ORG_ID is not set. It is what this prints: aws organizations describe-organization"
    elif not re.fullmatch(r"o-[a-z0-9]{10,32}", organization):
        yield f"ORG_ID is {organization!r}. An organization's id looks like o-exampleorgid."
    if not units:
        yield "OU_IDS is not set. Name organizational units, or the root: OU_IDS=ou-abcd-11111111,ou-abcd-22222222"
    for unit in units:
        if not re.fullmatch(r"ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32}", unit):
            yield f"OU_IDS names {unit!r}. A unit's id looks like ou-abcd-11111111, the root's like r-abcd."
    if len(units) > UNITS_AT_ONCE:
        yield f"OU_IDS names {len(units)} units; StackSets takes {UNITS_AT_ONCE} at a time. Name their parent instead."


def _shared_problems(environment: Mapping[str, str], *flags: str) -> Iterator[str]:
    stack_set = environment.get("STACK_SET") or DEFAULT_STACK
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", stack_set):
        yield f"STACK_SET is {stack_set!r}. A name is a letter followed by up to 127 letters, digits and hyphens."
    if (call_as := environment.get("CALL_AS") or CALL_AS[0]) not in CALL_AS:
        yield f"CALL_AS is {call_as!r}. It takes {' or '.join(CALL_AS)}."
    if not _concurrency(environment):
        yield f"MAX_CONCURRENT is {environment['MAX_CONCURRENT']!r}. It takes a number from 1 to {LARGEST_CONCURRENCY}."
    for flag in ("INCLUDE_MANAGEMENT", *flags):
        if environment.get(flag, "").lower() not in _YES | _NO:
            yield f"{flag} is {environment[flag]!r}. It takes 1, or nothing."


def _concurrency(environment: Mapping[str, str]) -> int:
    """Return the number of accounts at a time, 0 if what is given is none."""
    given = environment.get("MAX_CONCURRENT") or str(DEFAULT_CONCURRENCY)
    return int(given) if re.fullmatch(r"[1-9]\d?|100", given) else 0


def _flag(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in _YES
