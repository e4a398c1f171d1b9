"""What the template says in a partition: resolved by the local AWS's own engine, which knows no partition but `aws`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services.cloudformation import engine

from tests.docs.tables import template

# What the engine gives every stack is a parameter here, so that a test can say it.
TEMPLATE = json.loads(re.sub(r"AWS::(Partition|URLSuffix|AccountId|Region)\b", r"\1", json.dumps(template())))

SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
"""Partition to what its hosts end with."""

ACCOUNT, REGION, STACK_UUID = "111122223333", "us-east-1", "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"


class Rendering:
    """The template with parameters, in a partition; references to resources become their logical ids."""

    def __init__(self, partition: str = "aws", stack_uuid: str = STACK_UUID, **parameters: str) -> None:
        """Resolve with `parameters`, and with the defaults of the others."""
        defaults = {name: each.get("Default", "") for name, each in TEMPLATE["Parameters"].items()}
        place = {"Partition": partition, "URLSuffix": SUFFIXES[partition], "AccountId": ACCOUNT, "Region": REGION}
        self.stack_id = f"arn:{partition}:cloudformation:{REGION}:{ACCOUNT}:stack/falcon/{stack_uuid}"
        self._parameters = {name: {"Value": value} for name, value in (defaults | parameters | place).items()}
        self._resources = {
            # An ARN that names the resource stands for each of its attributes.
            name: {"Attributes": dict.fromkeys(("Arn", "Id"), f"arn:{partition}:a-service:{REGION}:{ACCOUNT}:{name}")}
            for name in TEMPLATE["Resources"]
        }
        self._conditions: dict[str | None, bool] = {None: True}
        for name, condition in TEMPLATE["Conditions"].items():
            self._conditions[name] = self.resolve(condition)

    def resources(self) -> dict[str, Any]:
        """Return the properties of every resource that exists with these parameters."""
        found = {name: each for name, each in TEMPLATE["Resources"].items() if self._conditions[each.get("Condition")]}
        return {name: self.resolve(each["Properties"]) for name, each in found.items()}

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Return the statements of a role's own policies."""
        policies = self.resources()[role].get("Policies", [])
        return [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]

    def resolve(self, node: Any) -> Any:
        """Return a part of the template without functions."""
        given = (self._resources, self._parameters, self._conditions, TEMPLATE["Mappings"], "falcon", self.stack_id)
        return engine._resolve_refs(node, *given)


def strings(node: Any) -> Iterator[str]:
    """Yield every text of a part of the template."""
    if isinstance(node, Mapping | list):
        for each in [*node, *node.values()] if isinstance(node, Mapping) else node:
            yield from strings(each)
    else:
        yield str(node)
