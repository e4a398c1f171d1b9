"""What an operator runs against AWS: `make deploy`, `make status`, `make deploy-org`, `make coverage-report`, ...

It needs boto3, click and rich, and nothing else on a machine that administers an organization.
"""
