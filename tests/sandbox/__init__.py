"""The local AWS in which the product is launched for real, by end-to-end tests and by `make demo`.

    local_aws.LocalAws             AWS in a process of its own: TLS, IAM enforced, loopback only
    stacks                         create, update and delete stacks, and watch them
    lambda_runtime.LambdaRuntime   the package alone, run by AWS's own runtime client, without any AWS
    egress.EgressProxy             the function's only way out: the Falcon simulator under Falcon's real names
    fixtures                       the pytest fixtures `authority` and `aws`
    emulator                       MiniStack with the repairs that this needs, each with its reason

What stays unprovable here, because nothing on this machine behaves like AWS in it:

- the partitions aws-us-gov and aws-cn (MiniStack knows `aws` only), arm64, and Python versions other than ours;
- iam:PassRole, the permissions of whoever launches a stack, and of a CloudFormation service role; service control
  policies on what CloudFormation itself does;
- embedded metrics in logs, metric filters, and alarms on them;
- StackSets beyond our own model of them: delegated administrators, throttling, drift, CloudFormation's own retries;
- whether a template's properties fit their schema (cfn-lint checks that), quotas, and eventual consistency;
- how long a presigned ResponseURL lives, and `NoEcho` of a custom resource's answer.

Where a repair imitates AWS (the 4 KB limit, Delete after a failed Create, ...), a test here proves that our code
works with the imitation.
"""
