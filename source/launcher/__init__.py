"""What an operator runs on the way to a real AWS account: `make package`, `make deploy` and `make publish`.

Standard library, pip and the AWS CLI only, so that deploying needs no set-up beyond Python itself.
"""
