"""A stand-in for the few AWS calls that the function makes, over TLS, with faults that a test arms.

The function reaches it through AWS_ENDPOINT_URL. It checks no signatures and knows no IAM: the local AWS of
`tests/sandbox` does that. Here the point is what happens when AWS answers late, wrongly or not at all.
"""

import json
import threading
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.faults.tls_server import Exchange, TlsServer
from tests.sandbox.tls import Authority

Operation = Literal[
    "GetSecretValue",
    "GetParameter",
    "PutParameter",
    "DescribeRegions",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "DescribeRepositories",
]
QUERIES = frozenset({"DescribeRegions", "DescribeStackResource"})
"""Operations of AWS's older protocol, in XML."""
QUERY_CODES = {"AccessDeniedException": "UnauthorizedOperation", "ThrottlingException": "RequestLimitExceeded"}
LARGEST_PARAMETER = 4096  # characters of a standard parameter


@dataclass
class AwsFault:
    """Let calls of one operation go wrong; `times` strikes (all without a number), after `skip` that pass."""

    operation: Operation | Literal["any"]
    kind: Literal["error", "hang", "reset", "lost", "drip", "text", "redirect", "overtaken"] = "error"
    """`lost` applies the call and breaks the connection; `overtaken` lets somebody else write the state just before."""
    code: str = "InternalServerError"
    message: str = "an invented failure"
    text: str = ""
    """For `text`, the body of a success; for `redirect`, where to; for `overtaken`, what is written."""
    times: int | None = None
    skip: int = 0

    def strikes(self, operation: str) -> bool:
        """Whether it strikes this call; counts it."""
        if self.operation not in (operation, "any") or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        return True


def denied(operation: Operation, message: str = "") -> AwsFault:
    said = message or "User is not authorized to perform this action because no identity-based policy allows it"
    return AwsFault(operation, code="AccessDeniedException", message=said)


def throttled(operation: Operation, times: int) -> AwsFault:
    return AwsFault(operation, code="ThrottlingException", message="Rate exceeded", times=times)


class _FailedError(Exception):
    """Its text is the code of an error."""


class AwsStub(TlsServer):
    """Secrets, parameters, Regions and log groups of one account."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.secrets: dict[str, str] = {}
            self.parameters: dict[str, list[str]] = {}
            """The values of all versions of each."""
            self.held = ""
            """The physical id that CloudFormation holds."""
            self.regions: dict[str, str] = {}
            """Region to its opt-in status."""
            self._armed: list[AwsFault] = []

    def arm(self, fault: AwsFault) -> None:
        with self._lock:
            self._armed.append(replace(fault))  # it counts

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    def put(self, name: str, value: str) -> None:
        """Write a parameter as somebody else."""
        with self._lock:
            self.parameters.setdefault(name, []).append(value)

    def handle(self, exchange: Exchange) -> None:
        operation, request = _parsed(exchange)
        with self._lock:
            fault = next((fault for fault in self._armed if fault.strikes(operation)), None)
        if fault is None:
            self._apply(exchange, operation, request)
        else:
            self._misbehave(fault, exchange, operation, request)

    def _misbehave(self, fault: AwsFault, exchange: Exchange, operation: str, request: dict[str, Any]) -> None:
        if fault.kind == "lost":
            self._result(operation, request)
        elif fault.kind == "overtaken":
            self.put(request["Name"], fault.text)
        misbehave: dict[str, Any] = {
            "error": lambda: _refuse(exchange, operation, fault.code, fault.message),
            "hang": exchange.hang,
            "drip": exchange.drip,
            "redirect": lambda: exchange.send(307, headers={"Location": fault.text}),
            "text": lambda: exchange.send(200, fault.text.encode(), _content_type(operation)),
            "lost": exchange.reset,
            "reset": exchange.reset,
            "overtaken": lambda: self._apply(exchange, operation, request),
        }
        misbehave[fault.kind]()

    def _apply(self, exchange: Exchange, operation: str, request: dict[str, Any]) -> None:
        try:
            answer = self._result(operation, request)
        except _FailedError as error:
            _refuse(exchange, operation, str(error), "an invented message")
        else:
            exchange.send(200, answer.encode(), _content_type(operation))

    def _result(self, operation: str, request: dict[str, Any]) -> str:
        do: dict[str, Any] = {
            "GetSecretValue": self._secret,
            "GetParameter": self._parameter,
            "PutParameter": self._put_parameter,
            "DeleteParameter": self._delete_parameter,
            "DescribeRegions": self._regions_xml,
            "DescribeStackResource": self._resource_xml,
            "DescribeRepositories": lambda _: {"repositories": []},
            "CreateLogGroup": lambda _: {},
            "PutRetentionPolicy": lambda _: {},
        }
        with self._lock:
            result = do[operation](request)
        return result if isinstance(result, str) else json.dumps(result)

    def _secret(self, request: dict[str, Any]) -> dict[str, object]:
        arn = request["SecretId"]
        if arn not in self.secrets:
            raise _FailedError("ResourceNotFoundException")
        return {"ARN": arn, "Name": arn.rpartition(":")[2], "SecretString": self.secrets[arn]}

    def _parameter(self, request: dict[str, Any]) -> dict[str, object]:
        name, _, selector = request["Name"].partition(":")
        values = self.parameters.get(name)
        if values is None:
            raise _FailedError("ParameterNotFound")
        version = int(selector or len(values))
        return {"Parameter": {"Name": name, "Type": "String", "Value": values[version - 1], "Version": version}}

    def _delete_parameter(self, request: dict[str, Any]) -> dict[str, object]:
        if self.parameters.pop(request["Name"], None) is None:
            raise _FailedError("ParameterNotFound")
        return {}

    def _put_parameter(self, request: dict[str, Any]) -> dict[str, object]:
        name, value = request["Name"], request["Value"]
        if name in self.parameters and not request.get("Overwrite"):
            raise _FailedError("ParameterAlreadyExists")
        if len(value) > LARGEST_PARAMETER:
            raise _FailedError("ValidationException")
        self.put(name, value)
        return {"Version": len(self.parameters[name]), "Tier": "Standard"}

    def _regions_xml(self, _: dict[str, Any]) -> str:
        items = "".join(
            f"<item><regionName>{name}</regionName><optInStatus>{status}</optInStatus></item>"
            for name, status in self.regions.items()
        )
        return f"<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"

    def _resource_xml(self, _: dict[str, Any]) -> str:
        name = "DescribeStackResource"
        detail = f"<StackResourceDetail><PhysicalResourceId>{self.held}</PhysicalResourceId></StackResourceDetail>"
        return f"<{name}Response><{name}Result>{detail}</{name}Result></{name}Response>"


def _parsed(exchange: Exchange) -> tuple[str, dict[str, Any]]:
    """Return the operation and its arguments, of a JSON or of a query request."""
    target = exchange.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2], json.loads(exchange.body)
    form = {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()}
    return form["Action"], dict(form)


def _content_type(operation: str) -> str:
    return "text/xml;charset=UTF-8" if operation in QUERIES else "application/x-amz-json-1.1"


def _refuse(exchange: Exchange, operation: str, code: str, message: str) -> None:
    if operation in QUERIES:
        error = f"<Code>{QUERY_CODES.get(code, code)}</Code><Message>{escape(message)}</Message>"
        body = f"<Response><Errors><Error>{error}</Error></Errors></Response>"
    else:
        body = json.dumps({"__type": code, "message": message})
    exchange.send(400, body.encode(), _content_type(operation))
