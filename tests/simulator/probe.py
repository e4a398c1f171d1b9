"""What is sent to Falcon to make a connection."""


def registry(account: str, region: str) -> str:
    return f"https://{account}.dkr.ecr.{region}.amazonaws.com"


def credential(role: str = "arn:aws:iam::123456789012:role/connection") -> dict[str, object]:
    return {"type": "ecr", "details": {"aws_iam_role": role, "aws_external_id": "simulated-external-id"}}


def payload(region: str = "eu-west-1", /, **more: object) -> dict[str, object]:
    """Return the body of a create."""
    return {"type": "ecr", "url": registry("123456789012", region), "credential": credential(), **more}
