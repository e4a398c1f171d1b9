"""The template, read and rendered: what it passes, permits, names and waits for."""

import importlib
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services.cloudformation import engine

from registry_connections import custom_resource
from registry_connections.core import model, report, settings
from registry_connections.core.record import LEASE_SECONDS
from registry_connections.handler import RESERVE_SECONDS
from registry_connections.reconciler import EVENT_AGE_SECONDS
from tests.docs.tables import ROOT, template
from tests.template.rendering import ACCOUNT, REGION, STACK_UUID, SUFFIXES, TEMPLATE, Rendering, strings

RESOURCES: Mapping[str, Any] = TEMPLATE["Resources"]
PARAMETERS: Mapping[str, Any] = TEMPLATE["Parameters"]
CUSTOM = RESOURCES["RegistryConnections"]["Properties"]
ROLES = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"]

TRIGGERS = {"ServiceToken", "ServiceTimeout", "Package", "CredentialsVersion", "FalconApiUrl", "Secret"}
TRIGGERS |= {"LogRetentionDays", "Alarm"}
"""Properties that decide nothing by themselves; the template says beside each of them why it is passed."""

ORIGINAL = {
    "S3Bucket": None,
    "S3Key": "lambda_function.zip",
    **dict.fromkeys(("FalconClientID", "FalconSecret", "PermissionsBoundary"), ""),
    "SecretsManagerSecretName": "crowdstrike-ecr-api-credentials",
    "ECRExecutionRoleName": "crowdstrike-ecr-lambda-role",
    "ECRLambdaName": "crowdstrike-ecr-function",
}
"""Parameters of the original solution, to the letter. The credentials may be empty now: a secret may exist."""


# The function and what it is told


def test_what_the_function_would_not_notice_by_itself_changes_a_property() -> None:
    changes = {name: name for name in ("CredentialsVersion", "FalconApiUrl", "LogRetentionDays")}
    changes |= dict.fromkeys(("S3Bucket", "S3Key", "S3ObjectVersion"), "Package") | {
        "SecretsManagerSecretName": "Secret"
    }
    for parameter, name in changes.items():
        before, after = (Rendering(**{parameter: value}).resources() for value in ("old", "new"))
        assert before["RegistryConnections"][name] != after["RegistryConnections"][name], parameter


def test_the_properties_the_defaults_and_the_choices_are_those_of_the_function() -> None:
    choices = {
        "RegionScope": model.RegionScope,
        "OnRegionFailure": model.RegionFailurePolicy,
        "DeleteConnections": model.DeletePolicy,
    }

    assert set(CUSTOM) == settings.DEFAULTS.keys() | TRIGGERS
    assert {name: PARAMETERS[name]["Default"] for name in settings.DEFAULTS} == settings.DEFAULTS
    for name, kind in choices.items():
        assert PARAMETERS[name]["AllowedValues"] == [str(each) for each in kind]


def test_the_handler_is_a_function_of_the_package_and_its_environment_is_what_the_handler_reads() -> None:
    function = Rendering().resources()["ECRLambda"]
    path, _, name = function["Handler"].rpartition(".")
    text = (ROOT / "source/registry_connections/handler.py").read_text()

    assert callable(getattr(importlib.import_module(path), name))
    assert set(function["Environment"]["Variables"]) == set(re.findall(r'os\.environ(?:\.get\(|\[)"(\w+)"', text))
    assert RESOURCES["RegistryConnections"]["Type"] == custom_resource.RESOURCE_TYPE


