"""A stand-in for the few AWS calls that the function makes, over TLS, with the faults that a test arms.

The function reaches it through AWS_ENDPOINT_URL. It checks no signatures and knows no IAM: the local AWS of
`tests/sandbox` does that. Here the point is what happens when AWS answers late, wrongly or not at all.
"""

import json
import threading
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from tests.sandbox.tls import Authority
from tests.simulator.effects import Effect, Fault, Faults, Operation
from tests.simulator.messages import Answer, Call
from tests.simulator.server import Exchange, TlsServer

QUERIES = frozenset({"DescribeRegions", "DescribeStackResource"})
"""Operations of AWS's older protocol, in XML."""
QUERY_CODES = {"AccessDeniedException": "UnauthorizedOperation", "ThrottlingException": "RequestLimitExceeded"}


def denied(operation: Operation, message: str = "") -> Fault:
    said = message or "User is not authorized to perform this action because no identity-based policy allows it"
    return Fault(operation, AwsError("AccessDeniedException", said))


def throttled(operation: Operation, times: int) -> Fault:
    return Fault(operation, AwsError("ThrottlingException", "Rate exceeded"), times=times)


class AwsStub(TlsServer):
    """Secrets, parameters, Regions and log groups of one account."""

    def __init__(self, authority: Authority, faults: Faults) -> None:
        super().__init__(authority)
        self._faults = faults
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.secrets: dict[str, str] = {}
        self.parameters: dict[str, list[str]] = {}
        """The values of all versions of each."""
        self.held = ""
        """The physical id that CloudFormation holds."""
        self.regions: dict[str, str] = {}
        """Region to its opt-in status."""

    def put(self, name: str, value: str) -> None:
        """Write a parameter as somebody else."""
        self.parameters.setdefault(name, []).append(value)

    def handle(self, exchange: Exchange) -> None:
        operation, request = _parsed(exchange.call)
        exchange.call.operation = operation
        exchange.apply = lambda: self._apply(operation, request)
        signed = exchange.call.headers.get("authorization", "")  # names the Region
        exchange.respond(self._faults.strike(operation, (signed,), service="aws"))

    def _apply(self, operation: str, request: dict[str, Any]) -> Answer:
        do: dict[str, Any] = {
            "GetSecretValue": lambda asked: {"SecretString": self.secrets[asked["SecretId"]]},
            "GetParameter": self._parameter,
            "PutParameter": self._put_parameter,
            "DeleteParameter": self._delete_parameter,
            "DescribeRegions": self._regions_xml,
            "DescribeStackResource": self._resource_xml,
            "DescribeRepositories": lambda _: {"repositories": []},
            "CreateLogGroup": lambda _: {},
            "PutRetentionPolicy": lambda _: {},
        }
        serve = do[operation]
        try:
            with self._lock:
                result = serve(request)
        except KeyError:
            code = "ResourceNotFoundException" if operation == "GetSecretValue" else "ParameterNotFound"
            return _refusal(operation, code, "an invented message")
        return _answer(200, operation, result if isinstance(result, str) else json.dumps(result))

    def _parameter(self, request: dict[str, Any]) -> object:
        name, _, selector = request["Name"].partition(":")
        values = self.parameters[name]
        version = int(selector or len(values))
        return {"Parameter": {"Value": values[version - 1], "Version": version}}

    def _put_parameter(self, request: dict[str, Any]) -> object:
        self.put(request["Name"], request["Value"])
        return {"Version": len(self.parameters[request["Name"]])}

    def _delete_parameter(self, request: dict[str, Any]) -> object:
        del self.parameters[request["Name"]]
        return {}

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


def _parsed(call: Call) -> tuple[str, dict[str, Any]]:
    """Return the operation and its arguments, of a JSON or of a query request."""
    if target := call.headers.get("x-amz-target"):
        return target.rpartition(".")[2], call.json_object()
    form = call.form()
    return form["Action"], dict(form)


def _answer(status: int, operation: str, text: str) -> Answer:
    kind = "text/xml;charset=UTF-8" if operation in QUERIES else "application/x-amz-json-1.1"
    return Answer(status, text.encode(), {"Content-Type": kind})


def _refusal(operation: str, code: str, message: str) -> Answer:
    if operation not in QUERIES:
        return _answer(400, operation, json.dumps({"__type": code, "message": message}))
    error = f"<Code>{QUERY_CODES.get(code, code)}</Code><Message>{escape(message)}</Message>"
    return _answer(400, operation, f"<Response><Errors><Error>{error}</Error></Errors></Response>")


@dataclass(frozen=True)
class AwsError(Effect):
    """The call is refused."""

    code: str
    message: str = "an invented failure"

    def answer(self, exchange: Exchange) -> Answer:
        return _refusal(exchange.call.operation, self.code, self.message)


@dataclass(frozen=True)
class Overtaken(Effect):
    """Somebody else writes the parameter just before."""

    text: str

    def answer(self, exchange: Exchange) -> Answer:
        stub = exchange.server.owner
        assert isinstance(stub, AwsStub)
        stub.put(str(exchange.call.json_object()["Name"]), self.text)
        return exchange.apply()
