"""Values that many tests share: the identity of one stack, and connections as Falcon has them."""

from dataclasses import replace
from typing import Any, Final

from registry_connections.core.model import Connection, Identity, RoleGrant
from registry_connections.core.record import Applied, Record

ACCOUNT: Final = "111122223333"
OTHER_ACCOUNT: Final = "444455556666"
SUFFIX: Final = "amazonaws.com"
UUID: Final = "1a2b3c4d-1111-4111-8111-0123456789ab"
STACK_ID: Final = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/falcon/{UUID}"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/connection"
IDENTITY: Final = Identity(ACCOUNT, "aws", SUFFIX, STACK_ID, ROLE, "external-id-of-this-stack")
GRANT: Final = RoleGrant(ROLE, IDENTITY.external_id, "aws", government_cloud=False)
EAST, WEST, SOUTH = "us-east-1", "eu-west-1", "ap-south-1"
OURS: Final = f"falcon-ecr-{UUID}"  # the physical id of a launch that succeeded
RESPONSE_URL: Final = "https://responses.example/key?X-Amz-Date=20260101T000000Z&X-Amz-Signature=do-not-log-this"
PROPERTIES: Final = {"ServiceToken": "arn:function", "FalconCloud": "us-1", "DeleteConnections": "Stack"}


def event(kind: str = "Create", **changes: Any) -> dict[str, Any]:
    """Return an event of CloudFormation."""
    physical = {} if kind == "Create" else {"PhysicalResourceId": OURS}
    return {
        "RequestType": kind,
        "ResponseURL": RESPONSE_URL,
        "StackId": STACK_ID,
        "RequestId": "request-1",
        "LogicalResourceId": "RegistryConnections",
        "ResourceType": "Custom::FalconRegistryConnections",
        "ResourceProperties": PROPERTIES,
        **physical,
        **changes,
    }


class Context:
    """What Lambda tells an invocation of itself."""

    aws_request_id = "lambda-request"
    function_name = "crowdstrike-ecr-function"
    log_group_name = "/aws/lambda/crowdstrike-ecr-function"
    invoked_function_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:crowdstrike-ecr-function"
    seconds = 100

    def get_remaining_time_in_millis(self) -> int:
        return self.seconds * 1000


def created(region: str, name: str = "", **more: Any) -> Connection:
    """Return a connection that the stack created, by default with an id that names its Region."""
    url = more.pop("url", IDENTITY.registry(region).url)
    alias = more.pop("alias", IDENTITY.created_alias(region))
    return Connection(name or f"id-{region}", url, more.pop("type", "ecr"), alias, **more)


def adopted(region: str, name: str = "", **more: Any) -> Connection:
    """Return a connection that the stack took over."""
    return created(region, name, alias=IDENTITY.adopted_alias(region), **more)


def anothers(region: str, name: str = "", **more: Any) -> Connection:
    """Return a connection of the same registry that another stack took over."""
    return created(region, name, alias=f"ecr-9f9f9f9f-{ACCOUNT}-{region}", **more)


def by_hand(region: str, name: str = "", **more: Any) -> Connection:
    """Return a connection of the same registry whose alias a person wrote."""
    return created(region, name, alias="registry of the shop", **more)


def managing(*regions: str, **more: Any) -> Record:
    """Return the record of a stack that applied something and manages these Regions."""
    return replace(Record(Applied(), {region: f"id-{region}" for region in regions}), **more)