@given(st.uuids().map(str))
def test_the_identity_of_the_function_is_the_stacks_and_what_its_role_may_use_is_the_stacks_own(uuid: str) -> None:
    rendering = Rendering(stack_uuid=uuid)
    variables = rendering.resources()["ECRLambda"]["Environment"]["Variables"]
    role = rendering.resources()["ConnectionRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    granted = {each["Sid"]: each["Resource"] for each in rendering.statements("ECRExecutionRole")}
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:crowdstrike-ecr-api-credentials-??????"
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/crowdstrike-ecr-function"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/falcon-ecr/{uuid}"

    assert variables["STACK_ID"] == rendering.stack_id
    assert variables["CONNECTION_ROLE_ARN"].endswith(":ConnectionRole")
    assert trust["Condition"]["StringEquals"]["sts:ExternalId"] == variables["EXTERNAL_ID"] == uuid
    assert role["RoleName"] == f"CrowdStrikeECRConnectionRole-{uuid.rpartition('-')[0]}"
    assert len(role["RoleName"]) <= 64
    assert rendering.resources()["ECRExecutionRole"]["AssumeRolePolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]
    assert granted == {
        "ReadFalconCredentials": secret,
        "KeepRecord": [parameter, f"{parameter}:*"],
        "KnowOwnResource": rendering.stack_id,
        "ListRegions": "*",
        "AskRegions": f"arn:aws:ecr:*:{ACCOUNT}:repository/*",
        "WriteLog": [group, f"{group}:*"],
    }


def test_cloudformation_waits_for_the_age_of_an_event_and_the_functions_time_and_a_minute() -> None:
    timeout = RESOURCES["ECRLambda"]["Properties"]["Timeout"]

    assert RESOURCES["NoRetries"]["Properties"] == {
        "FunctionName": {"Ref": "ECRLambda"},
        "Qualifier": "$LATEST",
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": EVENT_AGE_SECONDS,
    }
    assert CUSTOM["ServiceTimeout"] == timeout + EVENT_AGE_SECONDS + 60 == 1140
    assert timeout - RESERVE_SECONDS > LEASE_SECONDS


def test_the_outputs_show_every_figure_of_the_response_and_the_version() -> None:
    shown = set(re.findall(r'\["RegistryConnections", "(\w+)"\]', json.dumps(TEMPLATE["Outputs"])))

    assert shown == report.data(report.Report()).keys() >= {"Version"}


def test_the_custom_resource_is_made_last_of_all_and_deleted_first_and_the_role_of_the_schedule_early() -> None:
    import networkx  # noqa: PLC0415 - as the next line
    from cfnlint import Template  # noqa: PLC0415 - it takes longer to import than all tests to collect

    graph = Template(str(ROOT / "template.yaml"), template()).graph.graph

    assert networkx.descendants(graph, "RegistryConnections") == RESOURCES.keys() - {"RegistryConnections"}
    assert networkx.descendants(graph, "ScheduleRole") == set()


# Permissions and roles


def test_no_role_has_an_action_of_iam_or_a_wildcard_and_only_one_action_is_on_everything() -> None:
    statements = [each for role in ROLES for each in Rendering().statements(role)]
    actions = {name for each in statements for name in strings(each["Action"])}

    assert not {name for name in actions if name.startswith("iam:") or "*" in name}
    assert [each["Action"] for each in statements if each["Resource"] == "*"] == ["ec2:DescribeRegions"]


def test_no_split_ever_meets_an_empty_text(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, split = engine._resolve_refs, list[str]()

    def seen(node: Any, *given: Any) -> Any:
        if isinstance(node, Mapping) and "Fn::Split" in node:
            split.append(resolve(node["Fn::Split"][1], *given))
        return resolve(node, *given)

    monkeypatch.setattr(engine, "_resolve_refs", seen)
    Rendering(**{name: "" for name, each in PARAMETERS.items() if each.get("Default") == ""}).resources()

    assert split
    assert all(split)


def test_nobody_but_this_stacks_schedule_and_rule_is_let_to_invoke_the_function() -> None:
    rendering, function = Rendering(), "arn:aws:lambda:us-east-1:111122223333:function:crowdstrike-ecr-function"
    permissions = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Lambda::Permission"]

    assert rendering.resources()["ScheduleRole"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    ]
    assert [each["Resource"] for each in rendering.statements("ScheduleRole")] == [function]
    assert permissions == ["RegionRulePermission"]
    assert RESOURCES["RegionRulePermission"]["Properties"]["SourceArn"] == {"Fn::GetAtt": ["RegionRule", "Arn"]}


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
    assert not re.search("FalconClientID|FalconSecret", json.dumps([outside, TEMPLATE["Outputs"]]))


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
    assert [each for each in loose if any(re.search(patterns[each[2]], text) for text in each[:2])] == []


@given(
    st.from_regex(PARAMETERS["FalconClientID"]["AllowedPattern"], fullmatch=True).filter(bool),
    st.from_regex(PARAMETERS["FalconSecret"]["AllowedPattern"], fullmatch=True),
    st.sampled_from(PARAMETERS["FalconCloud"]["AllowedValues"]),
)
def test_the_secret_is_json_whatever_the_patterns_admit(client_id: str, secret: str, cloud: str) -> None:
    given = {"FalconClientID": client_id, "FalconSecret": secret, "FalconCloud": cloud}
    held = json.loads(Rendering(**given).resources()["CrowdStrikeSecrets"]["SecretString"])

    assert held == {"FalconClientId": client_id, "FalconSecret": secret, "FalconCloud": cloud}


@pytest.mark.parametrize("client_id", ["", "id"])
@pytest.mark.parametrize("secret", ["", "secret"])
def test_client_id_and_secret_are_given_together_or_not_at_all(client_id: str, secret: str) -> None:
    rendering = Rendering(FalconClientID=client_id, FalconSecret=secret)
    (assertion,) = TEMPLATE["Rules"]["ClientIdAndSecret"]["Assertions"]

    assert rendering.resolve(assertion["Assert"]) is (bool(client_id) == bool(secret))
    assert ("CrowdStrikeSecrets" in rendering.resources()) is bool(client_id)


def test_the_template_is_what_a_service_managed_stack_set_takes() -> None:
    types = {resource["Type"] for resource in RESOURCES.values()}

    assert (ROOT / "template.yaml").stat().st_size < 51_200
    assert not {"Transform", "Fn::Transform", "AWS::Include", "Export"} & {*TEMPLATE, *strings(TEMPLATE)}
    assert not {name for name in types if "Macro" in name or name == "AWS::CloudFormation::Stack"}


# Partitions

CLOUDS = (model.AUTODISCOVER, *model.FALCON_CLOUDS)
FALCON_ACCOUNTS = {
    **{("aws", cloud): "292230061137" for cloud in (model.AUTODISCOVER, "us-1", "us-2", "us-3", "eu-1")},
    ("aws-us-gov", "us-gov-1"): "358431324613",
    ("aws-us-gov", "us-gov-2"): "142028973013",
}
NAMED = "arn:aws-cn:iam::444455556666:role/Falcon"


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("partition", SUFFIXES)
def test_the_connection_role_trusts_falcons_role_exactly_where_the_function_would_register_or_who_is_named_alone(
    partition: str, cloud: str
) -> None:
    account = FALCON_ACCOUNTS.get((partition, cloud), ACCOUNT)  # where none is known, nobody but the account itself
    role = f"arn:{partition}:iam::{account}:role/CrowdStrikeCustomerRegistryAssessmentRole"
    rendering, problem = Rendering(partition, FalconCloud=cloud), model.mismatch(partition, cloud, "")
    told = settings.parse(rendering.resources()["RegistryConnections"], partition)[1]

    assert trust(rendering) == (f"arn:{partition}:iam::{account}:root", role)
    assert rendering.resources()["ECRLambda"]["Environment"]["Variables"]["URL_SUFFIX"] == SUFFIXES[partition]
    named = Rendering(partition, FalconCloud=cloud, FalconPrincipalArn=NAMED)
    assert trust(named) == (f"arn:{partition}:iam::444455556666:root", NAMED)
    assert (problem == "") is ((partition, cloud) in FALCON_ACCOUNTS)
    assert told == ([problem] if problem and cloud != model.AUTODISCOVER else [])
    assert not problem or "set Falcon" in problem
    assert all("set Falcon" in model.mismatch(other, cloud, "") for other in ("aws-iso", "", "another"))


def trust(rendering: Rendering) -> tuple[str, str]:
    """Return whom the connection role trusts, with the external id alone: the account, and its principal."""
    (statement,) = rendering.resources()["ConnectionRole"]["AssumeRolePolicyDocument"]["Statement"]
    principal, condition = statement["Principal"], statement["Condition"]
    assert (principal.keys(), condition["StringEquals"]) == ({"AWS"}, {"sts:ExternalId": STACK_UUID})
    assert (condition.keys(), condition["ArnEquals"].keys()) == ({"StringEquals", "ArnEquals"}, {"aws:PrincipalArn"})
    return principal["AWS"], condition["ArnEquals"]["aws:PrincipalArn"]


@pytest.mark.parametrize("partition", SUFFIXES)
def test_every_arn_is_of_the_partition_and_every_role_has_the_permissions_boundary(partition: str) -> None:
    arn = f"arn:{partition}:iam::{ACCOUNT}:policy/some/Boundary"
    for boundary, expected in (("some/Boundary", arn), (arn, arn), ("", None)):
        resources = Rendering(partition, PermissionsBoundary=boundary).resources()
        arns = [text for text in strings(resources) if text.startswith("arn:")]

        assert {resources[role].get("PermissionsBoundary") for role in ROLES} == {expected}
        assert len(arns) >= 10
        assert {text.split(":")[1] for text in arns} == {partition}


def test_the_template_writes_no_arn_of_a_fixed_partition_and_offers_the_clouds_that_the_function_knows() -> None:
    text = (ROOT / "template.yaml").read_text()

    assert re.findall(r"(?<!\\^)\barn:aws:[^\[]", text) == []
    assert TEMPLATE["Parameters"]["FalconCloud"]["AllowedValues"] == list(CLOUDS)
