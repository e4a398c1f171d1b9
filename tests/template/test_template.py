"""The template, read and rendered: what it passes, permits, names and waits for."""

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections import custom_resource
from registry_connections.core import report, settings
from registry_connections.core.model import DeletePolicy, RegionFailurePolicy, RegionScope
from registry_connections.core.record import LEASE_SECONDS
from registry_connections.handler import RESERVE_SECONDS
from registry_connections.reconciler import EVENT_AGE_SECONDS
from tests.docs.tables import ROOT, template
from tests.template.rendering import PSEUDO, Rendering, strings

TEMPLATE = template()
TEXT = (ROOT / "template.yaml").read_text()
RESOURCES: Mapping[str, Any] = TEMPLATE["Resources"]
PARAMETERS: Mapping[str, Any] = TEMPLATE["Parameters"]
CUSTOM = RESOURCES["RegistryConnections"]["Properties"]
ROLES = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"]
ACCOUNT, REGION = PSEUDO["AWS::AccountId"], PSEUDO["AWS::Region"]
STACK_UUID = str(PSEUDO["AWS::StackId"]).rpartition("/")[2]
CREDENTIALS = {"FalconClientID": "id", "FalconSecret": "secret"}

TRIGGERS = {
    "ServiceToken": "says which function is called",
    "ServiceTimeout": "says for how long CloudFormation waits",
    "Package": "so that a new package is run at once",
    "CredentialsVersion": "so that other credentials are tried at once",
    "FalconApiUrl": "reaches the function by its environment; so that another URL is tried at once",
    "Secret": "reaches the function by its environment; so that another secret is tried at once",
    "LogRetentionDays": "reaches the function by its environment; so that it is set at once",
    "Alarm": "so that the alarm is made before, where DependsOn takes nothing conditional",
}
"""Properties that decide nothing by themselves, with the reason why they are passed."""

ORIGINAL = {
    "S3Bucket": None,
    "S3Key": "lambda_function.zip",
    "FalconClientID": "",
    "FalconSecret": "",
    "SecretsManagerSecretName": "crowdstrike-ecr-api-credentials",
    "ECRExecutionRoleName": "crowdstrike-ecr-lambda-role",
    "ECRLambdaName": "crowdstrike-ecr-function",
    "PermissionsBoundary": "",
}
"""Parameters of the original solution, to the letter. The credentials may be empty now: a secret may exist."""


def rendered(**given: str) -> dict[str, Any]:
    """Return the properties of every resource that exists with these parameters."""
    return {name: each["Properties"] for name, each in Rendering(TEMPLATE, **given).resources().items()}


def statements(role: str, **given: str) -> list[dict[str, Any]]:
    policies = rendered(**given)[role].get("Policies", [])
    return [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]


def actions(role: str, **given: str) -> set[str]:
    found = [statement["Action"] for statement in statements(role, **given)]
    return {name for each in found for name in ([each] if isinstance(each, str) else each)}


# The function and what it is told


def test_the_properties_that_are_passed_are_those_that_are_parsed_and_those_that_make_it_run() -> None:
    assert set(CUSTOM) == settings.DEFAULTS.keys() | TRIGGERS.keys()


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        *(("S3Bucket", "Package"), ("S3Key", "Package"), ("S3ObjectVersion", "Package")),
        ("SecretsManagerSecretName", "Secret"),
        *((name, name) for name in ("CredentialsVersion", "FalconApiUrl", "LogRetentionDays")),
    ],
)
def test_what_the_function_would_not_notice_by_itself_changes_a_property(parameter: str, name: str) -> None:
    assert rendered(**{parameter: "new"})["RegistryConnections"][name] != rendered()["RegistryConnections"][name]


@pytest.mark.parametrize(("partition", "cloud"), [("aws", "autodiscover"), ("aws", "us-2"), ("aws-us-gov", "us-gov-1")])
def test_what_the_template_passes_is_parsed_without_a_problem(partition: str, cloud: str) -> None:
    passed = rendered(AWS__Partition=partition, FalconCloud=cloud)["RegistryConnections"]

    assert settings.parse(passed, partition)[1] == []


