"""A stand-in for the few AWS calls that the function makes, over TLS, with faults that a test arms.

The function reaches it through AWS_ENDPOINT_URL. It checks no signatures and knows no IAM: the local AWS of
`tests/sandbox` does that. Here the point is what happens when AWS answers late, wrongly or not at all.
"""

import json
import threading
import time
import xml.sax.saxutils
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import parse_qs

from tests.faults.tls_server import Exchange, TlsServer
from tests.sandbox.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Callable

Operation = Literal[
    "GetSecretValue",
    "GetParameter",
    "PutParameter",
    "DeleteParameter",
    "DescribeStackResource",
    "DescribeRegions",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "DescribeRepositories",
]
QUERIES = frozenset({"DescribeRegions", "DescribeStackResource"})
"""Operations of AWS's older protocol, in XML."""
LARGEST_PARAMETER = 4096  # characters of a standard parameter
HISTORY = 100  # versions that Parameter Store keeps
FOREVER = 3600.0
HUGE = 64 * 2**20  # bytes


@dataclass(frozen=True)
class AwsFault:
    """Let calls of one operation go wrong; `times` strikes (all without a number), after `skip` that pass."""

    operation: Operation | Literal["any"]
    kind: Literal["error", "hang", "reset", "lost", "drip", "text", "huge", "redirect", "overtaken"] = "error"
    """`lost` applies the call and breaks the connection; `overtaken` lets somebody else write the state just before."""
    code: str = "InternalServerError"
    status: int = 400
    message: str = "an invented failure"
    text: str = ""
    """For `text`, the body of an answer with this status; for `redirect`, where to."""
    seconds: float = FOREVER
    times: int | None = None
    skip: int = 0
    parameter: str = ""
    """Only calls about this parameter."""

    def __post_init__(self) -> None:
        if self.operation not in (*get_args(Operation), "any"):
            raise ValueError(f"no such operation: {self.operation}")


def denied(operation: Operation, message: str = "") -> AwsFault:
    said = message or "User is not authorized to perform this action because no identity-based policy allows it"
    return AwsFault(operation, code="AccessDeniedException", message=said)


def throttled(operation: Operation, times: int | None = None) -> AwsFault:
    return AwsFault(operation, code="ThrottlingException", message="Rate exceeded", times=times)


class _FailedError(Exception):
    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.status = status


@dataclass
class Parameter:
    """A parameter with the values of all its versions."""

    values: list[str] = field(default_factory=list)

    @property
    def version(self) -> int:
        return len(self.values)


