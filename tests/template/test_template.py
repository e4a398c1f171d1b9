"""The template, read and rendered: what it passes, permits, names and waits for."""

import ast
import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections import report, settings
from registry_connections.model import FALCON_CLOUDS, mismatch
from tests.readme import ROOT, template

SOURCE = template()
TEXT = (ROOT / "template.yaml").read_text()
RESOURCES: Mapping[str, Any] = SOURCE["Resources"]
PARAMETERS: Mapping[str, Any] = SOURCE["Parameters"]
ROLES = ("ECRExecutionRole", "ConnectionRole", "ScheduleRole")
CUSTOM = RESOURCES["RegistryConnections"]

TRIGGERS = {
    "ServiceToken": "says which function is called",
    "ServiceTimeout": "says for how long CloudFormation waits",
    "Package": "so that a new package is run at once",
    "FalconApiUrl": "reaches the function by its environment; so that another URL is tried at once",
    "Secret": "reaches the function by its environment; so that another secret is tried at once",
    "LogRetentionDays": "reaches the function by its environment; so that it is set at once",
    "Alarm": "so that the alarm is made before, where DependsOn takes nothing conditional",
}
"""Properties that decide nothing by themselves, with the reason why they are passed."""

ON_BEHALF = {
    "logs:CreateLogStream": "Lambda writes the log with the function's role",
    "logs:PutLogEvents": "Lambda writes the log with the function's role",
    "kms:Decrypt": "Secrets Manager decrypts the secret with the caller's permissions",
}
"""Actions that no call in the code asks for, with who does."""

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

ACCOUNT, REGION = "111122223333", "eu-west-1"
STACK_UUID = "2f6b1c3e-9d0a-4e55-8c7b-0123456789ab"
SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
NOTHING = object()


