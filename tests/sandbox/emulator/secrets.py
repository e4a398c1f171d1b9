"""Secrets: those of other accounts, and those that a customer key encrypts."""

from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import kms, secretsmanager

from tests.sandbox.emulator.identity import request_of, role_decision
from tests.sandbox.emulator.patching import replacing

DEFAULT_KEY = (
    "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key."
)
NO_KEY = "Access to KMS is not allowed"


@replacing(secretsmanager, "secret_policy_for_arn")
def find_the_policy_of_another_account(original: Any, arn: str) -> Any:
    """Let the resource policy of a secret decide about callers of other accounts; MiniStack looks in the caller's."""
    with responses.request_scope(*_place(arn)):
        return original(arn)


@replacing(secretsmanager, "_get_secret_value")
def read_secrets_as_their_keys_allow(original: Any, request: dict[str, Any]) -> Any:
    """Read a secret of another account by its full ARN, and any only with permission for its customer key.

    The key's policy must allow kms:Decrypt and, across accounts, the caller's own as well; a secret with the default
    key cannot be read from another account. MiniStack knows no secret of another account, and asks nobody about keys.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html
    """
    caller, arn = responses.get_account_id(), str(request.get("SecretId"))
    with responses.request_scope(*_place(arn)):
        _, secret = secretsmanager._resolve(arn)
        foreign = responses.get_account_id() != caller
        if secret and foreign and secret["ARN"] == arn and not secret.get("KmsKeyId"):
            return responses.error_response_json("InvalidRequestException", DEFAULT_KEY, 400)
        if secret and secret.get("KmsKeyId") and not _may_decrypt(secret["KmsKeyId"], caller):
            return responses.error_response_json("AccessDeniedException", NO_KEY, 400)
        return original(request)


def _place(secret_id: str) -> tuple[str, str]:
    """Return the account and Region of a secret: those in its ARN, else the caller's."""
    parts = secret_id.split(":")
    return (parts[4], parts[3]) if len(parts) > 6 else (responses.get_account_id(), responses.get_region())


def _may_decrypt(key_id: str, caller_account: str) -> bool:
    """Whether the caller may use a key of this account and Region, through Secrets Manager."""
    key = kms._resolve_key(key_id)
    if not key:
        return False
    region, caller = responses.get_region(), iam_evaluator.caller_arn()
    policy, owner = kms.key_policy_for_arn(key["Arn"]) or ("", responses.get_account_id())
    via = {"kms:viaservice": f"secretsmanager.{region}.amazonaws.com"}
    kind = "AssumedRole" if ":assumed-role/" in caller else "Account"
    request = request_of(kind, caller, caller_account, "kms:Decrypt", key["Arn"], service_context=via)
    identity = iam_evaluator.EvalResult("Allow")
    if not caller.endswith(":root"):
        role = iam_evaluator._role_name_from_assumed_arn(caller)
        with responses.request_scope(caller_account, region):
            identity = role_decision(f"role/{role}", "kms:Decrypt", key["Arn"], service_context=via)
    decision = iam_evaluator.combine_resource_policy(identity, request, policy, owner, required=True)
    return bool(decision.decision == "Allow")
