"""Repairs of secrets: those of other accounts, and those that a customer key encrypts."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import iam, kms, secretsmanager

from tests.sandbox.emulator import patching

DEFAULT_KEY = (
    "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key."
)
NO_KEY = "Access to KMS is not allowed"

_lacks_resource_policy: ContextVar[bool] = ContextVar("lacks_resource_policy", default=False)

Handler = Callable[[dict[str, Any]], Any]


def repair() -> None:
    """Apply the repairs of this module."""
    find_the_policy_of_a_secret_of_another_account()
    read_secrets_as_their_keys_allow()
    name_the_policy_that_does_not_allow()


def find_the_policy_of_a_secret_of_another_account() -> None:
    """Let the resource policy of a secret decide about callers of other accounts, too.

    MiniStack looks for a secret in the caller's account only, so that no policy stands between two accounts.
    """

    def policy(original: Callable[[str], Any]) -> Callable[[str], Any]:
        def policy(arn: str) -> Any:
            with responses.request_scope(*_place(arn)):
                return original(arn)

        return policy

    patching.replace(secretsmanager, "secret_policy_for_arn", policy)


def read_secrets_as_their_keys_allow() -> None:
    """Read the value of a secret by its full ARN from another account, and only with permission for its key.

    On AWS whoever reads a secret needs kms:Decrypt on its customer key, from the key's policy and, across accounts,
    from their own as well; a secret with the default key cannot be read from another account. MiniStack
    knows no secret of another account, and asks nobody about keys.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html
    """

    def get(original: Handler) -> Handler:
        def get(request: dict[str, Any]) -> Any:
            caller, arn = responses.get_account_id(), str(request.get("SecretId"))
            with responses.request_scope(*_place(arn)):
                _, secret = secretsmanager._resolve(arn)
                owner = responses.get_account_id()
                if not secret or (owner != caller and secret["ARN"] != arn):
                    return original(request)
                if not secret.get("KmsKeyId"):
                    return _refusal("InvalidRequestException", DEFAULT_KEY) if owner != caller else original(request)
                allowed = _may_decrypt(secret["KmsKeyId"], caller)
                return original(request) if allowed else _refusal("AccessDeniedException", NO_KEY)

        return get

    patching.replace(secretsmanager, "_get_secret_value", get)


def name_the_policy_that_does_not_allow() -> None:
    """Say that the resource policy does not allow a call that the caller's own policies do.

    AWS tells the two apart, and so does the advice that the product gives. MiniStack blames the caller's always.
    """

    def combine(original: Callable[..., Any]) -> Callable[..., Any]:
        def combine(identity: Any, *rest: Any, **named: Any) -> Any:
            decision = original(identity, *rest, **named)
            _lacks_resource_policy.set(identity.decision == "Allow" and decision.decision == "ImplicitDeny")
            return decision

        return combine

    def answer(original: Callable[..., Any]) -> Callable[..., Any]:
        def answer(service: str, action: str, principal_arn: str, *rest: Any, **named: Any) -> Any:
            if service == "secretsmanager" and _lacks_resource_policy.get():
                message = iam_actions.identity_denial_message(action, principal_arn, named["resource_arn"], False)
                named["message"] = message.replace("no identity-based policy", "no resource-based policy")
            return original(service, action, principal_arn, *rest, **named)

        return answer

    patching.replace(iam_evaluator, "combine_resource_policy", combine)
    patching.replace(iam_actions, "access_denied_response", answer)


def _place(secret_id: str) -> tuple[str, str]:
    """Return the account and Region of a secret: those in its ARN, else the caller's."""
    parts = secret_id.split(":")
    return (parts[4], parts[3]) if len(parts) > 6 else (responses.get_account_id(), responses.get_region())


def _refusal(code: str, message: str) -> Any:
    return responses.error_response_json(code, message, 400)


def _may_decrypt(key_id: str, caller_account: str) -> bool:
    """Whether the caller may use a key of this account and Region, through Secrets Manager."""
    found = kms._resolve_key(key_id)
    if not found:
        return False
    policy, owner = kms.key_policy_for_arn(found["Arn"]) or ("", responses.get_account_id())
    caller = iam_evaluator.caller_arn()
    context = iam_evaluator.EvalContext(
        principal_arn=caller,
        principal_type="AssumedRole" if ":assumed-role/" in caller else "Account",
        principal_account=caller_account,
        action="kms:Decrypt",
        resource_arn=found["Arn"],
        region=responses.get_region(),
        service_context={"kms:viaservice": f"secretsmanager.{responses.get_region()}.amazonaws.com"},
    )
    if caller.endswith(":root"):
        identity, limits = iam_evaluator.EvalResult("Allow"), ()
    else:
        role = iam_evaluator._role_name_from_assumed_arn(caller)
        limits = iam_evaluator._permissions_boundary(iam._roles, role, caller_account)
        policies = iam_evaluator._gather_role_policies(role, caller_account)
        identity = iam_evaluator.evaluate(context, policies, *limits)
    decision = iam_evaluator.combine_resource_policy(identity, context, policy, owner, required=True, limits=limits)
    return bool(decision.decision == "Allow")
