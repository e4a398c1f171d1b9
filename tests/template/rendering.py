"""What the template says in a partition: its functions resolved, where the local AWS knows no partition but `aws`."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.docs.tables import template

TEMPLATE = template()
ABSENT = object()
"""What AWS::NoValue resolves to."""

SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
"""Partition to what its hosts end with."""

ACCOUNT, REGION, STACK_UUID = "111122223333", "us-east-1", "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"


class Rendering:
    """The template with parameters, in a partition; references to resources become their logical ids."""

    def __init__(self, partition: str = "aws", stack_uuid: str = STACK_UUID, **parameters: str) -> None:
        """Resolve with `parameters`, and with the defaults of the others."""
        defaults = {name: each.get("Default", "") for name, each in TEMPLATE["Parameters"].items()}
        self.stack_id = f"arn:{partition}:cloudformation:{REGION}:{ACCOUNT}:stack/falcon/{stack_uuid}"
        self.split: list[str] = []
        """Every text that was split."""
        self._values: dict[str, Any] = defaults | parameters
        self._values |= {"AWS::Partition": partition, "AWS::URLSuffix": SUFFIXES[partition], "AWS::NoValue": ABSENT}
        self._values |= {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::StackId": self.stack_id}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": lambda name: self._values.get(name, name),
            "Condition": self._condition,
            "Fn::If": lambda parts: self.resolve(parts[1] if self._condition(parts[0]) else parts[2]),
            "Fn::Equals": lambda parts: self.resolve(parts[0]) == self.resolve(parts[1]),
            "Fn::Not": lambda parts: not self.resolve(parts[0]),
            "Fn::And": lambda parts: all(self.resolve(part) for part in parts),
            "Fn::Or": lambda parts: any(self.resolve(part) for part in parts),
            "Fn::Sub": self._substitute,
            # An ARN that names the resource stands for each of its attributes.
            "Fn::GetAtt": lambda path: f"arn:{partition}:a-service:{REGION}:{ACCOUNT}:{path[0]}",
            "Fn::Join": lambda parts: parts[0].join(self.resolve(part) for part in parts[1]),
            "Fn::Split": self._split,
            "Fn::Select": lambda parts: self.resolve(parts[1])[int(parts[0])],
            "Fn::FindInMap": lambda parts: TEMPLATE["Mappings"][parts[0]][parts[1]][parts[2]],
        }

    def resources(self) -> dict[str, Any]:
        """Return the properties of every resource that exists with these parameters."""
        found = {name: each for name, each in TEMPLATE["Resources"].items() if self._condition(each.get("Condition"))}
        return {name: self.resolve(each["Properties"]) for name, each in found.items()}

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Return the statements of a role's own policies."""
        policies = self.resources()[role].get("Policies", [])
        return [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]

    def resolve(self, node: Any) -> Any:
        """Return a part of the template without functions."""
        if isinstance(node, Mapping):
            if len(node) == 1 and (name := next(iter(node))) in self._functions:
                return self._functions[name](node[name])
            found = {key: self.resolve(value) for key, value in node.items()}
            return {key: value for key, value in found.items() if value is not ABSENT}
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not ABSENT]
        return node

    def _condition(self, name: str | None) -> bool:
        return name is None or bool(self.resolve(TEMPLATE["Conditions"][name]))

    def _substitute(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        values = self._values | {name: self.resolve(value) for name, value in own.items()}
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(values.get(found[1], found[1])), text)

    def _split(self, parts: Any) -> list[str]:
        self.split.append(self.resolve(parts[1]))
        return self.split[-1].split(parts[0])


def strings(node: Any) -> Iterator[str]:
    """Yield every text of a part of the template."""
    if isinstance(node, Mapping | list):
        for each in [*node, *node.values()] if isinstance(node, Mapping) else node:
            yield from strings(each)
    else:
        yield str(node)
