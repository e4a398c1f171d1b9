"""The commands in the stack's outputs, with the real AWS CLI: they print JSON alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.stack.customer import PROJECT, STACK, Customer, outcomes


def test_the_commands_in_the_outputs_print_json_alone_with_the_aws_cli(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    customer.delete_in_falcon("us-east-1")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": os.environ["HOME"], **customer.aws.environment()}

    def shell(command: str) -> str:
        ran = subprocess.run(
            ["sh", "-c", command], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout

    query = "Stacks[0].Outputs[?OutputKey=='PlanCommand'].OutputValue"  # as the README finds it
    described = f'aws cloudformation describe-stacks --stack-name {STACK} --output text --query "{query}"'
    plan = json.loads(shell(f'sh -c "$({described})"'))
    reconcile = json.loads(shell(f"{stack.outputs['ReconcileCommand']} | cat"))
    status = json.loads(shell(f"({stack.outputs['StatusCommand']}) > /dev/fd/1"))

    assert plan["changes"][0]["change"] == "create"
    assert outcomes(reconcile) == {"us-east-1": "created"}
    (connected,) = [row for row in status["regions"] if row["wanted"]]
    assert connected["connection"] == customer.connections()["us-east-1"].id
    for command in ("PlanCommand", "StatusCommand", "ReconcileCommand"):
        assert "--cli-read-timeout 910" in stack.outputs[command]
