"""Repair of AWS's managed policies: the one that lets a role read ECR."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import iam

from tests.sandbox.emulator import patching

READ_ONLY_NAME = "AmazonEC2ContainerRegistryReadOnly"
READ_ONLY_ACTIONS = (  # version 3, AWS managed policy reference
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:GetRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:ListImages",
    "ecr:DescribeImages",
    "ecr:BatchGetImage",
    "ecr:GetLifecyclePolicy",
    "ecr:GetLifecyclePolicyPreview",
    "ecr:ListTagsForResource",
    "ecr:DescribeImageScanFindings",
)


def repair() -> None:
    """Apply the repairs of this module."""
    know_the_policy_that_reads_ecr()


def know_the_policy_that_reads_ecr() -> None:
    """AWS has some 1,300 managed policies; MiniStack knows the commonest, and not the one of the connection role."""
    statement = {"Effect": "Allow", "Action": list(READ_ONLY_ACTIONS), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def lookup(original: Any) -> Callable[[str], Any]:
        def found(arn: str) -> Any:
            known = iam._aws_managed_policies
            if arn.endswith(f":policy/{READ_ONLY_NAME}") and arn not in known and iam._is_aws_managed_arn(arn):
                known[arn] = iam._make_aws_managed_record(READ_ONLY_NAME, document)
            return original(arn)

        return found

    patching.replace(iam, "_lookup_policy", lookup)
