"""What all calls to AWS share: clients, the errors in our words, and the waits for a fresh policy."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
import urllib3
from botocore.awsrequest import AWSPreparedRequest, HTTPHeaders
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from registry_connections.aws import calls
from registry_connections.aws.calls import CLIENT, Clients, FreshPolicy
from registry_connections.core.errors import AwsError, RecordError, SecretError
from tests.registry_connections.fakes import VirtualClock, client_error

MINUTE = calls.FRESH_POLICY_SECONDS
URL = "https://ssm.us-east-1.amazonaws.com/"
DENIED = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"]
BY_POLICY = "explicit deny in a service control policy"
ORGANIZATION = ClientError({"Error": {"Code": "AccessDenied", "Message": BY_POLICY}}, "x")


def clients() -> Clients:
    return Clients(boto3.Session(aws_access_key_id="invented", aws_secret_access_key="x", region_name="eu-west-1"))


def test_a_client_is_made_once_for_each_service_and_region() -> None:
    made = clients()

    assert made.get("ssm") is made.get("ssm")
    assert made.get("ssm").meta.region_name == "eu-west-1"
    assert made.get("ecr", "us-east-1", calls.PROBE).meta.region_name == "us-east-1"
    assert made.get("ecr", "us-east-1", calls.PROBE) is not made.get("ecr", "us-west-2", calls.PROBE)


@pytest.mark.parametrize("config", [CLIENT, calls.PROBE], ids=["client", "probe"])
def test_no_call_waits_longer_than_seconds(config: Any) -> None:
    assert config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout) <= 32


def send(monkeypatch: pytest.MonkeyPatch, url: str, result: Any, **proxies: str) -> tuple[Any, list[Any]]:
    """Let a client send a request; return its response, and what the shared connections were asked."""
    asked: list[Any] = []

    def urlopen(*arguments: Any, **options: Any) -> Any:
        asked.append((*arguments, options["redirect"], options["timeout"].connect_timeout))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr("registry_connections.aws.calls.getproxies", lambda: proxies)
    connections = clients()._connections
    monkeypatch.setattr(connections, "_pools", SimpleNamespace(urlopen=urlopen))
    request = AWSPreparedRequest("POST", url, HTTPHeaders(), b"{}", stream_output=False)
    return connections.sender(CLIENT)(request), asked


def test_a_request_is_sent_over_connections_that_all_clients_share(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = SimpleNamespace(status=200, headers={"a": "b"}, stream=lambda: iter([b"{}"]))
    response, asked = send(monkeypatch, URL, raw)

    assert (response.status_code, response.content) == (200, b"{}")
    assert asked == [("POST", URL, False, 3)]


def test_what_is_not_https_or_has_a_proxy_is_left_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(monkeypatch, "http://localhost/", None) == (None, [])
    assert send(monkeypatch, URL, None, https="http://proxy.example") == (None, [])


LOST = urllib3.exceptions.ProtocolError("user:password")


@pytest.mark.parametrize("result", [LOST, SimpleNamespace(status=200, headers={}, stream=Mock(side_effect=LOST))])
def test_a_lost_connection_is_one_that_the_library_tries_again(result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HTTPClientError, match="ProtocolError") as caught:
        send(monkeypatch, URL, result)

    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "times", "fresh", "succeeds", "seconds"),
    [
        *((client_error(code), 3, MINUTE, True, 1.75) for code in DENIED),
        (client_error("AccessDenied"), 99, MINUTE, False, 63.75),
        (client_error("AccessDenied"), 1, 0, False, 0),
        (ORGANIZATION, 1, MINUTE, False, 0),  # time does not mend these
        (client_error("ValidationException"), 1, MINUTE, False, 0),
    ],
)
def test_access_that_is_denied_is_tried_again_while_a_policy_may_be_fresh(
    error: ClientError, times: int, fresh: float, succeeds: bool, seconds: float
) -> None:
    clock, call = VirtualClock(), Mock(side_effect=[*[error] * times, "done"])
    with nullcontext() if succeeds else pytest.raises(ClientError):
        assert FreshPolicy(fresh, clock, clock.sleep)(call) == "done"

    assert clock.now == seconds


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (client_error("Throttled"), AwsError, "It failed: Throttled."),
        (client_error("a\n" + "x" * 100), AwsError, f"It failed: a {'x' * 55}...."),
        (ClientError({}, "x"), AwsError, "It failed: unknown error."),
        (client_error("Special"), SecretError, "It failed: Special."),
        (ORGANIZATION, AwsError, "It failed: AccessDenied by a service control policy."),
        (EndpointConnectionError(endpoint_url="https://x"), AwsError, "It failed: EndpointConnectionError."),
        (KeyError("x"), AwsError, "It failed: AWS's response cannot be understood (KeyError)."),
        (RecursionError(), AwsError, "It failed: AWS's response cannot be understood (RecursionError)."),
        (RecordError("ours"), RecordError, "ours"),
    ],
)
def test_an_error_tells_what_failed_and_its_code_and_no_more(error: Exception, kind: type[AwsError], text: str) -> None:
    with pytest.raises(kind) as caught, calls.translate_errors("It failed", AwsError, {"Special": SecretError}):
        raise error

    assert (type(caught.value), str(caught.value)) == (kind, text)
