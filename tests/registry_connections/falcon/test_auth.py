"""The login: which cloud, which body, and why there is no token."""

from urllib.parse import parse_qs

import pytest

from registry_connections.core.errors import AuthenticationError
from registry_connections.core.model import FALCON_CLOUDS, Credentials
from tests.registry_connections.falcon.wire import Api, Reply, bench, in_turn, refusal

HOSTS = {cloud: url.removeprefix("https://") for cloud, url in FALCON_CLOUDS.items()}


def moved_to(cloud: str, location: str = "https://elsewhere.example/oauth2/token") -> Reply:
    return Reply(308, headers={"Location": location, "X-Cs-Region": cloud})


# Clouds and tokens


def test_a_named_cloud_is_asked_for_a_token_with_the_credentials_in_the_body() -> None:
    made = bench(Api(), "eu-1").log_in("us-2")

    (sent,) = made.wire.sent
    assert (sent.method, sent.url) == ("POST", f"{FALCON_CLOUDS['eu-1']}/oauth2/token")
    assert parse_qs(sent.body.decode()) == {"client_id": ["the-client-id"], "client_secret": ["the-client-secret"]}


PROXY = "https://proxy.example"
DISCOVER = "autodiscover"


@pytest.mark.parametrize(
    ("named", "hint", "home", "asked", "cloud"),
    [
        (DISCOVER, "", "us-2", ["us-1", "us-2"], "us-2"),  # a token that names another cloud is used there
        *((DISCOVER, "", home, ["us-1", "us-1"], "us-1") for home in ("us-gov-1", "us-gov-2")),
        ("us-1", "us-2", "us-2", ["us-1", "us-1"], "us-1"),  # a named cloud is kept
        (DISCOVER, "eu-1", "eu-1", ["eu-1", "eu-1"], "eu-1"),  # where it succeeded before
        *((DISCOVER, hint, "us-1", ["us-1", "us-1"], "us-1") for hint in (DISCOVER, "mars-1", "us-gov-1", "us-gov-2")),
        (PROXY, "us-2", "eu-1", ["proxy", "proxy"], "eu-1"),  # an URL of the operator ends discovery
    ],
)
def test_a_cloud_is_named_or_known_from_before_or_from_its_token(
    named: str, hint: str, home: str, asked: list[str], cloud: str
) -> None:
    made = bench(Api(home=home), DISCOVER if named == PROXY else named, PROXY * (named == PROXY)).log_in(hint)
    made.create()

    assert made.wire.hosts == [HOSTS.get(each, "proxy.example") for each in asked]
    assert made.wire.sent[-1].bearer == "token-1"
    assert made.falcon.cloud == cloud


@pytest.mark.parametrize("spelling", ["us-2", "us2", "US-2"])
def test_discovery_follows_a_redirect_by_the_clouds_name_however_spelled_and_not_by_its_location(spelling: str) -> None:
    api = Api(on_token=in_turn(moved_to(spelling), Reply(201, {"access_token": "token"})))
    made = bench(api, DISCOVER).log_in()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["us-2"]]
    assert (made.falcon.cloud, made.login.base_url) == ("us-2", FALCON_CLOUDS["us-2"])


@pytest.mark.parametrize(
    ("named", "redirects", "asked", "told"),
    [
        *(
            (DISCOVER, [unknown], ["us-1"], "FalconCloud")
            for unknown in ("us-gov-1", "us-gov-2", "mars-1", "elsewhere.example")
        ),
        (DISCOVER, ["us-2", "eu-1"], ["us-1", "us-2"], "belong to eu-1, not us-2"),
        (PROXY, ["eu-1"], ["proxy"], "not the cloud behind FalconApiUrl"),
        ("us-2", ["eu-1"], ["us-2"], "belong to eu-1, not us-2: name the right cloud in FalconCloud"),
    ],
)
def test_the_credentials_follow_no_other_redirect(
    named: str, redirects: list[str], asked: list[str], told: str
) -> None:
    api = Api(on_token=in_turn(*map(moved_to, redirects)))
    made = bench(api, DISCOVER if named == PROXY else named, PROXY * (named == PROXY))
    with pytest.raises(AuthenticationError, match=told):
        made.log_in()

    assert made.wire.hosts == [HOSTS.get(each, "proxy.example") for each in asked]


PAGE = b"<html><body>Please sign in to the network</body></html>"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refusal(400, "invalid client"), "the client id is unknown in us-1"),
        (refusal(401, "access denied"), "the client secret is wrong"),
        (refusal(403, "access denied, authorization failed"), "IP allow-list"),
        (refusal(404, "not here"), "gave no token"),
        (Reply(201, {"meta": {}}), "gave no token"),
        (Reply(201, {"meta": {}, "access_token": 5}), "gave no token"),
        (Reply(201, {"meta": {}, "access_token": "two\nlines"}), "gave no token"),
        (Reply(201, {"no": "envelope"}), "not Falcon's"),
        (Reply(200, PAGE), "not Falcon's"),
        (Reply(302, PAGE, {"Location": "https://portal.example/login"}), "not Falcon's"),
        (Reply(403, PAGE), "not Falcon's"),
        (Reply(401, b""), "not Falcon's"),
        (Reply(401, b"", {"X-Cs-Traceid": "trace"}), "the client secret is wrong"),
    ],
)
def test_a_login_without_a_token_says_at_once_what_to_look_at(reply: Reply, told: str) -> None:
    made = bench(Api(on_token=in_turn(reply)))
    with pytest.raises(AuthenticationError, match=told) as caught:
        made.log_in()

    assert (caught.value.status, made.clock.now) == (reply.status, 0)
    assert ("secret is wrong" in str(caught.value)) is ("secret is wrong" in told)


def test_a_child_tenant_is_named_with_the_token_request_and_in_no_message() -> None:
    child = Credentials("the-client-id", "the-client-secret", member_cid="the-child")
    made = bench(Api(), credentials=child).log_in()
    wrong = bench(Api(on_token=in_turn(refusal(403, "the-child is no customer ID of yours"))), credentials=child)
    with pytest.raises(AuthenticationError, match="may not act for the tenant in member_cid") as caught:
        wrong.log_in()

    assert parse_qs(made.wire.sent[0].body.decode())["member_cid"] == ["the-child"]
    assert "the-child" not in str(caught.value)


def test_a_login_to_which_falcon_never_responds_is_told_as_a_login() -> None:
    with pytest.raises(AuthenticationError, match="Falcon login: HTTP 503: Falcon is in trouble"):
        bench(Api(on_token=in_turn(Reply(503)))).log_in()


@pytest.mark.parametrize("header", ["X-Cs-Region", "X-Cs-Traceid", "Location", ""])
def test_what_falcon_echoes_of_the_credentials_is_not_told(header: str) -> None:
    body = {"errors": [{"code": 400, "message": "bad the-client-id:the-client-secret\x1b[2J\n"}]}
    echo = Reply(308, b"", {"X-Cs-Region": "us-2", header: "the-client-secret"}) if header else Reply(400, body)
    with pytest.raises(AuthenticationError) as caught:
        bench(Api(on_token=in_turn(echo)), DISCOVER).log_in()

    assert "the-client-" not in f"{caught.value} {caught.value.trace_id}"
    assert str(caught.value).isprintable()
    assert header or "bad [redacted]:[redacted]" in str(caught.value)


def test_a_client_shows_neither_credentials_nor_token() -> None:
    shown = repr(bench(Api()).log_in().falcon)

    assert not any(secret in shown for secret in ("the-client-id", "the-client-secret", "token-1"))
