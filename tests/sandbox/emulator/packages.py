"""Where code and templates come from."""

import re
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import lambda_svc, s3
from ministack.services.cloudformation import helpers

from tests.sandbox.emulator.patching import replacing

REFUSED = "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
NO_BUCKET = REFUSED.format(code="NoSuchBucket", message="The specified bucket does not exist")
NO_KEY = REFUSED.format(code="NoSuchKey", message="The specified key does not exist.")
DENIED = (
    "Your access has been denied by S3, please make sure your request credentials have permission to GetObject"
    " for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
)

BUCKET_URL = re.compile(r"https://(?P<bucket>[a-z0-9.-]+)\.s3(\.[a-z0-9-]+)?\.amazonaws\.com/(?P<key>.+)")


@replacing(lambda_svc, "_fetch_code_from_s3")
def fail_without_code(_original: Any, bucket: str, key: str, version_id: str | None = None) -> bytes:
    """Read the package from any bucket that lets the caller in, and fail when it cannot be read.

    MiniStack reads only buckets of the same account, and makes a function without code when it finds none: the stack
    is complete and the function a silent mock, so that a wrong key shows up as a custom resource that times out.
    Organizations share one bucket among their accounts.
    """
    account = responses.get_account_id()
    owner = next((account for account, name in s3._buckets.to_dict() if name == bucket), None)
    if owner is None:
        raise ValueError(NO_BUCKET)
    if owner != account and not _lets_in(owner, account, bucket, key):
        raise ValueError(DENIED.format(bucket=bucket, key=key))
    with responses.request_scope(owner, responses.get_region()):
        code: bytes | None = s3._get_object_data(bucket, key, version_id=version_id)
    if code is None:
        raise ValueError(NO_KEY)
    return code


def _lets_in(owner: str, account: str, bucket: str, key: str) -> bool:
    """Whether the bucket's policy lets the other account read the object."""
    request = iam_evaluator.EvalContext(
        principal_arn=iam_evaluator.caller_arn(),
        principal_type="Root",
        principal_account=account,
        action="s3:GetObject",
        resource_arn=f"arn:aws:s3:::{bucket}/{key}",
        region=responses.get_region(),
        secure_transport=True,  # Lambda reads over TLS, also where no request of a client began this
    )
    policy: Any = s3._bucket_policies.get_scoped(owner, None, bucket)
    return bool(iam_evaluator.evaluate_resource_policy(policy, request).decision == "Allow")


@replacing(helpers, "_resolve_document")
def know_templates_by_the_name_of_their_bucket(
    original: Any, request: dict[str, Any], body_key: str, url_key: str, label: str
) -> Any:
    """Accept `https://BUCKET.s3.REGION.amazonaws.com/KEY` as TemplateURL; MiniStack knows only the older form."""
    if found := BUCKET_URL.fullmatch(helpers._p(request, url_key)):
        request = request | {url_key: [f"https://s3.amazonaws.com/{found['bucket']}/{found['key']}"]}
    return original(request, body_key, url_key, label)
