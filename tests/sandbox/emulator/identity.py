"""Identity and access: principals, policies that take time, and the journal of API calls."""

import json
import time
from typing import Any

from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import iam, sts

from tests.sandbox.emulator.control import state
from tests.sandbox.emulator.patching import replacing

READS_ECR = "AmazonEC2ContainerRegistryReadOnly"
READS_ECR_ACTIONS = ["ecr:GetAuthorizationToken", "ecr:DescribeRepositories", "ecr:ListImages", "ecr:BatchGetImage"]
"""Those that tests try, of the policy's twelve; none of them writes."""

SLOW_TO_LEARN = {"secretsmanager", "ssm", "ec2"}  # of a role's new policy


def request_of(kind: str, arn: str, account: str, action: str, resource: str, **more: Any) -> Any:
    """Return a request as MiniStack's evaluator takes it: of a principal of this kind, ARN and account."""
    principal = {"principal_arn": arn, "principal_type": kind, "principal_account": account}
    what = {"action": action, "resource_arn": resource, "region": responses.get_region()}
    return iam_evaluator.EvalContext(**principal, **what, **more)


def role_decision(role_arn: str, action: str, resource: str, **context: Any) -> Any:
    """Return what the policies of a role of this account say about an action."""
    account, role = responses.get_account_id(), role_arn.rsplit("/", 1)[-1]
    request = request_of("AssumedRole", role_arn, account, action, resource, **context)
    return iam_evaluator.evaluate(request, iam_evaluator._gather_role_policies(role, account))


def admits_service(policy: Any, service: str, action: str, resource: str, source_arn: str = "") -> bool:
    """Whether a policy lets a service do this on behalf of this account, and of a source in it."""
    source = {"aws:sourcearn": source_arn, "aws:sourceaccount": responses.get_account_id()}
    request = request_of("Service", service, "", action, resource, service_context=source)
    return bool(iam_evaluator.evaluate_resource_policy(policy, request, service=service).decision == "Allow")


def role_trusts(role_arn: Any, service: str, source_arn: str = "") -> bool:
    """Whether a role of this account exists and lets a service assume it."""
    role = iam._roles.get(str(role_arn).rsplit("/", 1)[-1])
    trust = json.loads(role["AssumeRolePolicyDocument"]) if role else {}
    return admits_service(trust, service, "sts:AssumeRole", "*", source_arn)


# Principals


@replacing(sts, "_evict_expired_sessions")
def keep_sessions(_original: Any) -> None:
    """Drop none: MiniStack walks over a table that other threads write to, which fails when many functions start."""


@replacing(iam_evaluator, "_resolve_condition_key")
def name_the_role_of_a_session(original: Any, key: str, context: Any) -> Any:
    """Let `aws:PrincipalArn` of a session be its role's ARN; MiniStack says the session's."""
    if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
        name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
        role = iam._roles.get_scoped(context.principal_account, None, name)
        return role["Arn"] if role else f"arn:aws:iam::{context.principal_account}:role/{name}"
    return original(key, context)


# Policies


@replacing(iam, "_lookup_policy")
def know_the_policy_that_reads_ecr(original: Any, arn: str) -> Any:
    """AWS has some 1,300 managed policies; MiniStack knows the commonest, and not the one of the connection role."""
    known = iam._aws_managed_policies
    if arn.endswith(f":policy/{READS_ECR}") and arn not in known and iam._is_aws_managed_arn(arn):
        statement = {"Effect": "Allow", "Action": READS_ECR_ACTIONS, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        known[arn] = iam._make_aws_managed_record(READS_ECR, document)
    return original(arn)


@replacing(iam_evaluator, "enforce")
def decide(original: Any, key: str, *call: str, resource_arn: str = "*", **rest: Any) -> Any:
    """Decide about a call as AWS does and as tests have set, and record it in the journal.

    MiniStack serves every account in every Region, even in some that do not exist; it knows a policy at once; and its
    own CloudTrail knows neither the principal's role nor denials.
    """
    account, (action, service, region) = responses.get_account_id(), call
    if region and region not in state.enabled_regions(account):
        message = "The security token included in the request is invalid."
        return iam_evaluator.AuthError("UnrecognizedClientException", message)
    result, caller = original(key, *call, resource_arn, **rest), iam_evaluator.caller_arn()
    if result is None and service in SLOW_TO_LEARN and _is_new(account, caller):
        result = iam_evaluator.EvalResult("ImplicitDeny", principal_arn=caller)
    entry = {"account": account, "principal": caller, "action": action, "allowed": result is None}
    state.api_calls.append(entry)
    return result


def _is_new(account: str, caller: str) -> bool:
    role = iam_evaluator._role_name_from_assumed_arn(caller) if ":assumed-role/" in caller else ""
    changed = state.policies_changed.get((account, role))
    return changed is not None and time.monotonic() - changed < state.policy_seconds


@replacing(iam_actions, "extract_resource_arn")
def name_resources_as_policies_do(original: Any, service: str, *request: Any) -> str:
    """Name the resource of a call as AWS does: with MiniStack right policies fail here, and wrong ones work.

    ecr:DescribeRepositories is about `repository/*`; all calls on a log group but those on tags are about its streams
    (`log-group:NAME:*`); a parameter's `name:version`, which AWS documents nowhere, is about the parameter.
    """
    arn: str = original(service, *request)
    _, _, headers, body, _, region, account = request
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if service == "ecr" and action == "DescribeRepositories":
        return f"arn:aws:ecr:{region}:{account}:repository/*"
    if service == "logs" and ":log-group:" in arn and not action.endswith(("TagResource", "UntagResource")):
        return f"{arn}:log-stream:{iam_actions._safe_json_field(body, 'logStreamName') or ''}"
    if service == "ssm" and ":parameter/" in arn:
        prefix, name = arn.split(":parameter/", 1)
        return f"{prefix}:parameter/{name.rsplit(':parameter/', 1)[-1].split(':', 1)[0]}"
    return arn