def test_the_parsed_defaults_are_those_of_the_parameters() -> None:
    assert {name: PARAMETERS[name]["Default"] for name in settings.DEFAULTS} == settings.DEFAULTS


def test_the_choices_that_are_offered_are_those_that_the_function_knows() -> None:
    choices = {"RegionScope": RegionScope, "OnRegionFailure": RegionFailurePolicy, "DeleteConnections": DeletePolicy}

    assert {name: PARAMETERS[name]["AllowedValues"] for name in choices} == {
        name: [str(each) for each in kind] for name, kind in choices.items()
    }


def test_the_handler_is_a_function_of_the_package_and_its_environment_is_what_the_handler_reads() -> None:
    function = rendered()["ECRLambda"]
    path, _, name = function["Handler"].rpartition(".")
    text = (ROOT / "source/registry_connections/handler.py").read_text()
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)"(\w+)"', text))

    assert callable(getattr(importlib.import_module(path), name))
    assert set(function["Environment"]["Variables"]) == read
    assert RESOURCES["RegistryConnections"]["Type"] == custom_resource.RESOURCE_TYPE


@given(st.uuids())
def test_the_identity_of_the_function_is_the_stacks(uuid: UUID) -> None:
    stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/falcon/{uuid}"
    resources = rendered(AWS__StackId=stack_id)
    variables = resources["ECRLambda"]["Environment"]["Variables"]
    (trust,) = resources["ConnectionRole"]["AssumeRolePolicyDocument"]["Statement"]
    role = resources["ConnectionRole"]["RoleName"]

    assert (variables["STACK_ID"], variables["URL_SUFFIX"]) == (stack_id, "amazonaws.com")
    assert variables["CONNECTION_ROLE_ARN"].endswith(":ConnectionRole")
    assert (
        trust["Condition"]["StringEquals"]
        == {"sts:ExternalId": variables["EXTERNAL_ID"]}
        == {"sts:ExternalId": str(uuid)}
    )
    assert role == f"CrowdStrikeECRConnectionRole-{str(uuid).rpartition('-')[0]}"
    assert len(role) <= 64
    assert any(
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/falcon-ecr/{uuid}" in strings(each)
        for each in resources["ECRExecutionRole"]["Policies"]
    )


def test_cloudformation_waits_for_the_age_of_an_event_and_the_functions_time_and_a_minute() -> None:
    timeout = RESOURCES["ECRLambda"]["Properties"]["Timeout"]
    retries = RESOURCES["NoRetries"]["Properties"]

    assert CUSTOM["ServiceTimeout"] == timeout + retries["MaximumEventAgeInSeconds"] + 60 == 1140
    assert retries["MaximumEventAgeInSeconds"] == EVENT_AGE_SECONDS
    assert retries["MaximumRetryAttempts"] == 0
    assert (retries["Qualifier"], retries["FunctionName"]) == ("$LATEST", {"Ref": "ECRLambda"})
    assert timeout == 900
    assert timeout - RESERVE_SECONDS > LEASE_SECONDS


def test_the_outputs_show_every_figure_of_the_response_and_the_version() -> None:
    shown = {path.split(".")[1] for path in referred(TEMPLATE["Outputs"]) if path.startswith("RegistryConnections.")}

    assert shown == report.data(report.Report()).keys() >= {"Version"}


# Dependencies


