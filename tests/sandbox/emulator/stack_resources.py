"""The resources that CloudFormation makes: names that are taken, roles, secrets, functions."""

import json
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import iam, lambda_svc, secretsmanager
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.patching import replacing

Properties = dict[str, Any]


@replacing(provisioners, "_iam_role_create")
def create_role(original: Any, logical_id: str, properties: Properties, stack_name: str) -> Any:
    """Fail if the name is taken, or a policy missing; limit the role by its permissions boundary.

    MiniStack overwrites an existing role, drops the boundary that a template sets, and attaches missing policies
    silently. Two launches in one account must fail here as on AWS, and an organization whose service control policy
    demands a boundary relies on it.
    """
    _refuse_taken(properties.get("RoleName"), iam._roles, "{name} already exists")
    _require_policies(properties)
    name, attributes = original(logical_id, properties, stack_name)
    iam._roles[name]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
    return name, attributes


@replacing(provisioners, "_iam_role_update")
def update_role(original: Any, physical_id: str, old: Properties, new: Properties, *rest: Any) -> Any:
    """Obey the same rules."""
    _require_policies(new)
    name, attributes = original(physical_id, old, new, *rest)
    iam._roles[name]["PermissionsBoundary"] = new.get("PermissionsBoundary")
    return name, attributes


@replacing(provisioners, "_lambda_create")
def create_function(original: Any, logical_id: str, properties: Properties, stack_name: str) -> Any:
    """Fail if the name is taken, or the role does not exist or does not trust Lambda.

    MiniStack overwrites an existing function, and runs one with any role. A wrong trust policy must fail the stack.
    """
    _refuse_taken(properties.get("FunctionName"), lambda_svc._functions, "{name} already exists")
    _require_trust(properties.get("Role", ""))
    return original(logical_id, properties, stack_name)


@replacing(provisioners, "_lambda_update")
def update_function(original: Any, physical_id: str, old: Properties, new: Properties, *rest: Any) -> Any:
    """Obey the same rules."""
    _require_trust(new.get("Role", ""))
    return original(physical_id, old, new, *rest)


@replacing(provisioners, "_sm_secret_create")
def create_secret(original: Any, logical_id: str, properties: Properties, stack_name: str) -> Any:
    """Fail if the name is taken; let `Ref` be the secret's ARN, as on AWS.

    MiniStack overwrites an existing secret, and answers its name: a policy with `Resource: !Ref Secret` would never
    match, though it is right on AWS.
    """
    taken = "The operation failed because the secret {name} already exists."
    _refuse_taken(properties.get("Name"), secretsmanager._secrets, taken)
    _, attributes = original(logical_id, properties, stack_name)
    return attributes["Arn"], attributes


@replacing(provisioners, "_sm_secret_update")
def update_secret(original: Any, physical_id: str, *rest: Any) -> Any:
    """Find the secret by its ARN."""
    _, attributes = original(_secret_name(physical_id), *rest)
    return attributes["Arn"], attributes


@replacing(provisioners, "_sm_secret_delete")
def delete_secret(original: Any, physical_id: str, properties: Properties) -> None:
    """Find the secret by its ARN."""
    original(_secret_name(physical_id), properties)


def _secret_name(arn: str) -> str:
    return next((name for name, secret in secretsmanager._secrets.items() if secret["ARN"] == arn), arn)


def _refuse_taken(name: str | None, existing: Any, message: str) -> None:
    if name and name in existing:
        raise ValueError(message.format(name=name))


def _require_policies(properties: Properties) -> None:
    account, boundary = responses.get_account_id(), properties.get("PermissionsBoundary")
    for arn in [*([boundary] if boundary else []), *properties.get("ManagedPolicyArns", [])]:
        if iam_evaluator._resolve_managed_policy_document(arn, account) is None:
            what = "Scope ARN:" if arn == boundary else "Policy"
            raise ValueError(f"{what} {arn} does not exist or is not attachable.")


def _require_trust(role_arn: str) -> None:
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    policy = json.loads(role["AssumeRolePolicyDocument"]) if role else {}
    if not _trusts(policy, "lambda.amazonaws.com"):
        raise ValueError("The role defined for the function cannot be assumed by Lambda.")


def _trusts(policy: Properties, service: str) -> bool:
    """Whether a trust policy lets an AWS service assume its role."""
    statements = policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and service in ([named] if isinstance(named, str) else named):
            return True
    return False
