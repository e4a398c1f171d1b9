"""Identity and access: sessions, principals, policies that take time, and the journal of API calls."""

import json
import re
import time
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import iam, sts
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import Refusal, state

FALCON_ROLE_ARN = "arn:aws:iam::292230061137:role/CrowdStrikeCustomerRegistryAssessmentRole"
"""A principal in an account that is not ours, which exists. A test makes it, with its permissions, when it needs it."""

READS_ECR = "AmazonEC2ContainerRegistryReadOnly"
READS_ECR_ACTIONS = (  # version 3, AWS managed policy reference
    *("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"),
    *("ecr:GetRepositoryPolicy", "ecr:DescribeRepositories", "ecr:ListImages", "ecr:DescribeImages"),
    *("ecr:BatchGetImage", "ecr:GetLifecyclePolicy", "ecr:GetLifecyclePolicyPreview", "ecr:ListTagsForResource"),
    "ecr:DescribeImageScanFindings",
)

# The services that are slow to learn of a role's policy.
SLOW_TO_LEARN = {"secretsmanager", "ssm", "ec2"}

# The journal's entries of the request that is being served.
_entries: ContextVar[list[dict[str, Any]] | None] = ContextVar("entries", default=None)
_denied_by_organization: ContextVar[bool] = ContextVar("denied_by_organization", default=False)


def role_decision(role_arn: str, action: str, resource: str, **context: Any) -> Any:
    """Return what the policies of a role of this account, and its boundary, say about an action."""
    account, role = responses.get_account_id(), role_arn.rsplit("/", 1)[-1]
    request = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=responses.get_region(),
        **context,
    )
    limits = iam_evaluator._permissions_boundary(iam._roles, role, account)
    return iam_evaluator.evaluate(request, iam_evaluator._gather_role_policies(role, account), *limits)


def role_may(role_arn: str, action: str, resource: str) -> bool:
    """Whether the policies of a role of this account allow an action."""
    return bool(role_decision(role_arn, action, resource).decision == "Allow")


# Principals


@replacing(sts, "_evict_expired_sessions")
def keep_sessions(_original: Any) -> None:
    """Never drop an expired session.

    MiniStack does so by walking over a table that other threads write to, which fails now and then when many
    functions start at once ("dictionary changed size during iteration"). No session of a test lives long enough.
    """


@replacing(iam_evaluator, "_trust_principal_matches")
def admit_only_principals_that_are_named(original: Any, principal: Any, *rest: Any) -> Any:
    """Let only that service assume a role that trusts a service; MiniStack lets the root of any account in, too."""
    if isinstance(principal, dict):
        principal = {kind: named for kind, named in principal.items() if kind != "Service"}
    return original(principal, *rest)


@replacing(iam_evaluator, "_resolve_condition_key")
def name_the_role_of_a_session(original: Any, key: str, context: Any) -> Any:
    """Let `aws:PrincipalArn` of an assumed role be the role's ARN, as trust and bucket policies compare it.

    MiniStack says the session's.
    """
    if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
        name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
        role = iam._roles.get_scoped(context.principal_account, None, name)
        return role["Arn"] if role else f"arn:aws:iam::{context.principal_account}:role/{name}"
    return original(key, context)


@replacing(iam, "_trust_policy_not_principal_error")
def refuse_principals_that_do_not_exist(original: Any, document: Any) -> Any:
    """Refuse a trust policy that names a role or user that does not exist, whose account may be any.

    IAM stores the unique id of a principal, and so must find it. MiniStack stores any text.
    """
    policy = json.loads(document) if isinstance(document, str) else document or {}
    for statement in _listed(policy.get("Statement", [])):
        principal = statement.get("Principal", {})
        for named in _listed(principal.get("AWS", [])) if isinstance(principal, dict) else []:
            if not _exists(named):
                return f'Invalid principal in policy: "AWS":"{named}"'
    return original(document)


def _exists(principal: str) -> bool:
    if principal == FALCON_ROLE_ARN or re.fullmatch(r"\*|\d{12}|arn:aws:iam::\d{12}:root", principal):
        return True
    found = re.fullmatch(r"arn:aws:(?:iam|sts)::(\d{12}):(role|user|assumed-role)/(.+)", principal)
    if not found:
        return False
    account, kind, path = found.groups()
    name = path.split("/")[0] if kind == "assumed-role" else path.rsplit("/", 1)[-1]
    return (iam._users if kind == "user" else iam._roles).get_scoped(account, None, name) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Policies


