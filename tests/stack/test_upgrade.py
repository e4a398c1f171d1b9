"""Who runs the original solution updates that very stack with our template, and keeps scanning all the while."""

from typing import Any

import pytest

from tests.sandbox import samples, stacks
from tests.sandbox.known_regions import WITHOUT_OPT_IN
from tests.sandbox.stacks import Stack
from tests.simulator import Connection, Fault, Status
from tests.stack.customer import BUCKET, FUNCTION, KEY, ROLE, SECRET, STACK, TEMPLATE, Customer, reason, stack_uuid
from tests.stack.original import STUB, TRIGGER, TRIGGER_ID, V1, V2, Original

NEW_KEY = "falcon-ecr/lambda_function.zip"
OUTSIDE_ROLE, OUTSIDE_PARAMETER = "CrowdStrikeECRConnectionRole-0a1b2c3d4e5f", "crowdstrike-ecr-external-id"
OUTSIDE = {f"role {OUTSIDE_ROLE}", f"parameter {OUTSIDE_PARAMETER}"}
"""What the original's function made beside its stack, which stays: see the README."""
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'


def launch_original(customer: Customer, original: Original, package: bytes) -> dict[str, Connection]:
    """Launch the original's stack and do what its function did outside of it; return the connections that it made."""
    s3: Any = customer.aws.client("s3")
    stacks.upload(s3, BUCKET, KEY, samples.package("lambda.py", STUB))
    stacks.upload(s3, BUCKET, NEW_KEY, package)
    given = {"S3Bucket": BUCKET, "FalconSecret": customer.falcon.client_secret}
    given |= {original.client_id_parameter: customer.falcon.client_id}
    launched = stacks.create(customer.cloudformation, STACK, original.template(), given).wait()
    assert launched.status == "CREATE_COMPLETE", launched.failures
    assert customer.physical_ids()[TRIGGER] == TRIGGER_ID
    customer.aws.client("iam").create_role(RoleName=OUTSIDE_ROLE, AssumeRolePolicyDocument=TRUST)
    customer.aws.client("ssm").put_parameter(Name=OUTSIDE_PARAMETER, Value="0a1b2c3d", Type="String")
    for region in WITHOUT_OPT_IN:
        customer.add_connection(region)
    return customer.connections()


def upgrade(customer: Customer, **parameters: str) -> Stack:
    """Update the stack with our template, as an operator does in the console."""
    given = customer.required | {"S3Key": NEW_KEY, "FalconApiUrl": customer.falcon.url} | parameters
    return stacks.update(customer.cloudformation, STACK, TEMPLATE, given).wait()


@pytest.mark.parametrize(
    ("original", "names"),
    [(V1, {}), (V2, {"ECRExecutionRoleName": V2.role}), (V2, {})],
    ids=["version 1", "version 2", "version 2, its role replaced"],
)
def test_upgrade_adopts_every_connection_and_takes_the_originals_permissions_away_and_is_a_stack_like_any_other(
    customer: Customer, package: bytes, original: Original, names: dict[str, str]
) -> None:
    before = launch_original(customer, original, package)
    role = names.get("ECRExecutionRoleName", ROLE)
    replaced = {TRIGGER, *(["ECRExecutionRole"] if role != original.role else [])}
    kept = {name: found for name, found in customer.physical_ids().items() if name not in replaced}

    stack = upgrade(customer, **names)

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    found = {region: (each.id, each.role, each.external_id) for region, each in customer.connections().items()}
    ours = stack.outputs["ConnectionRoleArn"], stack_uuid(stack)
    assert found == {region: (each.id, *ours) for region, each in before.items()}
    assert customer.falcon.journal.count("delete") == 0
    assert stack.outputs["ConnectedCount"] == "17"
    ids = customer.physical_ids()
    assert kept.items() <= ids.items()
    assert TRIGGER not in ids
    log = customer.aws.function_logs(FUNCTION)
    assert any("a resource that is not ours is deleted, with no effect" in line for line in log)
    iam = customer.aws.client("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["register-connections"]
    configuration = customer.aws.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    assert configuration["Handler"] == "registry_connections.handler.lambda_handler"
    assert "secret_name" not in configuration["Environment"]["Variables"]
    assert customer.resources() >= {f"role {role}", f"secret {SECRET}", f"function {FUNCTION}", *OUTSIDE}
    assert role == original.role or f"role {original.role}" not in customer.resources()

    customer.aws.settle()  # the repair that the schedule begins with
    with customer.counting() as calls:
        narrowed = customer.update(ExcludedRegions="eu-west-1", DeleteConnections="Stack")
    deleted = customer.delete()

    assert (narrowed.status, deleted.status) == ("UPDATE_COMPLETE", "DELETE_COMPLETE")
    assert calls == {"token": 1, "read": 1, "delete": 1}
    assert customer.connections() == {}
    assert customer.resources() == {f"log group /aws/lambda/{FUNCTION}", *OUTSIDE}


def test_failed_upgrade_leaves_the_original_and_its_connections_as_they_were(
    customer: Customer, package: bytes
) -> None:
    before = launch_original(customer, V1, package)
    ids_before = customer.physical_ids()
    customer.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))

    stack = upgrade(customer)

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Falcon login: the API client may not be used from here" in reason(stack)
    assert customer.connections() == before
    assert customer.physical_ids() == ids_before
    configuration = customer.aws.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    assert configuration["Handler"] == "lambda.lambda_handler"
    # The cleanup of the rollback deletes our resource with the original's code: hence the warning in source/README.md.
    assert any('"original": "Delete"' in line for line in customer.aws.function_logs(FUNCTION))

    customer.falcon.disarm()
    again = upgrade(customer)
    assert again.status == "UPDATE_COMPLETE", again.failures
    assert again.outputs["ConnectedCount"] == "17"
