"""What the template says in a partition: its functions resolved, where the local AWS knows no partition but `aws`."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

ABSENT = object()
"""What AWS::NoValue resolves to."""

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::AccountId": "111122223333",
    "AWS::Region": "us-east-1",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/falcon/0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d",
    "AWS::NoValue": ABSENT,
}


class Rendering:
    """A template with parameters and pseudo parameters; references to resources become their logical ids."""

    def __init__(self, template: Mapping[str, Any], **parameters: str) -> None:
        """Resolve with the defaults, and with `parameters`, in which `AWS__Partition` stands for `AWS::Partition`."""
        self._template = template
        given = {name.replace("__", "::"): value for name, value in parameters.items()}
        defaults = {name: each.get("Default", "") for name, each in template["Parameters"].items()}
        self._values: dict[str, Any] = PSEUDO | defaults | given
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": lambda name: self._values.get(name, name),
            "Condition": self.condition,
            "Fn::If": lambda parts: self.resolve(parts[1] if self.condition(parts[0]) else parts[2]),
            "Fn::Equals": lambda parts: self.resolve(parts[0]) == self.resolve(parts[1]),
            "Fn::Not": lambda parts: not self.resolve(parts[0]),
            "Fn::And": lambda parts: all(self.resolve(part) for part in parts),
            "Fn::Or": lambda parts: any(self.resolve(part) for part in parts),
            "Fn::Sub": self._substitute,
            "Fn::GetAtt": self._attribute,
            "Fn::Join": lambda parts: parts[0].join(self.resolve(part) for part in parts[1]),
            "Fn::Split": lambda parts: self.resolve(parts[1]).split(parts[0]),
            "Fn::Select": lambda parts: self.resolve(parts[1])[int(parts[0])],
            "Fn::FindInMap": lambda parts: self._find(*map(self.resolve, parts)),
        }

    def resource(self, logical_id: str) -> Any:
        """Return the properties of a resource."""
        return self.resolve(self._template["Resources"][logical_id]["Properties"])

    def resources(self) -> dict[str, Any]:
        """Return every resource that exists with these parameters."""
        return {
            name: self.resolve(each)
            for name, each in self._template["Resources"].items()
            if "Condition" not in each or self.condition(each["Condition"])
        }

    def condition(self, name: str) -> bool:
        """Return whether a condition holds."""
        return bool(self.resolve(self._template["Conditions"][name]))

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

    def _substitute(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        values = {**self._values, **{name: self.resolve(value) for name, value in own.items()}}
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(values.get(found[1], found[1])), text)

    def _attribute(self, path: Any) -> str:
        """Return what stands for an attribute of a resource: an ARN that names it."""
        resource = (path if isinstance(path, str) else path[0]).partition(".")[0]
        partition, region, account = (self._values[f"AWS::{name}"] for name in ("Partition", "Region", "AccountId"))
        return f"arn:{partition}:a-service:{region}:{account}:{resource}"

    def _find(self, mapping: str, first: str, second: str) -> Any:
        return self._template["Mappings"][mapping][first][second]


def strings(node: Any) -> Iterator[str]:
    """Yield every text of a part of the template."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key)
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    else:
        yield str(node)
