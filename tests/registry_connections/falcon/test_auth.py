"""The login: which cloud, which body, and why there is no token."""

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from registry_connections.core.errors import AuthenticationError, FalconError, NotFalconError, NotFromHereError
from registry_connections.core.model import AUTODISCOVER as DISCOVER
from registry_connections.core.model import FALCON_CLOUDS
from tests.registry_connections.falcon.wire import CREDENTIALS, Bench, in_turn, refusal
from tests.simulator.messages import Answer

PROXY = "https://proxy.example"


def refused(place: str, *replies: Answer) -> tuple[FalconError, Bench]:
    """Log in for a child tenant; return why there is no token."""
    made = Bench(place=place, token=in_turn(*replies), credentials=replace(CREDENTIALS, member_cid="the-child"))
    with pytest.raises(FalconError) as caught:
        made.log_in()
    return caught.value, made


def hosts(*clouds: str) -> list[str]:
    return [FALCON_CLOUDS.get(cloud, PROXY).removeprefix("https://") for cloud in clouds]


def moved_to(cloud: str) -> Answer:
    return Answer(308, headers={"Location": "https://elsewhere.example/oauth2/token", "X-Cs-Region": cloud})


@pytest.mark.parametrize(
    ("place", "hint", "home", "asked", "cloud"),
    [
        (DISCOVER, "", "us-2", ["us-1", "us-2"], "us-2"),  # a token that names another cloud is used there
        *((DISCOVER, "", home, ["us-1", "us-1"], "us-1") for home in ("us-gov-1", "us-gov-2")),
        ("us-1", "us-2", "us-2", ["us-1", "us-1"], "us-1"),  # a named cloud is kept
        (DISCOVER, "eu-1", "eu-1", ["eu-1", "eu-1"], "eu-1"),  # where it succeeded before
        *((DISCOVER, hint, "us-1", ["us-1", "us-1"], "us-1") for hint in (DISCOVER, "mars-1", "us-gov-1", "us-gov-2")),
        (PROXY, "us-2", "eu-1", [PROXY, PROXY], "eu-1"),  # an URL of the operator ends discovery
    ],
)
def test_a_cloud_is_named_known_or_discovered(place: str, hint: str, home: str, asked: list[str], cloud: str) -> None:
    made = Bench(place=place, home=home).log_in(hint)
    made.falcon.probe(made.deadline)
    login, use = made.wire.sent

    assert [login.host, use.host] == hosts(*asked)
    assert (login.method, login.path) == ("POST", "/oauth2/token")
    assert parse_qs(login.body) == {"client_id": ["the-client-id"], "client_secret": ["the-client-secret"]}
    assert (use.bearer, use.query, made.falcon.cloud) == ("token-1", {"limit": ["1"]}, cloud)


@pytest.mark.parametrize("spelling", ["us-2", "us2", "US-2"])
def test_discovery_follows_a_redirect_by_the_clouds_name_however_spelled_and_not_by_its_location(spelling: str) -> None:
    token = in_turn(moved_to(spelling), Answer(201, {"access_token": "token"}))
    made = Bench(place=DISCOVER, token=token).log_in()

    assert made.hosts == hosts("us-1", "us-2")
    assert (made.falcon.cloud, made.login.base_url) == ("us-2", FALCON_CLOUDS["us-2"])


# What says nothing of the credentials.
UNDECIDED = {
    "gave no token": FalconError,
    "Falcon login: HTTP 503: Falcon is in trouble": FalconError,
    "not Falcon's": NotFalconError,
    "IP allow-list": NotFromHereError,
}
PAGE = b"<html><body>Please sign in to the network</body></html>"


@pytest.mark.parametrize(
    ("place", "replies", "told"),
    [
        *(
            (DISCOVER, [moved_to(f"us-gov-{which}")], f"redirects these credentials to us-gov-{which}")
            for which in "12"
        ),
        *((DISCOVER, [moved_to(to)], "not us-1: name the right cloud") for to in ("mars-1", "elsewhere.example")),
        (DISCOVER, [moved_to("us-2"), moved_to("eu-1")], "belong to eu-1, not us-2"),
        (PROXY, [moved_to("eu-1")], "not the cloud behind FalconApiUrl"),
        ("us-2", [moved_to("eu-1")], "belong to eu-1, not us-2: name the right cloud in FalconCloud"),
        ("us-1", [refusal(400, "invalid client")], "the client id is unknown in us-1"),
        ("us-1", [refusal(401, "access denied")], "the client secret is wrong"),
        ("us-1", [refusal(403, "access denied, authorization failed")], "IP allow-list"),
        ("us-1", [refusal(403, "no such customer ID")], "may not act for the tenant in member_cid"),
        ("us-1", [refusal(404, "not here")], "gave no token"),
        ("us-1", [Answer(201, {"meta": {}})], "gave no token"),
        *(("us-1", [Answer(201, {"meta": {}, "access_token": each})], "gave no token") for each in (5, "a\nb", "tök")),
        ("us-1", [Answer(201, {"no": "envelope"})], "not Falcon's"),
        *(("us-1", [Answer(status, PAGE)], "not Falcon's") for status in (200, 403)),
        ("us-1", [Answer(302, PAGE, {"Location": "https://portal.example/login"})], "not Falcon's"),
        ("us-1", [Answer(401)], "not Falcon's"),
        ("us-1", [Answer(503)], "Falcon login: HTTP 503: Falcon is in trouble"),
        ("us-1", [Answer(401, b"", {"X-Cs-Traceid": "trace"})], "the client secret is wrong"),
    ],
)
def test_a_login_without_a_token_says_at_once_what_to_look_at(place: str, replies: list[Answer], told: str) -> None:
    error, made = refused(place, *replies)

    assert told in str(error)
    assert type(error) is UNDECIDED.get(told, AuthenticationError)
    assert ("secret is wrong" in str(error)) is ("secret is wrong" in told)
    assert error.status == replies[-1].status
    assert (made.clock.now == 0) is (error.status != 503)
    assert parse_qs(made.wire.sent[0].body)["member_cid"] == ["the-child"]
    assert (
        list(dict.fromkeys(made.hosts)) == hosts(*(["us-1", "us-2"] if place == DISCOVER else [place]))[: len(replies)]
    )


@pytest.mark.parametrize("header", ["X-Cs-Region", "X-Cs-Traceid", "Location", ""])
def test_what_falcon_echoes_of_the_credentials_is_not_told(header: str) -> None:
    body = {"errors": [{"code": 400, "message": "bad the-client-id:the-client-secret:the-child\x1b[2J\n"}]}
    echo = Answer(308, b"", {"X-Cs-Region": "us-2", header: "the-client-secret"}) if header else Answer(400, body)
    error, _ = refused(DISCOVER, echo)

    assert not any(secret in f"{error} {error.trace_id}" for secret in ("the-client-", "the-child"))
    assert str(error).isprintable()
    assert header or "bad [redacted]:[redacted]:[redacted]" in str(error)


def test_a_client_shows_neither_credentials_nor_token() -> None:
    shown = repr(Bench().log_in().falcon)

    assert not any(secret in shown for secret in ("the-client-id", "the-client-secret", "token-1"))