@replacing(iam, "_lookup_policy")
def know_the_policy_that_reads_ecr(original: Any, arn: str) -> Any:
    """AWS has some 1,300 managed policies; MiniStack knows the commonest, and not the one of the connection role."""
    known = iam._aws_managed_policies
    if arn.endswith(f":policy/{READS_ECR}") and arn not in known and iam._is_aws_managed_arn(arn):
        statement = {"Effect": "Allow", "Action": list(READS_ECR_ACTIONS), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        known[arn] = iam._make_aws_managed_record(READS_ECR, document)
    return original(arn)


@replacing(provisioners, "_iam_role_create", "_iam_role_update")
def note_a_change_by_cloudformation(original: Any, *arguments: Any, **named: Any) -> Any:
    """Remember when a stack made or changed a role: its policy takes a moment until it is known."""
    made = original(*arguments, **named)
    state.policies_changed[responses.get_account_id(), made[0]] = time.monotonic()
    return made


@replacing(iam, "_put_role_policy", "_attach_role_policy")
def note_a_change_by_api(original: Any, request: dict[str, Any]) -> Any:
    """Remember when somebody changed a role's policies."""
    state.policies_changed[responses.get_account_id(), iam._p(request, "RoleName")] = time.monotonic()
    return original(request)


@replacing(iam_evaluator, "enforce")
def obey_what_tests_set(
    original: Any, access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any
) -> Any:
    """Deny what a service control policy denies, what is not known yet, and refuse what a test refuses.

    MiniStack stores service control policies and enforces none. Organizations deny whole Regions with them, and the
    product must tell such a Region from one that failed. What CloudFormation itself does is not checked here.
    With MiniStack a policy is known at once. AWS denies calls for seconds, which is no reason to fail a launch.
    """
    result = original(access_key, action, service, region, *args, **kwargs)
    account, caller = responses.get_account_id(), iam_evaluator.caller_arn()
    denied = any(
        account == each and (not regions or region in regions) and any(fnmatchcase(action, one) for one in actions)
        for each, actions, regions in state.denials
    )
    _denied_by_organization.set(denied)
    if isinstance(result, iam_evaluator.AuthError):
        return result
    if denied:
        return iam_evaluator.EvalResult("Deny", principal_arn=caller)
    if result is None and service in SLOW_TO_LEARN and _is_new(account, caller):
        return iam_evaluator.EvalResult("ImplicitDeny", principal_arn=caller)
    if result is None and (refusal := _refusal(account, action)):
        return iam_evaluator.AuthError(refusal.code, refusal.message)
    return result


def _is_new(account: str, caller: str) -> bool:
    if ":assumed-role/" not in caller:
        return False
    changed = state.policies_changed.get((account, iam_evaluator._role_name_from_assumed_arn(caller)))
    return changed is not None and time.monotonic() - changed < state.policy_seconds


def _refusal(account: str, action: str) -> Refusal | None:
    for refusal in state.refusals:
        if (refusal.account, refusal.action) == (account, action) and refusal.times != 0:
            refusal.times = None if refusal.times is None else refusal.times - 1
            return refusal
    return None


@replacing(iam_actions, "access_denied_response")
def name_the_service_control_policy(
    original: Any, service: str, action: str, principal_arn: str, *args: Any, **kwargs: Any
) -> Any:
    """Say that it was a service control policy that denied, as AWS does."""
    if not _denied_by_organization.get() or kwargs.get("error_code"):
        return original(service, action, principal_arn, *args, **kwargs)
    resource = kwargs.get("resource_arn", "*")
    kwargs["message"] = iam_actions.identity_denial_message(action, principal_arn, resource, True)
    status, headers, body = original(service, action, principal_arn, *args, **kwargs)
    return status, headers, body.replace(b"an identity-based policy", b"a service control policy")


@replacing(iam_actions, "extract_resource_arn")
def name_the_repositories_of_a_registry(
    original: Any, service: str, method: str, path: str, headers: dict[str, str], *rest: Any
) -> Any:
    """Authorize ecr:DescribeRepositories on the registry's `repository/*`, as AWS's own denials name it.

    MiniStack authorizes it on `*`, which no policy for an account's repositories allows.
    """
    if headers.get("x-amz-target", "").endswith("ContainerRegistry_V20150921.DescribeRepositories"):
        return f"arn:aws:ecr:{rest[2]}:{rest[3]}:repository/*"
    return original(service, method, path, headers, *rest)


# The journal


@replacing(iam_evaluator, "enforce")
def record_the_call(
    original: Any, access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any
) -> Any:
    """Keep a journal of every API call that was authorized or denied, as CloudTrail would.

    A test proves least privilege with it: what the function's role was allowed and never used, and what it was
    denied. MiniStack has a CloudTrail of its own, which knows neither the principal's role nor denials.
    """
    result = original(access_key, action, service, region, *args, **kwargs)
    entry = {
        "account": responses.get_account_id(),
        "region": region,
        "principal": iam_evaluator.caller_arn(),
        "action": action,
        "resource": args[0] if args else kwargs.get("resource_arn", "*"),
        "allowed": result is None,
        "early": service in SLOW_TO_LEARN and _is_new(responses.get_account_id(), iam_evaluator.caller_arn()),
        "status": None,
    }
    state.api_calls.append(entry)
    if (entries := _entries.get()) is not None:
        entries.append(entry)
    return result


@replacing(app, "_dispatch_service_request")
async def record_how_the_call_ended(original: Any, *args: Any) -> Any:
    """Complete the journal's entries of a request with the status of its response."""
    entries: list[dict[str, Any]] = []
    _entries.set(entries)
    answer = await original(*args)
    for entry in entries:
        entry["status"] = answer[0]
    return answer


# What tests set


@verb
def deny(request: dict[str, Any]) -> None:
    """Add a service control policy to an account."""
    state.denials.append((request["account"], tuple(request["actions"]), tuple(request["regions"])))


@verb
def allow(request: dict[str, Any]) -> None:
    """Remove the service control policies of an account."""
    state.denials = [denial for denial in state.denials if denial[0] != request["account"]]


@verb
def set_policy_delay(request: dict[str, Any]) -> None:
    """Let it take this time until a role's new policy is known."""
    state.policy_seconds = request["seconds"]


@verb
def refuse_calls(request: dict[str, Any]) -> None:
    """Answer calls of an action with an error."""
    state.refusals.append(Refusal(**request))


@verb
def accept_calls(_: dict[str, Any]) -> None:
    """Take back every refusal."""
    state.refusals.clear()


@verb
def api_calls(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the API calls of an account, oldest first."""
    return [call for call in list(state.api_calls) if call["account"] == request["account"]]
