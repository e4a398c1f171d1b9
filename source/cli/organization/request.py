"""What the operator asks for an organization: every problem is found, none is raised."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cli import request
from cli.credentials import Credentials
from cli.request import Values

UNITS_AT_ONCE: Final = 50  # documented limit of one CreateStackInstances
LARGEST_CONCURRENCY: Final = 100  # documented ceiling of one stack set
DEFAULT_CONCURRENCY: Final = 20
"""Accounts at a time. All share one Falcon tenant and its 6,000 requests a minute."""

CALL_AS: Final = ("SELF", "DELEGATED_ADMIN")


@dataclass(frozen=True, slots=True)
class OrganizationRequest:
    """What the operator asks for; `problems` holds a text for each reason why it cannot be done."""

    stack_set: str
    region: str
    """Empty if only the AWS profile can tell."""
    call_as: str
    max_concurrent: int
    include_management: bool
    organization: str = ""
    """Empty means that of the operator's account."""
    units: tuple[str, ...] = ()
    paths: str = ""
    """Organization paths that narrow who may read the shared secret."""
    bucket: str = ""
    """Empty means one of our own."""
    bucket_owner: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    copies: bool = False
    """Whether each account keeps a copy of the credentials, instead of one secret for all."""
    problems: tuple[str, ...] = ()


def read_deploy(values: Values, credentials: Credentials) -> OrganizationRequest:
    """Return the deployment that the variables describe."""
    units = tuple(dict.fromkeys(unit for unit in re.split(r"[,\s]+", values["OU_IDS"]) if unit))
    parameters, wrong_parameters = request.parameters(values)
    tags, wrong_tags = request.tags(values)
    copies = request.flag(values, "SECRET_COPIES")
    return replace(
        _shared(values),
        organization=values["ORG_ID"],
        units=units,
        paths=values["ORG_PATHS"],
        bucket=request.bucket_name(values),
        bucket_owner=values["S3_BUCKET_OWNER"],
        parameters=parameters,
        tags=tags,
        credentials=credentials,
        copies=copies,
        problems=(
            *_problems_of_targets(values["ORG_ID"], units),
            *problems_of_shared(values, "INCLUDE_MANAGEMENT", "SECRET_COPIES"),
            *request.problems_of_bucket_name(values),
            *wrong_parameters,
            *wrong_tags,
            *credentials.problems,
            *_problems_of_secret(values["ORG_PATHS"], parameters, credentials, copies=copies),
        ),
    )


def read_delete(values: Values) -> OrganizationRequest:
    """Return the deletion that the variables describe."""
    flags = ("INCLUDE_MANAGEMENT", "DELETE_BUCKET", "YES", "FORCE")
    problems = (*problems_of_shared(values, *flags), *request.problems_of_policy(values))
    return replace(_shared(values), problems=problems)


def _shared(values: Values) -> OrganizationRequest:
    return OrganizationRequest(
        stack_set=request.stack_name(values, "STACK_SET"),
        region=request.region(values),
        call_as=values["CALL_AS"] or CALL_AS[0],
        max_concurrent=_concurrency(values),
        include_management=request.flag(values, "INCLUDE_MANAGEMENT"),
    )


def _problems_of_targets(organization: str, units: tuple[str, ...]) -> Iterator[str]:
    if organization and not re.fullmatch(r"o-[a-z0-9]{10,32}", organization):
        yield f"ORG_ID is {organization!r}. An organization's id looks like o-exampleorgid."
    if not units:
        yield "OU_IDS is not set. Name organizational units, or the root: OU_IDS=ou-abcd-11111111,ou-abcd-22222222"
    for unit in units:
        if not re.fullmatch(r"ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32}", unit):
            yield f"OU_IDS names {unit!r}. A unit's id looks like ou-abcd-11111111, the root's like r-abcd."
    if len(units) > UNITS_AT_ONCE:
        yield f"OU_IDS names {len(units)} units; StackSets takes {UNITS_AT_ONCE} at a time. Name their parent instead."


def _problems_of_secret(
    paths: str, parameters: Mapping[str, str], credentials: Credentials, *, copies: bool
) -> Iterator[str]:
    for path in filter(None, re.split(r"[,\s]+", paths)):
        if not re.fullmatch(r"o-[a-z0-9]{10,32}/r-[a-z0-9]{4,32}/(ou-[a-z0-9-]+/)*\*?", path):
            yield f"ORG_PATHS names {path!r}. A path looks like o-exampleorgid/r-abcd/ou-abcd-11111111/*"
    if parameters.get("SecretsManagerSecretName") and credentials and not copies:
        yield (
            "PARAMETERS names SecretsManagerSecretName, and credentials are given too. Unset them to use that secret, "
            "or set SECRET_COPIES=1 to make one of that name in each account."
        )


def problems_of_shared(values: Values, *flags: str) -> Iterator[str]:
    """Yield what is wrong with the variables that the organization's commands have in common."""
    yield from request.problems_of_name(values, "STACK_SET")
    if (call_as := values["CALL_AS"] or CALL_AS[0]) not in CALL_AS:
        yield f"CALL_AS is {call_as!r}. It takes {' or '.join(CALL_AS)}."
    if not _concurrency(values):
        yield f"MAX_CONCURRENT is {values['MAX_CONCURRENT']!r}. It takes a number from 1 to {LARGEST_CONCURRENCY}."
    yield from request.problems_of_flags(values, *flags)


def _concurrency(values: Values) -> int:
    """Return the number of accounts at a time, 0 if what is given is none."""
    given = values.get("MAX_CONCURRENT") or str(DEFAULT_CONCURRENCY)
    return int(given) if re.fullmatch(r"[1-9]\d?|100", given) else 0
