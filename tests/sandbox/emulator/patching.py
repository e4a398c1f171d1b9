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
            replace(module, name, lambda original: functools.partial(repair, original))
        return repair

    return decorate


def replace(module: ModuleType, name: str, repair: Callable[[Any], Any]) -> None:
    """Replace `module.name` by `repair(original)` wherever MiniStack refers to it: globals and dispatch tables.

    Fails if the name is gone, which is what a new version of MiniStack looks like.
    """
    original = getattr(module, name)
    repaired = repair(original)
    for place, key in list(_places(original)):
        place[key] = repaired


def _places(original: Any) -> Iterator[tuple[dict[Any, Any], Any]]:
    for module_name, module in list(sys.modules.items()):
        if module_name == "ministack" or module_name.startswith("ministack."):
            yield from _places_in(vars(module), original, depth=3)


def _places_in(table: dict[Any, Any], original: Any, depth: int) -> Iterator[tuple[dict[Any, Any], Any]]:
    for key, value in list(table.items()):
        if value is original:
            yield table, key
        elif depth and type(value) is dict and not str(key).startswith("__"):
            yield from _places_in(value, original, depth - 1)
