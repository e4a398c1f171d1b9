"""What the template promises by its text: contract, order of creation, and what StackSets take."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_connections.settings import DEFAULTS

from tests import readme
from tests.rendering import Rendering, strings

LARGEST_BODY = 51_200  # bytes of a template that is sent with the request, also to a StackSet
SOURCE = (readme.ROOT / "template.yaml").read_text()
TEMPLATE = readme.template()
PARAMETERS, RESOURCES = TEMPLATE["Parameters"], TEMPLATE["Resources"]
ORIGINAL = {
    "S3Bucket": None,
    "FalconClientID": "",
    "FalconSecret": "",
    "SecretsManagerSecretName": "crowdstrike-ecr-api-credentials",
    "ECRExecutionRoleName": "crowdstrike-ecr-lambda-role",
    "ECRLambdaName": "crowdstrike-ecr-function",
    "PermissionsBoundary": "",
}
"""The original solution's parameters with their defaults; its credentials had none, and an existing secret is new."""


def test_the_template_is_what_a_service_managed_stackset_takes() -> None:
    assert len(SOURCE.encode()) < LARGEST_BODY
    assert "Transform" not in TEMPLATE
    assert not {"Fn::Transform", "AWS::Include", "AWS::CloudFormation::Stack", "Export"} & set(strings(TEMPLATE))


def test_the_originals_parameters_keep_their_names_and_defaults() -> None:
    assert {name: PARAMETERS[name].get("Default") for name in ORIGINAL} == ORIGINAL
    assert [name for name, each in PARAMETERS.items() if "Default" not in each] == ["S3Bucket"]
    assert PARAMETERS["FalconClientID"]["NoEcho"]
    assert PARAMETERS["FalconSecret"]["NoEcho"]


def test_the_originals_resources_keep_their_logical_ids_and_types() -> None:
    original = {
        "CrowdStrikeSecrets": "AWS::SecretsManager::Secret",
        "ECRExecutionRole": "AWS::IAM::Role",
        "ECRLambda": "AWS::Lambda::Function",
    }

    assert {name: RESOURCES[name]["Type"] for name in original} == original


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_explained_and_guarded(name: str) -> None:
    parameter, console = PARAMETERS[name], TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]

    assert console["ParameterLabels"][name]["default"]
    assert sum(name in group["Parameters"] for group in console["ParameterGroups"]) == 1
    assert parameter["Description"]
    if "AllowedValues" not in parameter:
        assert re.fullmatch(r"\^.*\$", parameter["AllowedPattern"])
        assert parameter["ConstraintDescription"].startswith("must be")
        assert re.search(parameter["AllowedPattern"], parameter.get("Default", "bucket"))


def test_the_function_gets_exactly_the_properties_that_it_reads() -> None:
    for_its_own_sake = {"ServiceToken", "ServiceTimeout"}
    so_that_it_runs = {
        "Package",
        "Secret",
        "LogRetentionDays",
        "FalconApiUrl",
        "Alarm",
    }  # it finds their effect elsewhere

    assert set(RESOURCES["RegistryConnections"]["Properties"]) == {*DEFAULTS, *for_its_own_sake, *so_that_it_runs}


def test_the_connections_are_made_last_and_removed_first() -> None:
    def needed(name: str) -> set[str]:
        texts = set(strings(RESOURCES[name]))
        texts |= {found for text in texts for found in re.findall(r"\$\{(\w+)\}", text)}
        direct = {text for text in texts if text in RESOURCES and text != name}
        return direct.union(*map(needed, direct))

    assert needed("RegistryConnections") == RESOURCES.keys() - {"RegistryConnections"}


def test_cloudformation_waits_longer_than_the_function_may_run_and_not_for_an_hour() -> None:
    patience = RESOURCES["RegistryConnections"]["Properties"]["ServiceTimeout"]

    assert RESOURCES["ECRLambda"]["Properties"]["Timeout"] < patience < 1200
    assert RESOURCES["NoRetries"]["Properties"]["MaximumRetryAttempts"] == 0


def test_no_arn_is_of_a_fixed_partition_but_falcons_principals() -> None:
    checked = {name: part for name, part in TEMPLATE.items() if name not in {"Mappings", "Parameters"}}

    assert [text for text in strings(checked) if re.search(r"arn:aws[a-z-]*:", text)] == []


@given(st.data())
@settings(max_examples=200)
def test_the_secret_is_json_whatever_its_parameters_admit(data: st.DataObject) -> None:
    values = {
        name: data.draw(st.from_regex(PARAMETERS[name]["AllowedPattern"], fullmatch=True))
        for name in ("FalconClientID", "FalconSecret")
    }
    cloud = data.draw(st.sampled_from(PARAMETERS["FalconCloud"]["AllowedValues"]))

    text = Rendering(TEMPLATE, FalconCloud=cloud, **values).resource("CrowdStrikeSecrets")["SecretString"]

    secret = {"FalconClientId": values["FalconClientID"], "FalconSecret": values["FalconSecret"], "FalconCloud": cloud}
    assert json.loads(text) == secret