def referred(value: Any) -> Iterator[str]:
    """Return the names of resources and attributes that a part of the template refers to."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from REFERENCES[name](each) if name in REFERENCES else referred(each)
    elif isinstance(value, list):
        for each in value:
            yield from referred(each)


def substituted(argument: Any) -> list[str]:
    text, values = argument if isinstance(argument, list) else (argument, {})
    return [*re.findall(r"\$\{([^}]+)\}", text), *referred(values)]


REFERENCES: Mapping[str, Callable[[Any], list[str]]] = {
    "Ref": lambda name: [name],
    "Fn::GetAtt": lambda path: [path if isinstance(path, str) else ".".join(path)],
    "Fn::Sub": substituted,
    "DependsOn": lambda names: [names] if isinstance(names, str) else names,
}


def dependencies(name: str) -> set[str]:
    """Return the resources that exist before this one, whatever the reason."""
    direct = {path.split(".")[0] for path in referred(RESOURCES[name])} & RESOURCES.keys()
    return direct | {each for one in direct for each in dependencies(one)}


def test_the_custom_resource_is_made_last_of_all_and_deleted_first() -> None:
    others = RESOURCES.keys() - {"RegistryConnections"}

    assert dependencies("RegistryConnections") == others
    assert all("RegistryConnections" not in dependencies(name) for name in others)


def test_the_role_of_the_schedule_is_made_early() -> None:
    assert dependencies("ScheduleRole") == set()


def test_nothing_depends_on_what_may_not_exist_but_under_the_same_condition() -> None:
    present, absent = rendered(**CREDENTIALS), rendered()

    assert "CrowdStrikeSecrets" in present
    assert "RepairFailed" not in set(strings(present["RegistryConnections"]))
    assert not [each for each in strings(absent) if each.endswith(":CrowdStrikeSecrets")]


# Permissions and roles


def test_no_role_has_an_action_of_iam_or_a_wildcard_and_only_one_action_is_on_everything() -> None:
    assert not {name for role in ROLES for name in actions(role) if name.startswith("iam:") or "*" in name}
    assert [each["Action"] for each in statements("ECRExecutionRole") if each["Resource"] == "*"] == [
        "ec2:DescribeRegions"
    ]


def test_what_the_role_may_write_is_the_stacks_own() -> None:
    by_sid = {each["Sid"]: each["Resource"] for each in statements("ECRExecutionRole")}
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/crowdstrike-ecr-function"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/falcon-ecr/{STACK_UUID}"

    assert by_sid["WriteLog"] == [group, f"{group}:*"]
    assert by_sid["KeepRecord"] == [parameter, f"{parameter}:*"]
    assert by_sid["KnowOwnResource"] == PSEUDO["AWS::StackId"]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_the_permissions_boundary(role: str) -> None:
    for partition in ("aws", "aws-us-gov", "aws-cn"):
        arn = f"arn:{partition}:iam::{ACCOUNT}:policy/some/Boundary"
        for boundary in ("some/Boundary", arn):
            resources = rendered(AWS__Partition=partition, PermissionsBoundary=boundary)
            assert resources[role]["PermissionsBoundary"] == arn
    assert "PermissionsBoundary" not in rendered()[role]


def test_no_split_ever_meets_an_empty_text() -> None:
    empty = {name: "" for name, each in PARAMETERS.items() if each.get("Default") == ""}
    seen: list[str] = []

    class Watching(Rendering):
        def resolve(self, node: Any) -> Any:
            if isinstance(node, Mapping) and "Fn::Split" in node:
                seen.append(super().resolve(node["Fn::Split"][1]))
            return super().resolve(node)

    watching = Watching(TEMPLATE, **empty)
    watching.resources()
    for name in TEMPLATE["Conditions"]:
        watching.condition(name)

    assert seen
    assert all(seen)


# Parameters


def test_the_originals_parameters_keep_their_names_and_defaults_and_its_required_ones_suffice() -> None:
    assert {name: PARAMETERS[name].get("Default") for name in ORIGINAL} == ORIGINAL
    assert [name for name, each in PARAMETERS.items() if "Default" not in each] == ["S3Bucket"]


def test_every_parameter_is_labelled_grouped_described_and_guarded() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = sorted(each for group in interface["ParameterGroups"] for each in group["Parameters"])

    assert grouped == sorted(PARAMETERS)
    assert interface["ParameterLabels"].keys() == PARAMETERS.keys()
    assert all(each["default"] for each in interface["ParameterLabels"].values())
    for name, parameter in PARAMETERS.items():
        assert len(parameter["Description"]) > 10, name
        if "AllowedValues" in parameter:
            assert parameter["Default"] in parameter["AllowedValues"]
        else:
            assert parameter["ConstraintDescription"].startswith("must be "), name
            assert re.fullmatch(parameter["AllowedPattern"], parameter.get("Default", "a-bucket")), name


def test_the_credentials_are_shown_to_nobody() -> None:
    assert {name for name, each in PARAMETERS.items() if each.get("NoEcho")} == {"FalconClientID", "FalconSecret"}
    outside = {name: each for name, each in RESOURCES.items() if name != "CrowdStrikeSecrets"}
    assert not {"FalconClientID", "FalconSecret"} & set(referred([outside, TEMPLATE["Outputs"]]))


ARN = "arn:aws:iam::111122223333"
KEY_ARN = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0a1b-2c"
ADMITTED = {
    "S3Bucket": ["abc", "my.bucket-1", "a" * 63],
    "S3Key": ["lambda_function.zip", "falcon/1.0.0/lambda_function.zip", "a" * 1024],
    "S3ObjectVersion": ["", "null", "3sL4kqtJlcpXroDTDmJ-rmSpXd3dIbrHY_MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo"],
    "CredentialsVersion": ["1", "2026-01-01", "0a1b2c3d"],
    "FalconClientID": ["", "0123456789abcdef0123456789abcdef", "a_B-9"],
    "FalconSecret": ["", "AbCdEf0123456789AbCdEf0123456789AbCdEf01", "a" * 128],
    "SecretsManagerSecretName": [
        "falcon/ecr", "a@b+c=d.e_f-g", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:falcon-AbCdEf",
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:a/b-AbCdEf",
    ],
    "SecretKmsKeyArn": ["", KEY_ARN],
    "ECRExecutionRoleName": ["a", "a" * 64, "with+=,.@-_"],
    "ECRLambdaName": ["a", "a" * 64, "with_and-"],
    "PermissionsBoundary": ["", "Boundary", "path/B", f"{ARN}:policy/Boundary", "arn:aws:iam::aws:policy/a/B"],
    "Regions": ["", "us-east-1", "us-east-1, EU-WEST-1 ,ap-south-2", ",".join(["ap-southeast-1"] * 36)],
    "ExcludedRegions": ["", "us-east-1", "us-east-1, eu-west-1"],
    "ReconcileSchedule": ["", "rate(1 day)", "rate(12 hours)", "rate(30 minutes)", "cron(0 6 * * ? *)"],
    "FalconApiUrl": ["", "https://falcon.example", "https://10.0.0.1:8443", "https://proxy.example/falcon/v1"],
    "FalconPrincipalArn": ["", f"{ARN}:role/path/Name", "arn:aws-us-gov:iam::111122223333:user/name"],
    "AlarmTopicArn": ["", "arn:aws:sns:eu-west-1:111122223333:alarms", "arn:aws-cn:sns:cn-north-1:111122223333:a_b-c"],
}  # fmt: skip
REFUSED = {
    "S3Bucket": ["", "ab", "Upper", "s3://bucket", "a" * 64, "-abc", "bucket/"],
    "S3Key": ["", "a b.zip", "a" * 1025, "a?versionId=1"],
    "S3ObjectVersion": ["a b", "a/b", "a" * 1025],
    "CredentialsVersion": ["", "a b", "a" * 129],
    "FalconClientID": ["a b", 'a"b', "a\\b", "${AWS::Region}", "a\n", "a" * 129, "id "],
    "FalconSecret": ["a b", '"', "\\", "{{resolve:ssm:x}}", "a" * 129],
    "SecretsManagerSecretName": ["", "a b", "a:b", 'a"', "arn:aws:ssm:eu-west-1:111122223333:secret:a", "a" * 513],
    "SecretKmsKeyArn": ["0a1b-2c", "alias/falcon", "arn:aws:kms:eu-west-1:111122223333:alias/falcon", f"x{KEY_ARN}"],
    "ECRExecutionRoleName": ["", "a" * 65, "path/name", "a b"],
    "ECRLambdaName": ["", "a" * 65, "a.b", "a:b", "arn:aws:lambda:eu-west-1:111122223333:function:f"],
    "PermissionsBoundary": [f"{ARN}:role/Boundary", "a b", "arn:aws:iam::1:policy/a", "a" * 513],
    "Regions": ["us_east_1", "us-east-1;eu-west-1", "us-east-1\n", "*", "a" * 801],
    "ExcludedRegions": ["us_east_1", "us-east-1;eu-west-1", "[us-east-1]", "a" * 801],
    "ReconcileSchedule": ["1 day", "rate(0 days)", "rate(1 week)", "cron()", "rate(1 day) ", "at(2026-01-01T00:00:00)"],
    "FalconApiUrl": ["http://falcon.example", "falcon.example", "https://", "https://user:password@host", "https://a?b=c"],
    "FalconPrincipalArn": ["*", "111122223333", f"{ARN}:root", f"{ARN}:policy/a", "arn:aws:iam::1:role/a"],
    "AlarmTopicArn": ["alarms", "arn:aws:sqs:eu-west-1:111122223333:alarms", "arn:aws:sns:eu-west-1:1:alarms"],
}  # fmt: skip


def test_every_pattern_admits_what_is_right_refuses_what_is_wrong_and_is_anchored() -> None:
    patterns = {name: each["AllowedPattern"] for name, each in PARAMETERS.items() if "AllowedPattern" in each}
    examples = [(name, value, True) for name, values in ADMITTED.items() for value in values]
    examples += [(name, value, False) for name, values in REFUSED.items() for value in values]

    assert patterns.keys() == ADMITTED.keys() == REFUSED.keys()
    assert [each for each in examples if bool(re.fullmatch(patterns[each[0]], each[1])) is not each[2]] == []
    loose = [(f"; {value}", f"{value} ;", name) for name, value, right in examples if right and value]
    assert [
        each for each in loose if re.search(patterns[each[2]], each[0]) or re.search(patterns[each[2]], each[1])
    ] == []


@given(
    st.from_regex(PARAMETERS["FalconClientID"]["AllowedPattern"], fullmatch=True).filter(bool),
    st.from_regex(PARAMETERS["FalconSecret"]["AllowedPattern"], fullmatch=True),
    st.sampled_from(PARAMETERS["FalconCloud"]["AllowedValues"]),
)
def test_the_secret_is_json_whatever_the_patterns_admit(client_id: str, secret: str, cloud: str) -> None:
    held = rendered(FalconClientID=client_id, FalconSecret=secret, FalconCloud=cloud)["CrowdStrikeSecrets"]

    assert json.loads(held["SecretString"]) == {
        "FalconClientId": client_id, "FalconSecret": secret, "FalconCloud": cloud
    }  # fmt: skip


@pytest.mark.parametrize(
    ("client_id", "secret", "right"), [("", "", True), ("id", "secret", True), ("id", "", False), ("", "secret", False)]
)
def test_client_id_and_secret_are_given_together_or_not_at_all(client_id: str, secret: str, *, right: bool) -> None:
    rendering = Rendering(TEMPLATE, FalconClientID=client_id, FalconSecret=secret)
    (assertion,) = TEMPLATE["Rules"]["ClientIdAndSecret"]["Assertions"]

    assert rendering.resolve(assertion["Assert"]) is right
    assert ("CrowdStrikeSecrets" in rendering.resources()) is bool(client_id)


# The whole


def test_the_template_is_what_a_service_managed_stack_set_takes() -> None:
    types = {resource["Type"] for resource in RESOURCES.values()}

    assert len(TEXT.encode()) < 51_200
    assert "Transform" not in TEMPLATE
    assert not {"Fn::Transform", "AWS::Include", "Export"} & set(strings(TEMPLATE))
    assert not {name for name in types if "Macro" in name or name == "AWS::CloudFormation::Stack"}
