"""Repairs of identity and access: sessions, service control policies, and the journal of API calls."""

from collections.abc import Callable
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import iam, sts

from tests.sandbox.emulator import patching
from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.state import ServiceControlPolicy, state

# The journal's entries of the request that is being served.
_entries: ContextVar[list[dict[str, Any]] | None] = ContextVar("entries", default=None)
_denied_by_policy_of_the_organization: ContextVar[bool] = ContextVar("denied_by_scp", default=False)


def repair() -> None:
    """Apply the repairs of this module."""
    keep_sessions()
    let_only_named_principals_assume_a_role()
    name_the_role_of_a_session()
    obey_service_control_policies()
    record_api_calls()
    name_the_repositories_of_a_registry()


def keep_sessions() -> None:
    """Never drop an expired session.

    MiniStack does so by walking over a table that other threads write to, which fails now and then when many
    functions start at once ("dictionary changed size during iteration").
    No session of a test lives long enough to expire.
    """

    def evict(_original: Callable[[], None]) -> Callable[[], Any]:
        return lambda: None

    patching.replace(sts, "_evict_expired_sessions", evict)


def let_only_named_principals_assume_a_role() -> None:
    """Let only that service assume a role that trusts a service.

    MiniStack lets the root of any account in, too, so that no test could prove who may use the execution role.
    """

    def matches(original: Callable[..., bool]) -> Callable[..., bool]:
        def matches(principal: Any, *rest: Any) -> bool:
            if isinstance(principal, dict):
                principal = {kind: named for kind, named in principal.items() if kind != "Service"}
            return original(principal, *rest)

        return matches

    patching.replace(iam_evaluator, "_trust_principal_matches", matches)


def name_the_role_of_a_session() -> None:
    """Let `aws:PrincipalArn` of an assumed role be the role's ARN; MiniStack says the session's.

    A bucket policy that admits `role/stacksets-exec-*` depends on it.
    """

    def resolve(original: Callable[..., Any]) -> Callable[..., Any]:
        def resolve(key: str, context: Any) -> Any:
            if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
                name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
                role = iam._roles.get_scoped(context.principal_account, None, name)
                return role["Arn"] if role else f"arn:aws:iam::{context.principal_account}:role/{name}"
            return original(key, context)

        return resolve

    patching.replace(iam_evaluator, "_resolve_condition_key", resolve)


def obey_service_control_policies() -> None:
    """Deny what a service control policy denies to everybody in an account, whatever their own policies allow.

    MiniStack stores such policies and enforces none. Organizations deny whole Regions with them, and the product
    must tell such a Region from one that failed. What CloudFormation itself does is not checked here.
    """

    def enforce(original: Callable[..., Any]) -> Callable[..., Any]:
        def enforce(access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any) -> Any:
            result = original(access_key, action, service, region, *args, **kwargs)
            policies = state.service_control_policies.get(responses.get_account_id(), [])
            denied = any(_denies(policy, action, region) for policy in policies)
            _denied_by_policy_of_the_organization.set(denied)
            if denied and not isinstance(result, iam_evaluator.AuthError):
                return iam_evaluator.EvalResult("Deny", principal_arn=iam_evaluator.caller_arn())
            return result

        return enforce

    def answer(original: Callable[..., Any]) -> Callable[..., Any]:
        def answer(service: str, action: str, principal_arn: str, *args: Any, **kwargs: Any) -> Any:
            if not _denied_by_policy_of_the_organization.get() or kwargs.get("error_code"):
                return original(service, action, principal_arn, *args, **kwargs)
            resource = kwargs.get("resource_arn", "*")
            kwargs["message"] = iam_actions.identity_denial_message(action, principal_arn, resource, True)
            status, headers, body = original(service, action, principal_arn, *args, **kwargs)
            return status, headers, body.replace(b"an identity-based policy", b"a service control policy")

        return answer

    patching.replace(iam_evaluator, "enforce", enforce)
    patching.replace(iam_actions, "access_denied_response", answer)


def _denies(policy: ServiceControlPolicy, action: str, region: str) -> bool:
    return (not policy.regions or region in policy.regions) and any(
        fnmatchcase(action.lower(), pattern.lower()) for pattern in policy.actions
    )


def name_the_repositories_of_a_registry() -> None:
    """Authorize ecr:DescribeRepositories on the registry's `repository/*`, as AWS's own denials name it.

    MiniStack authorizes it on `*`, which no policy for an account's repositories allows.
    """

    def resource(original: Callable[..., str]) -> Callable[..., str]:
        def resource(service: str, method: str, path: str, headers: dict[str, str], *rest: Any) -> str:
            if headers.get("x-amz-target", "").endswith("ContainerRegistry_V20150921.DescribeRepositories"):
                return f"arn:aws:ecr:{rest[2]}:{rest[3]}:repository/*"
            return original(service, method, path, headers, *rest)

        return resource

    patching.replace(iam_actions, "extract_resource_arn", resource)


def record_api_calls() -> None:
    """Keep a journal of every API call that was authorized or denied, as CloudTrail would.

    A test proves least privilege with it: what the function's role was allowed and never used, and what it was
    denied. MiniStack has a CloudTrail of its own, which knows neither the principal's role nor denials.
    """

    def enforce(original: Callable[..., Any]) -> Callable[..., Any]:
        def enforce(access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any) -> Any:
            result = original(access_key, action, service, region, *args, **kwargs)
            entry = {
                "account": responses.get_account_id(),
                "region": region,
                "principal": iam_evaluator.caller_arn(),
                "action": action,
                "resource": args[0] if args else kwargs.get("resource_arn", "*"),
                "allowed": result is None,
                "status": None,
            }
            state.api_calls.append(entry)
            if (entries := _entries.get()) is not None:
                entries.append(entry)
            return result

        return enforce

    def dispatch(original: Callable[..., Any]) -> Callable[..., Any]:
        async def dispatch(*args: Any) -> Any:
            entries: list[dict[str, Any]] = []
            _entries.set(entries)
            answer = await original(*args)
            for entry in entries:
                entry["status"] = answer[0]
            return answer

        return dispatch

    patching.replace(iam_evaluator, "enforce", enforce)
    patching.replace(app, "_dispatch_service_request", dispatch)


@verb
def deny(request: dict[str, Any]) -> None:
    """Add a service control policy to an account."""
    policy = ServiceControlPolicy(tuple(request["actions"]), tuple(request["regions"]))
    state.service_control_policies.setdefault(request["account"], []).append(policy)


@verb
def allow(request: dict[str, Any]) -> None:
    """Remove the service control policies of an account."""
    state.service_control_policies.pop(request["account"], None)


@verb
def api_calls(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the API calls of an account, oldest first."""
    return [call for call in list(state.api_calls) if call["account"] == request["account"]]
