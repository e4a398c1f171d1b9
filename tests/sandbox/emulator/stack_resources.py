"""Repairs of the resources that CloudFormation makes: names that are taken, roles, secrets, functions."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import iam, lambda_svc, scheduler, secretsmanager
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator import patching

Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
Update = Callable[..., tuple[str, dict[str, Any]]]


def repair() -> None:
    """Apply the repairs of this module."""
    refuse_names_that_are_taken()
    apply_permissions_boundaries()
    refuse_functions_that_cannot_have_their_role()
    reserve_concurrency()
    refer_to_secrets_by_arn()


def refuse_names_that_are_taken() -> None:
    """Fail the creation of a resource whose fixed name exists.

    MiniStack overwrites the existing role, secret, function or schedule. Two launches of the template in one
    account, or in two Regions, must fail here as they would on AWS.
    """

    def refusing(property_name: str, taken: Callable[[str], bool], message: str) -> Callable[[Create], Create]:
        def repair(original: Create) -> Create:
            def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
                name = properties.get(property_name)
                if name and taken(name):
                    raise ValueError(message.format(name=name))
                return original(logical_id, properties, stack_name)

            return create

        return repair

    exists = "{name} already exists"
    secret_exists = "The operation failed because the secret {name} already exists."
    for function, property_name, taken, message in (
        ("_iam_role_create", "RoleName", lambda name: name in iam._roles, exists),
        ("_lambda_create", "FunctionName", lambda name: name in lambda_svc._functions, exists),
        ("_sm_secret_create", "Name", lambda name: name in secretsmanager._secrets, secret_exists),
        (
            "_scheduler_schedule_create",
            "Name",
            lambda name: f"default/{name}" in scheduler._schedules,
            "Schedule {name} already exists.",
        ),
    ):
        patching.replace(provisioners, function, refusing(property_name, taken, message))


def apply_permissions_boundaries() -> None:
    """Limit a role by its permissions boundary, and refuse policies that do not exist.

    MiniStack drops the boundary that a template sets and attaches missing policies silently. An organization whose
    service control policy demands a boundary relies on it.
    """

    def create(original: Create) -> Create:
        def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
            _require_policies(properties)
            name, attributes = original(logical_id, properties, stack_name)
            iam._roles[name]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
            return name, attributes

        return create

    def update(original: Update) -> Update:
        def update(physical_id: str, old: Any, new: dict[str, Any], *rest: Any) -> tuple[str, dict[str, Any]]:
            _require_policies(new)
            name, attributes = original(physical_id, old, new, *rest)
            iam._roles[name]["PermissionsBoundary"] = new.get("PermissionsBoundary")
            return name, attributes

        return update

    patching.replace(provisioners, "_iam_role_create", create)
    patching.replace(provisioners, "_iam_role_update", update)


def _require_policies(properties: dict[str, Any]) -> None:
    def exists(arn: str) -> bool:
        return iam_evaluator._resolve_managed_policy_document(arn, responses.get_account_id()) is not None

    boundary = properties.get("PermissionsBoundary")
    if boundary and not exists(boundary):
        raise ValueError(f"Scope ARN: {boundary} does not exist or is not attachable.")
    for arn in properties.get("ManagedPolicyArns", []):
        if not exists(arn):
            raise ValueError(f"Policy {arn} does not exist or is not attachable.")


def refuse_functions_that_cannot_have_their_role() -> None:
    """Refuse a role that does not exist or does not trust lambda.amazonaws.com.

    MiniStack runs the function with any role. A wrong trust policy in the template must fail the stack.
    """

    def create(original: Create) -> Create:
        def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
            _require_trust(properties.get("Role", ""))
            return original(logical_id, properties, stack_name)

        return create

    def update(original: Update) -> Update:
        def update(physical_id: str, old: Any, new: dict[str, Any], *rest: Any) -> tuple[str, dict[str, Any]]:
            _require_trust(new.get("Role", ""))
            return original(physical_id, old, new, *rest)

        return update

    patching.replace(provisioners, "_lambda_create", create)
    patching.replace(provisioners, "_lambda_update", update)


def _require_trust(role_arn: str) -> None:
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    if role is None or not trusts(json.loads(role["AssumeRolePolicyDocument"]), "lambda.amazonaws.com"):
        raise ValueError("The role defined for the function cannot be assumed by Lambda.")


def trusts(policy: dict[str, Any], service: str) -> bool:
    """Whether a trust policy lets an AWS service assume its role."""
    statements = policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and service in ([named] if isinstance(named, str) else named):
            return True
    return False


def reserve_concurrency() -> None:
    """Run no more than ReservedConcurrentExecutions of a function at once; MiniStack ignores the property."""

    def create(original: Create) -> Create:
        def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
            name, attributes = original(logical_id, properties, stack_name)
            if (reserved := properties.get("ReservedConcurrentExecutions")) is not None:
                lambda_svc._functions[name]["concurrency"] = int(reserved)
            return name, attributes

        return create

    patching.replace(provisioners, "_lambda_create", create)


def refer_to_secrets_by_arn() -> None:
    """Let `Ref` of AWS::SecretsManager::Secret be its ARN, as on AWS; MiniStack answers its name.

    A policy with `Resource: !Ref Secret` would never match, though it is right on AWS.
    """

    def create(original: Create) -> Create:
        def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
            _, attributes = original(logical_id, properties, stack_name)
            return attributes["Arn"], attributes

        return create

    def update(original: Update) -> Update:
        def update(physical_id: str, *rest: Any) -> tuple[str, dict[str, Any]]:
            _, attributes = original(_secret_name(physical_id), *rest)
            return attributes["Arn"], attributes

        return update

    def delete(original: Callable[..., None]) -> Callable[..., None]:
        return lambda physical_id, properties: original(_secret_name(physical_id), properties)

    patching.replace(provisioners, "_sm_secret_create", create)
    patching.replace(provisioners, "_sm_secret_update", update)
    patching.replace(provisioners, "_sm_secret_delete", delete)


def _secret_name(arn: str) -> str:
    return next((name for name, secret in secretsmanager._secrets.items() if secret["ARN"] == arn), arn)
