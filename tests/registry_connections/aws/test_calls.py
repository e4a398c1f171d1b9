"""What all calls to AWS share: clients, the errors in our words, and the waits for a fresh policy."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import urllib3
from botocore.awsrequest import AWSPreparedRequest, HTTPHeaders
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from registry_connections.aws.calls import (
    CLIENT,
    DENIED,
    FRESH_POLICY_SECONDS,
    PROBE,
    Clients,
    FreshPolicy,
    error_code,
    translate_errors,
)
from registry_connections.core.errors import AwsError, RecordError, SecretError
from tests.registry_connections.fakes import VirtualClock, client_error

URL = "https://ssm.us-east-1.amazonaws.com/"
ORGANIZATION = ClientError(
    {"Error": {"Code": "AccessDenied", "Message": "explicit deny in a service control policy"}}, "x"
)


def clients() -> Clients:
    return Clients(
        boto3.Session(aws_access_key_id="invented", aws_secret_access_key="invented", region_name="eu-west-1")
    )


def test_a_client_is_made_once_for_each_service_and_region() -> None:
    made = clients()

    assert made.get("ssm") is made.get("ssm")
    assert made.get("ssm").meta.region_name == "eu-west-1"
    assert made.get("ecr", "us-east-1", PROBE).meta.region_name == "us-east-1"
    assert made.get("ecr", "us-east-1", PROBE) is not made.get("ecr", "us-west-2", PROBE)


def test_no_call_waits_longer_than_seconds() -> None:
    configs: tuple[Any, ...] = (CLIENT, PROBE)
    for config in configs:
        attempts = config.retries["total_max_attempts"]
        assert attempts * (config.connect_timeout + config.read_timeout) <= 32


class Pools:
    """What a pool manager is asked, and what comes of it."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.asked: list[tuple[Any, ...]] = []

    def urlopen(self, *arguments: Any, **options: Any) -> Any:
        self.asked.append((*arguments, options["redirect"], options["timeout"].connect_timeout))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def send(url: str, result: Any, monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str] | None = None) -> Any:
    monkeypatch.setattr("registry_connections.aws.calls.getproxies", lambda: proxies or {})
    connections = clients()._connections
    connections._pools = pools = Pools(result)  # type: ignore[assignment] # a stand-in
    request = AWSPreparedRequest("POST", url, HTTPHeaders(), b"{}", stream_output=False)
    return connections.sender(CLIENT)(request), pools.asked


def test_a_request_is_sent_over_connections_that_all_clients_share(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = SimpleNamespace(status=200, headers={"a": "b"}, stream=lambda: iter([b"{}"]))
    response, asked = send(URL, raw, monkeypatch)

    assert (response.status_code, response.content) == (200, b"{}")
    assert asked == [("POST", URL, False, 3)]


@pytest.mark.parametrize(("url", "proxies"), [("http://localhost/", {}), (URL, {"https": "http://proxy.example"})])
def test_what_is_not_https_or_has_a_proxy_is_left_to_the_library(
    url: str, proxies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(url, None, monkeypatch, proxies) == (None, [])


def test_a_lost_connection_is_one_that_the_library_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HTTPClientError, match="ProtocolError") as caught:
        send(URL, urllib3.exceptions.ProtocolError("user:password"), monkeypatch)

    assert "password" not in str(caught.value)


# A fresh policy


class Denied:
    """Denies so many calls."""

    def __init__(self, times: int, error: ClientError | None = None) -> None:
        self.left, self.error = times, error or client_error("AccessDeniedException")

    def __call__(self) -> str:
        if self.left == 0:
            return "done"
        self.left -= 1
        raise self.error


@pytest.mark.parametrize("code", sorted(DENIED))
def test_access_that_is_denied_is_tried_again_while_a_policy_may_be_fresh(code: str) -> None:
    clock = VirtualClock()
    policy = FreshPolicy(FRESH_POLICY_SECONDS, clock, clock.sleep)

    assert policy(Denied(3, client_error(code))) == "done"
    assert clock.now == 1.75


def test_access_that_stays_denied_is_told_after_a_minute() -> None:
    clock = VirtualClock()
    with pytest.raises(ClientError):
        FreshPolicy(FRESH_POLICY_SECONDS, clock, clock.sleep)(Denied(99))

    assert 60 <= clock.now < 65


@pytest.mark.parametrize("error", [ORGANIZATION, client_error("ValidationException")])
def test_what_time_does_not_mend_is_told_at_once(error: ClientError) -> None:
    clock = VirtualClock()
    with pytest.raises(ClientError):
        FreshPolicy(FRESH_POLICY_SECONDS, clock, clock.sleep)(Denied(1, error))
    with pytest.raises(ClientError):
        FreshPolicy(0, clock, clock.sleep)(Denied(1))

    assert clock.now == 0


# Errors


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (client_error("Throttled"), AwsError, "It failed: Throttled."),
        (client_error("Special"), SecretError, "It failed: Special."),
        (ORGANIZATION, AwsError, "It failed: AccessDenied by a service control policy."),
        (EndpointConnectionError(endpoint_url="https://x"), AwsError, "It failed: EndpointConnectionError."),
        (KeyError("x"), AwsError, "It failed: AWS's response cannot be understood (KeyError)."),
        (RecursionError(), AwsError, "It failed: AWS's response cannot be understood (RecursionError)."),
    ],
)
def test_an_error_is_told_with_what_failed_and_its_code_and_nothing_else(
    error: Exception, kind: type[AwsError], text: str
) -> None:
    with pytest.raises(AwsError) as caught, translate_errors("It failed", AwsError, {"Special": SecretError}):
        raise error

    assert (type(caught.value), str(caught.value)) == (kind, text)


def test_an_error_of_ours_passes() -> None:
    with pytest.raises(RecordError, match="ours"), translate_errors("It failed", AwsError):
        raise RecordError("ours")


def test_a_code_is_one_short_line() -> None:
    assert error_code(client_error("a\n" + "x" * 100)) == "a " + "x" * 55 + "..."
    assert error_code(ClientError({}, "x")) == "unknown error"
