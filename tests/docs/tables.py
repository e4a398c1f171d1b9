"""The tables of the README that follow from the template: `make tables` writes them anew."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ministack.services.cloudformation import engine

ROOT: Final = Path(__file__).parent.parent.parent
README: Final = ROOT / "README.md"
ORIGINAL: Final = ("S3Bucket", "FalconClientID", "FalconSecret")
"""What the original solution required, and what still suffices."""


def template() -> Mapping[str, Any]:
    """Return the template, its functions as mappings."""
    parsed: Mapping[str, Any] = engine._parse_template((ROOT / "template.yaml").read_text())
    return parsed


def parameters(source: Mapping[str, Any]) -> str:
    """Return the table of parameters, in the order of the console."""
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    rows: list[tuple[str, ...]] = [("Name", "Description", "Default", "Required"), ("---", "---", "---", ":-:")]
    for name in (name for group in groups for name in group["Parameters"]):
        parameter = source["Parameters"][name]
        default = parameter.get("Default", "")
        shown = f"`{default}`" if default != "" else ""
        required = "yes" if "Default" not in parameter else "or an existing secret" if name in ORIGINAL else "no"
        values = parameter.get("AllowedValues", [])
        choice = f" One of {', '.join(f'`{value}`' for value in values)}." if 0 < len(values) < 10 else ""
        rows.append((f"`{name}`", f"{parameter['Description'].strip()}{choice}", shown, required))
    return _table(rows)


def outputs(source: Mapping[str, Any]) -> str:
    """Return the table of outputs."""
    rows: list[tuple[str, ...]] = [("Output", "Meaning"), ("---", "---")]
    rows += [(f"`{name}`", output["Description"]) for name, output in source["Outputs"].items()]
    return _table(rows)


def permissions(source: Mapping[str, Any]) -> str:
    """Return the table of what each role of the stack may do."""
    rows: list[tuple[str, ...]] = [("Role", "May", "On"), ("---", "---", "---")]
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            rows += [(f"`{name}`", *grant) for grant in _grants(resource["Properties"])]
    return _table(rows)


def _grants(role: Mapping[str, Any]) -> list[tuple[str, str]]:
    managed = [policy["Fn::Sub"].rsplit("/", 1)[-1] for policy in role.get("ManagedPolicyArns", [])]
    inline = [policy["PolicyDocument"]["Statement"] for policy in role.get("Policies", [])]
    return [
        *((f"the managed policy `{name}`", "every registry of this account") for name in managed),
        *(_statement(statement) for statements in inline for statement in statements),
    ]


def _statement(statement: Mapping[str, Any]) -> tuple[str, str]:
    if "Fn::If" in statement:
        actions, targets = _statement(statement["Fn::If"][1])
        return actions, f"{targets}, if one is named"
    named = dict.fromkeys(_target(target) for target in _list(statement["Resource"]))
    return ", ".join(f"`{action}`" for action in _list(statement["Action"])), "; ".join(named)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


TARGETS: Final = (
    (":ssm:", "the stack's record"),
    ("AWS::StackId", "the stack itself"),
    ("log-group", "the function's own log group"),
    (":ecr:", "any repository of this account"),
    ("SecretKmsKeyArn", "the key of the existing secret"),
    ("CrowdStrikeSecrets", "the one secret"),
    ("ECRLambda", "the function"),
)


def _target(resource: Any) -> str:
    if resource == "*":
        return "everything: this action knows no resources"
    return next(meaning for piece, meaning in TARGETS if piece in str(resource))


def _table(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


TABLES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "parameters": parameters,
    "outputs": outputs,
    "permissions": permissions,
}


def section(text: str, name: str) -> str:
    """Return what stands between the markers of a section; raise ValueError if there is none."""
    found = re.search(rf"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", text, re.DOTALL)
    if found is None:
        raise ValueError(f"there is no section {name}")
    return found[1].strip()


def with_section(text: str, name: str, content: str) -> str:
    """Return the text with other content between the markers of a section."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n\n{content}\n\n{end}{tail}"


def main() -> None:
    """Write every table into the README."""
    text, source = README.read_text(), template()
    for name, render in TABLES.items():
        text = with_section(text, name, render(source))
    README.write_text(text)


if __name__ == "__main__":
    main()
