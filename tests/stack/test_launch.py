"""Launches of the real template, with the real package, in the local AWS, against simulated Falcon over TLS."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.sandbox.known_regions import KNOWN_REGIONS
from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.simulator.probe import registry
from tests.stack.customer import FUNCTION, LOG_GROUP, PROJECT, STACK, Customer, outcomes, reason, stack_uuid


def test_launch_registers_every_enabled_region_with_one_call_each_and_says_what_was_done(customer: Customer) -> None:
    regions = set(KNOWN_REGIONS) - {"eu-west-1"}
    customer.aws.set_regions(enabled=KNOWN_REGIONS)
    choices = {"ExcludedRegions": "eu-west-1", "DeleteConnections": "Stack"}

    with customer.counting() as calls:
        # The repair that a schedule begins with may come late, and call as well.
        stack = customer.launch(ReconcileSchedule="", **choices)

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "create": 33, "list": 1}
    found = customer.connections()
    assert found.keys() == regions
    (agent,) = {record.user_agent for record in customer.falcon.journal.records()}
    assert agent.startswith("falcon-ecr-registry-connections/")
    connection = found["us-east-1"]
    assert connection.url == registry(ACCOUNT, "us-east-1")
    assert connection.user_defined_alias == f"ecr-{stack_uuid(stack)[:8]}-{ACCOUNT}-us-east-1"
    role, external_id = stack.outputs["ConnectionRoleArn"], stack_uuid(stack)
    assert connection.details == {"aws_iam_role": role, "aws_external_id": external_id}
    assert connection.all_repositories_monitored is None  # a field of government clouds only
    assert (
        stack.outputs.items()
        >= {
            "ConnectedRegions": ",".join(sorted(regions)),
            "ConnectedCount": "33",
            "FailedRegions": "none",
            "FailedCount": "0",
            "SkippedRegions": "eu-west-1",
            "SkippedCount": "1",
            "FalconCloud": "us-1",
            "ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-{external_id[:23]}",
            "FunctionName": FUNCTION,
            "LogGroup": LOG_GROUP,
        }.items()
    )
    record = customer.record(stack)
    assert record["connections"] == {region: each.id for region, each in found.items()}
    assert record["applied"]["choices"] == choices
    assert not {"lease", "dirty"} & record.keys()
    ids = customer.physical_ids()
    assert ids["RegistryConnections"] == f"falcon-ecr-{external_id}"
    assert "RepairFailed" not in ids  # an alarm costs money


def test_the_commands_in_the_outputs_print_json_alone_with_the_aws_cli_and_no_secret_is_logged_at_any_level(
    customer: Customer, tmp_path: Path
) -> None:
    stack, kept = customer.launched(Regions="us-east-1"), tmp_path / "kept"
    customer.aws.set_log_level(FUNCTION, "DEBUG")  # Lambda's own switch
    customer.delete_in_falcon("us-east-1")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": os.environ["HOME"], **customer.aws.environment()}

    def shell(command: str) -> str:
        run = partial(subprocess.run, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        ran = run(["sh", "-c", command])
        assert (ran.returncode, ran.stderr) == (0, "")
        return str(ran.stdout)

    query = "Stacks[0].Outputs[?OutputKey=='PlanCommand'].OutputValue"  # as the README finds it
    described = f'aws cloudformation describe-stacks --stack-name {STACK} --output text --query "{query}"'
    plan = json.loads(shell(f'sh -c "$({described})"'))
    reconcile = json.loads(shell(f"{stack.outputs['ReconcileCommand']} | cat"))
    shell(f"for _ in 1 2; do {stack.outputs['StatusCommand']} >> {kept}; done")
    status, again = map(json.loads, kept.read_text().splitlines())

    assert plan["changes"][0]["change"] == "create"
    assert outcomes(reconcile) == {"us-east-1": "created"}
    assert again.keys() == status.keys()
    (connected,) = [row for row in status["regions"] if row["wanted"]]
    assert connected["connection"] == customer.connections()["us-east-1"].id
    for command in ("PlanCommand", "StatusCommand", "ReconcileCommand"):
        assert "--cli-read-timeout 910" in stack.outputs[command]
    assert not [line for line in customer.logged() if "_aws" in line]  # a metric costs money
    last = customer.repairs()[-1]
    assert (last["ConnectedCount"], last["FailedCount"], last["SkippedCount"], last["FalconCalls"]) == (1, 0, 16, 3)
    assert 0 < last["Duration"] < 60_000
    secrets = {customer.falcon.client_secret, customer.falcon.client_id, stack_uuid(stack)}
    secrets |= {"simulated-token", "cfn-response", "X-Amz-Signature"}
    assert [secret for secret in secrets if secret in "\n".join(customer.aws.function_logs(FUNCTION))] == []


def test_failed_launch_rolls_back_and_leaves_nothing_behind(customer: Customer) -> None:
    theirs = customer.add_connection("sa-east-1")
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region="eu-west-1"))

    stack = customer.launch()

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "eu-west-1" in reason(stack)
    assert "registry limit reached" in reason(stack)
    assert len(reason(stack)) <= 240
    assert customer.connections() == {"sa-east-1": theirs}  # still scanning, with its own role
    assert customer.resources() == {f"log group {LOG_GROUP}"}
    assert any("registry limit reached" in line for line in customer.aws.function_logs(FUNCTION))
