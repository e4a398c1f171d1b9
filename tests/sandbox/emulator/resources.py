"""What CloudFormation makes: roles and policies of secrets, from templates that are checked first."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ministack.core import responses
from ministack.services import iam, secretsmanager
from ministack.services.cloudformation import engine, helpers, provisioners

from tests.sandbox.emulator.control import state
from tests.sandbox.emulator.patching import replacing

Properties = dict[str, Any]

BUCKET_URL = re.compile(
    r"https://(?P<bucket>[a-z0-9.-]+)\.s3(\.[a-z0-9-]+)?\.amazonaws\.com/(?P<key>[^?]+)(\?versionId=.+)?"
)


# Templates


@replacing(helpers, "_resolve_document")
def know_templates_by_the_name_of_their_bucket(
    original: Any, request: Properties, body_key: str, url_key: str, label: str
) -> Any:
    """Accept `https://BUCKET.s3.REGION.amazonaws.com/KEY` as TemplateURL; MiniStack knows only the older form."""
    if found := BUCKET_URL.fullmatch(helpers._p(request, url_key)):
        request = request | {url_key: [f"https://s3.amazonaws.com/{found['bucket']}/{found['key']}"]}
    return original(request, body_key, url_key, label)


@replacing(engine, "_evaluate_conditions")
def resolve_values_in_conditions(original: Any, template: Properties, parameters: Properties) -> Any:
    """Let a condition compare pseudo parameters, and pieces of a parameter.

    MiniStack compares the name `AWS::Partition` where AWS compares its value, and fails with an internal error on
    `!Select [0, !Split [...]]`, with which a template tells an ARN from a name.
    """
    values = {name: str(parameter["Value"]) for name, parameter in parameters.items()}
    values |= {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
    values |= {"AWS::Region": responses.get_region(), "AWS::AccountId": responses.get_account_id()}
    return original({**template, "Conditions": _resolved(template.get("Conditions", {}), values)}, parameters)


def _resolved(value: Any, values: Mapping[str, str]) -> Any:
    """Return a condition with the pieces of parameters in the place of the functions that cut them out."""
    if not isinstance(value, dict):
        return [_resolved(item, values) for item in value] if isinstance(value, list) else value
    resolved = {name: _resolved(item, values) for name, item in value.items()}
    match resolved:
        case {"Ref": str(name)} if name in values:
            return values[name]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda match: values[match[1]], text)
        case {"Fn::Split": [str(separator), str(text)]}:
            return text.split(separator)
        case {"Fn::Select": [index, list(items)]}:
            return items[int(index)]
    return resolved


# Roles


@replacing(provisioners, "_iam_role_create")
def create_role(original: Any, logical_id: str, properties: Properties, *rest: Any) -> Any:
    """Fail if the name is taken, where MiniStack overwrites the role."""
    if properties.get("RoleName") in iam._roles:
        raise ValueError(f"{properties['RoleName']} already exists")
    return original(logical_id, properties, *rest)


@replacing(provisioners, "_iam_role_create", "_iam_role_update")
def note_when_a_policy_changed(original: Any, *arguments: Any, **named: Any) -> Any:
    """Note it, so that it is unknown for a while; MiniStack knows it at once."""
    name, attributes = original(*arguments, **named)
    state.policies_changed[responses.get_account_id(), name] = time.monotonic()
    return name, attributes


# Policies of secrets, which MiniStack does not make


def _put_policy_of_secret(_: str, properties: Properties, *__: Any) -> tuple[str, Properties]:
    name, policy = str(properties["SecretId"]), json.dumps(properties["ResourcePolicy"])
    secretsmanager._put_resource_policy({"SecretId": name, "ResourcePolicy": policy})
    return name, {"Id": name}


provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::ResourcePolicy"] = {
    "create": _put_policy_of_secret,
    "update": lambda physical_id, _, new, *__: _put_policy_of_secret(physical_id, new),
    "delete": lambda physical_id, *_: secretsmanager._delete_resource_policy({"SecretId": physical_id}),
}
