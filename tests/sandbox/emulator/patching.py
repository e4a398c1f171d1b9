"""The one way in which repairs change MiniStack."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar

# Imported before the first repair: a module that is imported later would copy the unrepaired function.
MODULES = (
    *("app", "core.iam_actions", "core.iam_evaluator", "core.lambda_runtime", "core.responses"),
    *("services.account", "services.cloudformation", "services.cloudformation.changesets"),
    *("services.cloudformation.custom_resource", "services.cloudformation.handlers"),
    *("services.cloudformation.provisioners", "services.cloudformation.stacks", "services.cloudwatch_logs"),
    *("services.ec2", "services.ecr", "services.eventbridge", "services.iam", "services.kms", "services.lambda_svc"),
    *("services.organizations", "services.s3", "services.scheduler", "services.secretsmanager", "services.ssm"),
    "services.sts",
)

Repair = TypeVar("Repair", bound=Callable[..., Any])


def import_all() -> None:
    """Import every module that repairs touch."""
    for name in MODULES:
        importlib.import_module(f"ministack.{name}")


def replacing(module: ModuleType, *names: str) -> Callable[[Repair], Repair]:
    """Let calls of `module.name` call the decorated repair, with the original as its first argument."""

    def decorate(repair: Repair) -> Repair:
        for name in names:
            replace(module, name, functools.partial(repair, getattr(module, name)))
        return repair

    return decorate


def replace(module: ModuleType, name: str, repaired: Any) -> None:
    """Replace `module.name` wherever MiniStack refers to it: globals and dispatch tables.

    Fails if the name is gone, which is what a new version of MiniStack looks like.
    """
    original = getattr(module, name)
    ours = [vars(each) for key, each in list(sys.modules.items()) if key.split(".")[0] == "ministack"]
    for table, key in [place for each in ours for place in _places(each, original, depth=3)]:
        table[key] = repaired


def _places(table: dict[Any, Any], original: Any, depth: int) -> Iterator[tuple[dict[Any, Any], Any]]:
    for key, value in list(table.items()):
        if value is original:
            yield table, key
        elif depth and type(value) is dict and not str(key).startswith("__"):
            yield from _places(value, original, depth - 1)