@dataclass
class _Armed:
    fault: AwsFault
    passed: int = 0
    struck: int = 0


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
            self.parameters: dict[str, Parameter] = {}
            self.held = ""
            """The physical id that CloudFormation holds."""
            self.regions: dict[str, str] = {}
            """Region to its opt-in status."""
            self.calls: Counter[str] = Counter()
            self.arrivals: list[tuple[float, str]] = []
            self._armed: list[_Armed] = []

    def arm(self, fault: AwsFault) -> None:
        with self._lock:
            self._armed.append(_Armed(fault))

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    def put(self, name: str, value: str) -> None:
        """Write a parameter as somebody else."""
        with self._lock:
            self.parameters.setdefault(name, Parameter()).values.append(value)

    def handle(self, exchange: Exchange) -> None:
        operation, request = _parsed(exchange)
        with self._lock:
            self.calls[operation] += 1
            self.arrivals.append((time.monotonic(), operation))
            fault = self._strike(operation, request)
        if fault is None:
            self._apply(exchange, operation, request)
        else:
            self._misbehave(fault, exchange, operation, request)

    def _strike(self, operation: str, request: dict[str, object]) -> AwsFault | None:
        for armed in self._armed:
            fault = armed.fault
            concerned = fault.operation in (operation, "any") and fault.parameter in str(request.get("Name", ""))
            if not concerned or armed.struck == fault.times:
                continue
            if armed.passed < fault.skip:
                armed.passed += 1
                continue
            armed.struck += 1
            return fault
        return None

    def _misbehave(self, fault: AwsFault, exchange: Exchange, operation: str, request: dict[str, object]) -> None:
        if fault.kind == "lost":
            self._result(operation, request)
        elif fault.kind == "overtaken":
            name = str(request["Name"])
            self.put(name, fault.text or self.parameters[name].values[-1])
        content_type = _content_type(operation)
        misbehave: dict[str, Callable[[], None]] = {
            "error": lambda: _refuse(exchange, operation, fault.code, fault.message, fault.status),
            "hang": lambda: exchange.hang(fault.seconds),
            "drip": lambda: exchange.drip(fault.seconds),
            "huge": lambda: exchange.send(fault.status, b" " * HUGE, content_type=content_type),
            "redirect": lambda: exchange.send(fault.status, headers={"Location": fault.text}),
            "text": lambda: exchange.send(fault.status, fault.text.encode(), content_type=content_type),
            "lost": exchange.reset,
            "reset": exchange.reset,
            "overtaken": lambda: self._apply(exchange, operation, request),
        }
        misbehave[fault.kind]()

    def _apply(self, exchange: Exchange, operation: str, request: dict[str, object]) -> None:
        try:
            answer = self._result(operation, request)
        except _FailedError as error:
            _refuse(exchange, operation, str(error), "an invented message", error.status)
        else:
            exchange.send(200, answer, content_type=_content_type(operation))

    def _result(self, operation: str, request: dict[str, object]) -> bytes:
        if operation == "DescribeRegions":
            return self._regions_xml().encode()
        if operation == "DescribeStackResource":
            detail = f"<PhysicalResourceId>{self.held}</PhysicalResourceId>"
            detail = f"<StackResourceDetail>{detail}</StackResourceDetail>"
            result = f"<DescribeStackResourceResult>{detail}</DescribeStackResourceResult>"
            return f"<DescribeStackResourceResponse>{result}</DescribeStackResourceResponse>".encode()
        do: dict[str, Callable[[dict[str, object]], dict[str, object]]] = {
            "GetSecretValue": self._secret,
            "GetParameter": self._parameter,
            "PutParameter": self._put_parameter,
            "DeleteParameter": self._delete_parameter,
            "DescribeRepositories": lambda _: {"repositories": []},
            "CreateLogGroup": lambda _: {},
            "PutRetentionPolicy": lambda _: {},
        }
        if operation not in do:
            raise _FailedError("UnknownOperationException")
        with self._lock:
            return json.dumps(do[operation](request)).encode()

    def _secret(self, request: dict[str, object]) -> dict[str, object]:
        arn = str(request["SecretId"])
        if arn not in self.secrets:
            raise _FailedError("ResourceNotFoundException")
        return {"ARN": arn, "Name": arn.rpartition(":")[2], "SecretString": self.secrets[arn]}

    def _parameter(self, request: dict[str, object]) -> dict[str, object]:
        name, _, selector = str(request["Name"]).partition(":")
        parameter = self.parameters.get(name)
        if parameter is None:
            raise _FailedError("ParameterNotFound")
        version = int(selector or parameter.version)
        if not max(1, parameter.version - HISTORY + 1) <= version <= parameter.version:
            raise _FailedError("ParameterVersionNotFound")
        value = parameter.values[version - 1]
        return {"Parameter": {"Name": name, "Type": "String", "Value": value, "Version": version}}

    def _delete_parameter(self, request: dict[str, object]) -> dict[str, object]:
        if self.parameters.pop(str(request["Name"]), None) is None:
            raise _FailedError("ParameterNotFound")
        return {}

    def _put_parameter(self, request: dict[str, object]) -> dict[str, object]:
        name, value = str(request["Name"]), str(request["Value"])
        if name in self.parameters and not request.get("Overwrite"):
            raise _FailedError("ParameterAlreadyExists")
        if len(value) > LARGEST_PARAMETER:
            raise _FailedError("ValidationException")
        self.put(name, value)
        return {"Version": self.parameters[name].version, "Tier": "Standard"}

    def _regions_xml(self) -> str:
        items = "".join(
            f"<item><regionName>{xml.sax.saxutils.escape(name)}</regionName>"
            f"<regionEndpoint>ec2.{name}.amazonaws.com</regionEndpoint><optInStatus>{status}</optInStatus></item>"
            for name, status in self.regions.items()
        )
        return (
            '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>1</requestId><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
        )


def _parsed(exchange: Exchange) -> tuple[str, dict[str, object]]:
    """Return the operation and its arguments, of a JSON or of a query request."""
    target = exchange.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2], json.loads(exchange.body or b"{}")
    form = {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()}
    return form.get("Action", exchange.path), dict(form)


def _content_type(operation: str) -> str:
    return "text/xml;charset=UTF-8" if operation in QUERIES else "application/x-amz-json-1.1"


def _refuse(exchange: Exchange, operation: str, code: str, message: str, status: int) -> None:
    if operation in QUERIES:
        code = {"AccessDeniedException": "UnauthorizedOperation", "ThrottlingException": "RequestLimitExceeded"}.get(
            code, code
        )
        said = xml.sax.saxutils.escape(message)
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{said}</Message></Error></Errors></Response>"
    else:
        body = json.dumps({"__type": code, "message": message})
    exchange.send(status, body.encode(), content_type=_content_type(operation))