class Renderer:
    """What CloudFormation makes of the template's functions, as far as this template uses them."""

    def __init__(self, partition: str = "aws", stack_uuid: str = STACK_UUID, **given: str) -> None:
        self.partition = partition
        required = {"S3Bucket": "a-bucket", "FalconClientID": "id", "FalconSecret": "secret"}
        defaults = {name: str(each.get("Default", "")) for name, each in PARAMETERS.items()}
        self.values: dict[str, Any] = {
            **defaults,
            **required,
            **given,
            "AWS::Partition": partition,
            "AWS::URLSuffix": SUFFIXES[partition],
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:{partition}:cloudformation:{REGION}:{ACCOUNT}:stack/a-stack/{stack_uuid}",
            "AWS::NoValue": NOTHING,
        }

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(self, value) if each is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (name := next(iter(value))) in {"Ref", "Condition"} | FUNCTIONS.keys():
            if name == "Condition" and not isinstance(value[name], str):
                return {name: self(value[name])}  # of a policy statement
            return self._function(name, value[name])
        rendered = {name: self(each) for name, each in value.items()}
        return {name: each for name, each in rendered.items() if each is not NOTHING}

    def _function(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            return self.of(argument)
        if name == "Condition":
            return self(SOURCE["Conditions"][argument])
        return FUNCTIONS[name](self, argument)

    def of(self, name: str) -> Any:
        """Return what `Ref` gives: of a resource, its name."""
        return self.values.get(name, f"/{name}" if name == "RegistryState" else name)

    def attribute(self, name: str) -> str:
        """Return what stands for an attribute of a resource: its ARN."""
        resource = name.partition(".")[0]
        return f"arn:{self.partition}:a-service:{REGION}:{ACCOUNT}:{resource}"

    def substitute(self, text: str) -> str:
        return re.sub(r"\$\{([^}!]+)\}", lambda found: str(self.of(found[1])), text)

    def resources(self) -> dict[str, Any]:
        """Return the properties of every resource whose condition holds."""
        exist = {
            name: resource
            for name, resource in RESOURCES.items()
            if "Condition" not in resource or self({"Condition": resource["Condition"]})
        }
        return {name: self(resource["Properties"]) for name, resource in exist.items()}


FUNCTIONS: Mapping[str, Any] = {
    "Fn::Sub": lambda render, text: render.substitute(text),
    "Fn::GetAtt": lambda render, path: render.attribute(path if isinstance(path, str) else ".".join(path)),
    "Fn::If": lambda render, each: render(each[1] if render({"Condition": each[0]}) else each[2]),
    "Fn::Equals": lambda render, each: render(each[0]) == render(each[1]),
    "Fn::Not": lambda render, each: not render(each[0]),
    "Fn::And": lambda render, each: all(render(one) for one in each),
    "Fn::Or": lambda render, each: any(render(one) for one in each),
    "Fn::FindInMap": lambda _, path: SOURCE["Mappings"][path[0]][path[1]][path[2]],
    "Fn::Select": lambda render, each: render(each[1])[int(each[0])],
    "Fn::Split": lambda render, each: render(each[1]).split(each[0]),
    "Fn::Join": lambda render, each: each[0].join(render(each[1])),
}


def strings(value: Any) -> Iterator[str]:
    """Return every text in a rendered value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def statements(role: str, **given: str) -> list[dict[str, Any]]:
    rendered = Renderer(**given).resources()[role]
    return [each for policy in rendered.get("Policies", []) for each in policy["PolicyDocument"]["Statement"]]


def actions(role: str, **given: str) -> set[str]:
    found = [statement["Action"] for statement in statements(role, **given)]
    return {name for each in found for name in ([each] if isinstance(each, str) else each)}


def falcon_principal(render: Renderer) -> str:
    (statement,) = render.resources()["ConnectionRole"]["AssumeRolePolicyDocument"]["Statement"]
    return str(statement["Principal"]["AWS"])


# The function and what it is told


def test_the_properties_that_are_passed_are_those_that_are_parsed() -> None:
    passed = set(CUSTOM["Properties"])

    assert passed - TRIGGERS.keys() == settings.DEFAULTS.keys()
    assert TRIGGERS.keys() <= passed


@pytest.mark.parametrize(("partition", "cloud"), [("aws", "autodiscover"), ("aws", "us-2"), ("aws-us-gov", "us-gov-1")])
def test_what_the_template_passes_is_parsed_without_a_problem(partition: str, cloud: str) -> None:
    render = Renderer(partition, FalconCloud=cloud)
    parsed, problems = settings.parse(render.resources()["RegistryConnections"])

    assert problems == []
    assert parsed.external_id == STACK_UUID
    assert parsed.registry(REGION).url == f"https://{ACCOUNT}.dkr.ecr.{REGION}.{SUFFIXES[partition]}"


def test_the_parsed_defaults_are_those_of_the_parameters() -> None:
    shared = settings.DEFAULTS.keys() & PARAMETERS.keys()

    assert {name: PARAMETERS[name]["Default"] for name in shared} == {name: settings.DEFAULTS[name] for name in shared}


def test_the_handler_is_a_function_of_the_package() -> None:
    path, _, name = RESOURCES["ECRLambda"]["Properties"]["Handler"].rpartition(".")

    assert callable(getattr(importlib.import_module(path), name))


def test_the_environment_holds_what_the_handler_reads() -> None:
    text = (ROOT / "source/registry_connections/handler.py").read_text()
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)"(\w+)"', text)) - {"AWS_SAM_LOCAL"}

    assert set(RESOURCES["ECRLambda"]["Properties"]["Environment"]["Variables"]) == read


def test_the_type_of_the_custom_resource_is_the_one_that_the_function_serves() -> None:
    assert CUSTOM["Type"] == importlib.import_module("registry_connections.handler").RESOURCE_TYPE


def test_cloudformation_waits_longer_than_the_function_may_take_and_no_longer_than_it_can() -> None:
    assert RESOURCES["ECRLambda"]["Properties"]["Timeout"] < CUSTOM["Properties"]["ServiceTimeout"] <= 3600


def test_an_event_is_not_tried_again_by_lambda() -> None:
    retries = RESOURCES["NoRetries"]["Properties"]

    assert retries["MaximumRetryAttempts"] == 0
    assert retries["Qualifier"] == "$LATEST"
    assert retries["FunctionName"] == {"Ref": "ECRLambda"}


def test_the_outputs_show_every_figure_of_the_answer() -> None:
    shown = {path.split(".")[1] for path in referred(SOURCE["Outputs"]) if path.startswith("RegistryConnections.")}

    assert shown == report.data(report.Report()).keys()


# Dependencies


def referred(value: Any) -> Iterator[str]:
    """Return the names of resources and attributes that a part of the template refers to."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from REFERENCES[name](each) if name in REFERENCES else referred(each)
    elif isinstance(value, list):
        for each in value:
            yield from referred(each)


REFERENCES: Mapping[str, Callable[[Any], list[str]]] = {
    "Ref": lambda name: [name],
    "Fn::GetAtt": lambda path: [path if isinstance(path, str) else ".".join(path)],
    "Fn::Sub": lambda text: re.findall(r"\$\{([^}]+)\}", text),
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


def test_nothing_depends_on_what_may_not_exist_but_under_the_same_condition() -> None:
    present, absent = Renderer().resources(), Renderer(FalconClientID="", FalconSecret="").resources()

    assert "RepairFailed" not in set(strings(present["RegistryConnections"]))
    assert not [each for each in strings(absent) if each.endswith(":CrowdStrikeSecrets")]


# Permissions and roles


@cache
def calls() -> frozenset[str]:
    """Return the IAM actions of the calls in aws.py: methods of `self._client(service)`, also by way of a name."""
    found = set()
    for function in ast.walk(ast.parse((ROOT / "source/registry_connections/aws.py").read_text())):
        if isinstance(function, ast.FunctionDef):
            names = dict(assigned_clients(function))
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    held = node.func.value
                    service = names.get(held.id) if isinstance(held, ast.Name) else client_service(held)
                    if service:
                        found.add(f"{service}:{''.join(word.title() for word in node.func.attr.split('_'))}")
    return frozenset(found)


def assigned_clients(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target, value in zip(parts(node.targets[0]), parts(node.value), strict=False):
                if isinstance(target, ast.Name) and (service := client_service(value)):
                    yield target.id, service


def parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def client_service(node: ast.expr) -> str:
    """Return the service of `self._client("service", ...)`, or nothing if it is something else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_client":
        first = node.args[0]
        return str(first.value) if isinstance(first, ast.Constant) else ""
    return ""


def test_the_calls_of_the_code_are_found() -> None:
    assert {"secretsmanager:GetSecretValue", "ssm:PutParameter", "logs:CreateLogGroup"} <= calls()


def test_the_execution_role_may_do_what_the_code_calls_and_no_more() -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0-0"

    assert actions("ECRExecutionRole", SecretKmsKeyArn=key) - ON_BEHALF.keys() == calls()
    assert actions("ECRExecutionRole", SecretKmsKeyArn=key) >= ON_BEHALF.keys()
    assert "kms:Decrypt" not in actions("ECRExecutionRole")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_no_action_of_iam_and_no_wildcard(role: str) -> None:
    assert not {name for name in actions(role) if name.startswith("iam:") or "*" in name}


def test_only_an_action_that_knows_no_resources_is_allowed_on_everything() -> None:
    on_everything = [each["Action"] for each in statements("ECRExecutionRole") if each["Resource"] == "*"]

    assert on_everything == ["ec2:DescribeRegions"]


def test_the_log_group_that_the_role_may_write_is_the_functions_own() -> None:
    (statement,) = [each for each in statements("ECRExecutionRole") if each.get("Sid") == "WriteLog"]
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/crowdstrike-ecr-function"

    assert statement["Resource"] == [group, f"{group}:*"]


@pytest.mark.parametrize("role", [name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"])
@pytest.mark.parametrize("partition", SUFFIXES)
def test_every_role_has_the_permissions_boundary(role: str, partition: str) -> None:
    arn = f"arn:{partition}:iam::{ACCOUNT}:policy/some/Boundary"

    assert Renderer(partition, PermissionsBoundary="some/Boundary").resources()[role]["PermissionsBoundary"] == arn
    assert Renderer(partition, PermissionsBoundary=arn).resources()[role]["PermissionsBoundary"] == arn
    assert "PermissionsBoundary" not in Renderer(partition).resources()[role]


def test_the_roles_of_the_tests_are_those_of_the_template() -> None:
    assert {name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"} == set(ROLES)


@given(st.uuids())
def test_the_name_of_the_connection_role_fits_whatever_the_stack(uuid: UUID) -> None:
    role = Renderer(stack_uuid=str(uuid)).resources()["ConnectionRole"]

    assert len(role["RoleName"]) <= 64
    assert re.fullmatch(r"[A-Za-z0-9_+=,.@-]+", role["RoleName"])
    assert role["RoleName"].removeprefix("CrowdStrikeECRConnectionRole-") == str(uuid).rpartition("-")[0]


@given(st.uuids())
def test_the_external_id_is_the_same_for_the_role_and_for_falcon(uuid: UUID) -> None:
    resources = Renderer(stack_uuid=str(uuid)).resources()
    (statement,) = resources["ConnectionRole"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": str(uuid)}}
    assert resources["RegistryConnections"]["ExternalId"] == str(uuid)


# Partitions and principals


def test_the_only_literal_arns_are_the_falcon_principals() -> None:
    literal = re.findall(r"arn:aws[a-z-]*:[^\s\"']+", TEXT.partition("\nMappings:")[2])
    principals = [each for clouds in SOURCE["Mappings"]["FalconPrincipal"].values() for each in clouds.values() if each]

    assert sorted(literal) == sorted(principals)
    assert "arn:aws:" not in TEXT.partition("\nMappings:")[0]


@pytest.mark.parametrize("partition", SUFFIXES)
@pytest.mark.parametrize("cloud", PARAMETERS["FalconCloud"]["AllowedValues"])
def test_every_arn_is_of_the_stacks_own_partition(partition: str, cloud: str) -> None:
    given = {"FalconCloud": cloud, "SecretKmsKeyArn": f"arn:{partition}:kms:{REGION}:{ACCOUNT}:key/0"}
    rendered = list(strings(Renderer(partition, PermissionsBoundary="Boundary", **given).resources()))
    arns = [each for each in rendered if each.startswith("arn:")]

    assert len(arns) > 10
    assert {arn.split(":")[1] for arn in arns} == {partition}


@pytest.mark.parametrize("partition", SUFFIXES)
@pytest.mark.parametrize("cloud", PARAMETERS["FalconCloud"]["AllowedValues"])
def test_the_role_trusts_falcon_where_the_function_would_register_and_nobody_else_otherwise(
    partition: str, cloud: str
) -> None:
    principal = falcon_principal(Renderer(partition, FalconCloud=cloud))

    if mismatch(partition, cloud, ""):
        assert principal == f"arn:{partition}:iam::{ACCOUNT}:root"
    else:
        assert principal in SOURCE["Mappings"]["FalconPrincipal"][partition].values()


def test_each_cloud_has_its_own_principal() -> None:
    trusted = {
        (partition, cloud): falcon_principal(Renderer(partition, FalconCloud=cloud)).split(":")[4]
        for cloud in FALCON_CLOUDS
        for partition in SUFFIXES
        if not mismatch(partition, cloud, "")
    }

    assert trusted == {
        ("aws", "us-1"): "292230061137",
        ("aws", "us-2"): "292230061137",
        ("aws", "us-3"): "292230061137",
        ("aws", "eu-1"): "292230061137",
        ("aws-us-gov", "us-gov-1"): "358431324613",
        ("aws-us-gov", "us-gov-2"): "142028973013",
    }


@pytest.mark.parametrize("cloud", PARAMETERS["FalconCloud"]["AllowedValues"])
def test_a_principal_that_is_named_is_trusted_alone(cloud: str) -> None:
    named = "arn:aws-cn:iam::444455556666:role/Falcon"

    assert falcon_principal(Renderer("aws-cn", FalconCloud=cloud, FalconPrincipalArn=named)) == named


def test_the_clouds_on_offer_are_those_that_the_function_knows() -> None:
    assert PARAMETERS["FalconCloud"]["AllowedValues"] == ["autodiscover", *FALCON_CLOUDS]


# Parameters


@pytest.mark.parametrize("name", ORIGINAL)
def test_a_parameter_of_the_original_keeps_its_name_and_default(name: str) -> None:
    assert PARAMETERS[name].get("Default") == ORIGINAL[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_has_a_label_one_group_and_a_description(name: str) -> None:
    interface = SOURCE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [each for group in interface["ParameterGroups"] for each in group["Parameters"]]

    assert interface["ParameterLabels"][name]["default"]
    assert grouped.count(name) == 1
    assert len(PARAMETERS[name]["Description"]) > 10


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_admits_what_is_right_and_says_what_that_is(name: str) -> None:
    parameter = PARAMETERS[name]
    if "AllowedValues" in parameter:
        assert parameter["Default"] in parameter["AllowedValues"]
    else:
        assert parameter["ConstraintDescription"].startswith("must be ")
        assert re.fullmatch(parameter["AllowedPattern"], parameter.get("Default", "a-bucket"))


def test_nothing_is_labelled_or_grouped_that_is_no_parameter() -> None:
    interface = SOURCE["Metadata"]["AWS::CloudFormation::Interface"]

    assert interface["ParameterLabels"].keys() == PARAMETERS.keys()
    assert {each for group in interface["ParameterGroups"] for each in group["Parameters"]} == PARAMETERS.keys()


def test_the_credentials_are_shown_to_nobody() -> None:
    assert {name for name, each in PARAMETERS.items() if each.get("NoEcho")} == {"FalconClientID", "FalconSecret"}
    outside = {name: each for name, each in RESOURCES.items() if name != "CrowdStrikeSecrets"}
    assert not {"FalconClientID", "FalconSecret"} & set(referred([outside, SOURCE["Outputs"]]))


ARN = "arn:aws:iam::111122223333"
KEY_ARN = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0a1b-2c"
ADMITTED = {
    "S3Bucket": ["abc", "my.bucket-1", "a" * 63],
    "S3Key": ["lambda_function.zip", "falcon/1.0.0/lambda_function.zip", "a" * 1024],
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
    "FalconPrincipalArn": ["", f"{ARN}:root", f"{ARN}:role/path/Name", "arn:aws-us-gov:iam::111122223333:user/name"],
    "AlarmTopicArn": ["", "arn:aws:sns:eu-west-1:111122223333:alarms", "arn:aws-cn:sns:cn-north-1:111122223333:a_b-c"],
}  # fmt: skip
REFUSED = {
    "S3Bucket": ["", "ab", "Upper", "s3://bucket", "a" * 64, "-abc", "bucket/"],
    "S3Key": ["", "a b.zip", "a" * 1025, "a?versionId=1"],
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
    "FalconPrincipalArn": ["*", "111122223333", f"{ARN}:policy/a", f"{ARN}:root ", "arn:aws:iam::1:root"],
    "AlarmTopicArn": ["alarms", "arn:aws:sqs:eu-west-1:111122223333:alarms", "arn:aws:sns:eu-west-1:1:alarms"],
}  # fmt: skip


def patterns() -> dict[str, str]:
    return {name: each["AllowedPattern"] for name, each in PARAMETERS.items() if "AllowedPattern" in each}


def test_every_pattern_has_examples_of_what_it_admits_and_refuses() -> None:
    assert patterns().keys() == ADMITTED.keys() == REFUSED.keys()


@pytest.mark.parametrize("name", patterns())
def test_a_pattern_is_anchored_at_both_ends_as_a_whole(name: str) -> None:
    pattern = patterns()[name]
    depth = 0
    for char in re.sub(r"\\.|\[[^\]]*\]", "", pattern):
        depth += (char == "(") - (char == ")")
        assert char != "|" or depth > 0, "an alternative outside the anchors"

    assert pattern.startswith("^")
    assert pattern.endswith("$")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ADMITTED.items() for value in values])
def test_a_pattern_admits_what_is_right(name: str, value: str) -> None:
    assert re.fullmatch(patterns()[name], value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_pattern_refuses_what_is_wrong(name: str, value: str) -> None:
    assert not re.fullmatch(patterns()[name], value)


@given(
    st.from_regex(PARAMETERS["FalconClientID"]["AllowedPattern"], fullmatch=True).filter(bool),
    st.from_regex(PARAMETERS["FalconSecret"]["AllowedPattern"], fullmatch=True),
    st.sampled_from(PARAMETERS["FalconCloud"]["AllowedValues"]),
)
def test_the_secret_is_json_whatever_the_patterns_admit(client_id: str, secret: str, cloud: str) -> None:
    render = Renderer(FalconClientID=client_id, FalconSecret=secret, FalconCloud=cloud)
    held = json.loads(render(RESOURCES["CrowdStrikeSecrets"]["Properties"]["SecretString"]))

    assert held == {"FalconClientId": client_id, "FalconSecret": secret, "FalconCloud": cloud}


@pytest.mark.parametrize(
    ("client_id", "secret", "right"), [("", "", True), ("id", "secret", True), ("id", "", False), ("", "secret", False)]
)
def test_client_id_and_secret_are_given_together_or_not_at_all(client_id: str, secret: str, *, right: bool) -> None:
    render = Renderer(FalconClientID=client_id, FalconSecret=secret)
    (assertion,) = SOURCE["Rules"]["ClientIdAndSecret"]["Assertions"]

    assert render(assertion["Assert"]) is right
    assert ("CrowdStrikeSecrets" in render.resources()) is bool(client_id)


@pytest.mark.parametrize(
    ("named", "resource"),
    [
        ("falcon", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:falcon-??????"),
        ("arn:aws:secretsmanager:eu-west-1:444455556666:secret:f-AbCdEf",) * 2,
    ],
)
def test_of_existing_secrets_the_role_may_read_the_one_that_is_named(named: str, resource: str) -> None:
    given = {"FalconClientID": "", "FalconSecret": "", "SecretsManagerSecretName": named}

    assert statements("ECRExecutionRole", **given)[0]["Resource"] == resource
    assert Renderer(**given).resources()["ECRLambda"]["Environment"]["Variables"]["SECRET_ARN"] == named


# The whole


def test_the_template_is_small_enough_to_be_passed_whole() -> None:
    assert len(TEXT.encode()) < 51_200


def test_a_stack_set_takes_the_template() -> None:
    types = {resource["Type"] for resource in RESOURCES.values()}

    assert "Transform" not in SOURCE
    assert "Fn::Transform" not in TEXT
    assert not {name for name in types if "Macro" in name or name == "AWS::CloudFormation::Stack"}


def test_an_existing_stack_of_the_original_is_updated_in_place() -> None:
    kept = {name: RESOURCES[name]["Type"] for name in ("CrowdStrikeSecrets", "ECRExecutionRole", "ECRLambda")}

    assert kept == {
        "CrowdStrikeSecrets": "AWS::SecretsManager::Secret",
        "ECRExecutionRole": "AWS::IAM::Role",
        "ECRLambda": "AWS::Lambda::Function",
    }


@pytest.mark.parametrize(
    ("schedule", "shown"),
    [("", ("DISABLED", "rate(1 day)")), ("cron(0 6 * * ? *)", ("ENABLED", "cron(0 6 * * ? *)"))],
)
def test_an_empty_schedule_is_turned_off(schedule: str, shown: tuple[str, str]) -> None:
    rendered = Renderer(ReconcileSchedule=schedule).resources()["Schedule"]

    assert (rendered["State"], rendered["ScheduleExpression"]) == shown
    assert json.loads(rendered["Target"]["Input"]) == {"action": "reconcile"}


def test_there_is_an_alarm_only_with_a_topic_that_hears_it() -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"

    assert "RepairFailed" not in Renderer().resources()
    assert Renderer(AlarmTopicArn=topic).resources()["RepairFailed"]["AlarmActions"] == [topic]
