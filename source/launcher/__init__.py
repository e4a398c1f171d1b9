"""What an operator runs on the way to a real AWS account, or to an organization: `make deploy`, `make deploy-org`, ...

For one account standard library, pip and the AWS CLI suffice, so that deploying needs no set-up beyond Python itself.
What serves an organization (`organization*`, `coverage*`) takes the developer's tools too: boto3, requests and rich.
"""
