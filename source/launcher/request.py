"""What the operator asks for, read from the environment: every problem is found, none is raised."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_STACK: Final = "crowdstrike-ecr-registry-connections"

CREDENTIALS: Final[Mapping[str, str]] = {"FALCON_CLIENT_ID": "FalconClientID", "FALCON_CLIENT_SECRET": "FalconSecret"}
"""The variable of the environment that each secret parameter of the template is read from."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "S3Bucket": "set S3_BUCKET",
    "S3Key": "it follows from the package",
    **{
        parameter: f"export {variable}, which no list of processes shows" for variable, parameter in CREDENTIALS.items()
    },
}
"""Parameters that are not given in PARAMETERS, and where their values come from instead."""

VARIABLES: Final = """\
environment:
  S3_BUCKET               bucket for the package, in the stack's Region (required)
  FALCON_CLIENT_ID        Falcon API client (required for a new stack without an existing secret; else kept as it is)
  FALCON_CLIENT_SECRET    its secret; export it, never write it on a command line
  STACK                   name of the stack (crowdstrike-ecr-registry-connections)
  REGION                  Region of the stack (AWS_REGION, AWS_DEFAULT_REGION, or the profile's)
  PARAMETERS              other parameters of the template, as words Name=value in the shell's own quoting:
                          PARAMETERS='Regions=us-east-1,us-west-2 DeleteConnections=Stack'
                          PARAMETERS='ReconcileSchedule="rate(6 hours)" ExcludedRegions='
                          PARAMETERS='FalconClientID= FalconSecret= SecretsManagerSecretName=an/existing/secret'
                          What is not given keeps its value on an update, and has the template's default on a launch.

AWS credentials come from where the AWS CLI finds them (AWS_PROFILE, aws sso login, ...).
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator asks for; `problems` holds one sentence for each reason why it cannot be done."""

    bucket: str
    stack: str
    region: str
    """Empty if only the AWS CLI's profile can tell."""
    parameters: Mapping[str, str]
    """As given in PARAMETERS."""
    credentials: Mapping[str, str] = field(repr=False)
    """The secret parameters of the template; empty if the environment holds none."""
    problems: tuple[str, ...]


def read(environment: Mapping[str, str]) -> Request:
    """Return the request that `environment` describes."""
    parameters, problems = _parameters(environment.get("PARAMETERS", ""))
    stack, region = read_place(environment)
    bucket = environment.get("S3_BUCKET", "").removeprefix("s3://").rstrip("/")
    credentials = {parameter: environment[n] for n, parameter in CREDENTIALS.items() if environment.get(n)}
    problems += _problems(bucket, stack, credentials)
    return Request(bucket, stack, region, parameters, credentials, tuple(problems))


def read_place(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the stack's name and its Region, which is empty if only the AWS CLI's profile can tell."""
    regions = (environment.get(name) for name in ("REGION", "AWS_REGION", "AWS_DEFAULT_REGION"))
    return environment.get("STACK") or DEFAULT_STACK, next(filter(None, regions), "")


def missing_credentials(request: Request) -> Iterator[str]:
    """Yield a problem for each Falcon credential that a new stack needs and `request` lacks."""
    if "SecretsManagerSecretName" in request.parameters and not request.credentials:
        return  # an existing secret
    for variable, parameter in CREDENTIALS.items():
        if parameter not in request.credentials:
            yield (
                f"{variable} is not set. A new stack needs it: export it, from an API client of the Falcon console, "
                "or name an existing secret: PARAMETERS=SecretsManagerSecretName=..."
            )


def _problems(bucket: str, stack: str, credentials: Mapping[str, str]) -> Iterator[str]:
    if not bucket:
        yield "S3_BUCKET is not set. Name a bucket of yours in the stack's Region: S3_BUCKET=my-bucket"
    elif "/" in bucket:
        yield f"S3_BUCKET is {bucket!r}, which is a path. Give the bucket's name alone; the key is chosen for you."
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", stack):
        yield f"STACK is {stack!r}. A stack's name is a letter followed by up to 127 letters, digits and hyphens."
    if len(credentials) == 1:
        yield f"only one of {' and '.join(CREDENTIALS)} is set. They belong to one API client: export both or neither."


def _parameters(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the parameters that `text` gives, and what is wrong with it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return {}, [f"PARAMETERS has an open quotation ({error}). Quote a value with spaces like Name='a value'."]
    parameters: dict[str, str] = {}
    problems: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        emptied = bool(equals) and not value and name in CREDENTIALS.values()  # for an existing secret
        if not emptied or name in parameters:
            problems += _problems_of_word(name, bool(equals), repeated=name in parameters)
        parameters[name] = value
    return parameters, problems


def _problems_of_word(name: str, has_value: bool, *, repeated: bool) -> Iterator[str]:
    if not has_value:
        yield f"PARAMETERS holds {name!r}, which is not Name=value. Quote a value with spaces like Name='a value'."
    elif name in ELSEWHERE:
        yield f"PARAMETERS names {name}, which is not given there: {ELSEWHERE[name]}."
    elif repeated:
        yield f"PARAMETERS names {name} twice. Give it once."
