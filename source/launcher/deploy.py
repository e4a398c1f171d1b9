"""Launches or updates the stack in the operator's AWS account: `make deploy`."""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from launcher import artifact, preflight
from launcher.aws_cli import AwsCliError
from launcher.errors import LauncherError, exit_status
from launcher.preflight import Target
from launcher.request import VARIABLES, Request, missing_credentials, read
from launcher.stack import Event, Snapshot, Stack, can_update, causes, way_out


def deploy(environment: Mapping[str, str]) -> None:
    """Bring the stack to what `environment` asks for, and print what happens.

    Raises LauncherError if the request cannot be fulfilled, or the stack failed.
    """
    request, template, package = read(environment), artifact.template(), artifact.package()
    target, problems = preflight.survey(request, template)
    before = _stack_now(request, target, problems)
    if target is None or problems:
        raise LauncherError(*problems)

    print(f"account {target.account}, {target.aws.region}: {'update' if before else 'launch'} of {request.stack}")
    uploaded = package.upload(target.aws, request.bucket)
    print(f"package s3://{request.bucket}/{package.key} ({'uploaded' if uploaded else 'is there already'})", flush=True)
    stack = Stack(target.aws, request.stack)
    parameters = _parameters(request, target, before, package.key)
    _conclude(stack, _shown(stack.change(template=template.path, parameters=parameters, exists=before is not None)))


def _shown(events: Iterable[Event]) -> list[Event]:
    """Print each event as it happens, and return them all."""
    happened = []
    for event in events:
        print(event, flush=True)
        happened.append(event)
    return happened


def _stack_now(request: Request, target: Target | None, problems: list[str]) -> Snapshot | None:
    """Return the stack as it is, None if there is none or AWS cannot be asked, and add what stands in its way."""
    try:
        stack = Stack(target.aws, request.stack).now() if target else None
    except AwsCliError as error:
        problems.append(str(error))
        return None
    if stack is None:
        problems += missing_credentials(request)
    elif not can_update(stack.status):
        way = way_out(request.stack, stack.status, target.aws.region if target else "")
        problems.append(f"the stack {request.stack} is in {stack.status}, which takes no update. {way}")
    return stack


def _parameters(request: Request, target: Target, stack: Snapshot | None, key: str) -> list[dict[str, Any]]:
    """Return the parameters as CloudFormation takes them: what is given, and what the stack has already.

    A parameter that is in neither has the template's default.
    """
    given = {**request.parameters, **request.credentials, "S3Bucket": request.bucket, "S3Key": key}
    kept = ((stack.parameters if stack else frozenset()) & target.parameters) - given.keys()
    return [
        *({"ParameterKey": name, "ParameterValue": value} for name, value in sorted(given.items())),
        *({"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)),
    ]


def _conclude(stack: Stack, events: list[Event]) -> None:
    """Print the outputs of the stack, or raise LauncherError with the reasons of its failure."""
    if events and events[-1].status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise LauncherError(_failure(stack, events))
    print(f"\nThe stack {stack.name} is up to date{'.' if events else ': there was nothing to change.'}")
    after = stack.now()
    outputs = after.outputs if after else {}
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        print(f"  {name:<{width}}  {value}")


def _failure(stack: Stack, events: list[Event]) -> str:
    status = events[-1].status
    reasons = [f"  {event.resource} ({event.type}): {event.reason}" for event in causes(events)]
    return "\n".join(
        [
            f"the stack {stack.name} failed and is in {status}. The cause:",
            *(reasons or ["  CloudFormation gives none; see the events above."]),
            way_out(stack.name, status, stack.aws.region),
        ]
    )


def main() -> None:
    """Deploy what the environment describes."""
    argparse.ArgumentParser(
        prog="make deploy",
        usage="make deploy S3_BUCKET=... [STACK=...] [REGION=...] [PARAMETERS=...]",
        description=__doc__,
        epilog=VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    deploy(os.environ)


if __name__ == "__main__":
    sys.exit(exit_status(main))
