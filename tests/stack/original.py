"""A stack in the shape of the original solution, with a stub for its function: what our template must update in place.

Logical ids, names, types and the trigger's physical id are the original's; what the function did is played by tests.
"""

from dataclasses import dataclass

TRIGGER, TRIGGER_ID = "TriggerECRLambda", "CustomResourcePhysicalID"

TEMPLATE = """
Parameters: {S3Bucket: {Type: String}, CLIENT_ID: {Type: String}, FalconSecret: {Type: String}}
Resources:
  CrowdStrikeSecrets:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: crowdstrike-ecr-api-credentials
      SecretString: !Sub '{"FalconClientId":"${CLIENT_ID}","FalconSecret":"${FalconSecret}"}'
  ECRExecutionRole:
    Type: AWS::IAM::Role
    Properties:
      RoleName: ROLE_NAME
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
      Policies:
        - PolicyName: crowdstrike-ecr-execution-policy
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: [iam:CreateRole, iam:AttachRolePolicy], Resource: "*"}]
  ECRLambda:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: crowdstrike-ecr-function
      Runtime: python3.12
      Handler: lambda.lambda_handler
      MemorySize: 128
      Timeout: 300
      Role: !GetAtt ECRExecutionRole.Arn
      Environment: {Variables: {secret_name: crowdstrike-ecr-api-credentials}}
      Code: {S3Bucket: !Ref S3Bucket, S3Key: lambda_function.zip}
  TriggerECRLambda:
    Type: Custom::LambdaCustomResource
    Properties: {ServiceToken: !GetAtt ECRLambda.Arn}
"""

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

    def template(self) -> str:
        return TEMPLATE.replace("CLIENT_ID", self.client_id_parameter).replace("ROLE_NAME", self.role)


V1 = Original("FalconClientID", role="crowdstrike-ecr-lambda-role")
V2 = Original("FalconClientId", role="crowdstrike-ecr-execution-role")
