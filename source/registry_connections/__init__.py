"""Registers the Amazon ECR registries of one AWS account with CrowdStrike Falcon, one connection a Region.

CloudFormation calls `handler.lambda_handler` when a stack is created, updated or deleted; a schedule and people
call it with an action. Every call takes the same path: read what is, plan, apply the plan, report the outcome.
"""

__version__ = "1.0.0"
