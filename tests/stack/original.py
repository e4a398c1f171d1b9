"""A stack in the shape of the original solution, with a stub for its function: what our template must update in place.

Logical ids, names, types and the trigger's physical id are the original's; what the function did is played by tests.
"""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

TRIGGER, TRIGGER_TYPE, TRIGGER_ID = "TriggerECRLambda", "Custom::LambdaCustomResource", "CustomResourcePhysicalID"
BASIC = "service-role/AWSLambdaBasicExecutionRole"

STUB = f"""
import json, urllib.request

def lambda_handler(event, context):
    print(json.dumps({{"original": event["RequestType"]}}))
    answer = {{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}}
    answer |= {{"Status": "SUCCESS", "PhysicalResourceId": "{TRIGGER_ID}", "Data": {{}}}}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
"""


@dataclass(frozen=True)
class Original:
    """A version of the original solution, with the names that it gives by default."""

    client_id_parameter: str
    role: str
    secret: str = "crowdstrike-ecr-api-credentials"
    function: str = "crowdstrike-ecr-function"

    def template(self) -> dict[str, Any]:
        """Return its template."""
        text = {"Type": "String"}
        return {
            "Parameters": {"S3Bucket": text, self.client_id_parameter: text, "FalconSecret": text},
            "Resources": {
                "CrowdStrikeSecrets": {"Type": "AWS::SecretsManager::Secret", "Properties": self._secret()},
                "ECRExecutionRole": {"Type": "AWS::IAM::Role", "Properties": self._role()},
                "ECRLambda": {"Type": "AWS::Lambda::Function", "Properties": self._function()},
                TRIGGER: {"Type": TRIGGER_TYPE, "Properties": {"ServiceToken": {"Fn::GetAtt": ["ECRLambda", "Arn"]}}},
            },
        }

    def _secret(self) -> dict[str, Any]:
        text = f'{{"FalconClientId":"${{{self.client_id_parameter}}}","FalconSecret":"${{FalconSecret}}"}}'
        return {"Name": self.secret, "SecretString": {"Fn::Sub": text}}

    def _role(self) -> dict[str, Any]:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        allow = {"Effect": "Allow", "Action": ["iam:CreateRole", "iam:AttachRolePolicy"], "Resource": "*"}
        return {
            "RoleName": self.role,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "ManagedPolicyArns": [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{BASIC}"}],
            "Policies": [
                {
                    "PolicyName": "crowdstrike-ecr-execution-policy",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]},
                }
            ],
        }

    def _function(self) -> dict[str, Any]:
        return {
            "FunctionName": self.function,
            "Runtime": "python3.12",
            "Handler": "lambda.lambda_handler",
            "MemorySize": 128,
            "Timeout": 300,
            "Role": {"Fn::GetAtt": ["ECRExecutionRole", "Arn"]},
            "Environment": {"Variables": {"secret_name": self.secret}},
            "Code": {"S3Bucket": {"Ref": "S3Bucket"}, "S3Key": "lambda_function.zip"},
        }


V1 = Original("FalconClientID", role="crowdstrike-ecr-lambda-role")
V2 = Original("FalconClientId", role="crowdstrike-ecr-execution-role")


def stub_package() -> bytes:
    """Return the zip of the stub."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("lambda.py", STUB)
    return zipped.getvalue()
