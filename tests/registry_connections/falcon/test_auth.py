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


def test_discovery_follows_a_redirect_by_the_clouds_name_and_not_by_its_location() -> None:
    api = Api(on_token=in_turn(moved_to("eu-1"), Reply(201, {"access_token": "token"}, {"X-Cs-Region": "eu-1"})))
    made = bench(api, "autodiscover").log_in()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["eu-1"]]
    assert (made.falcon.cloud, made.login.base_url) == ("eu-1", FALCON_CLOUDS["eu-1"])


@pytest.mark.parametrize("spelling", ["us-2", "us2", "US-2"])
def test_discovery_knows_a_cloud_however_falcon_spells_it(spelling: str) -> None:
    api = Api(on_token=in_turn(moved_to(spelling), Reply(201, {"access_token": "token"})))
    made = bench(api, "autodiscover").log_in()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["us-2"]]
    assert made.falcon.cloud == "us-2"


@pytest.mark.parametrize("named", ["us-gov-1", "us-gov-2", "mars-1", "elsewhere.example"])
def test_discovery_takes_the_credentials_to_no_government_cloud_and_no_unknown_one(named: str) -> None:
    made = bench(Api(on_token=in_turn(moved_to(named))), "autodiscover")
    with pytest.raises(AuthenticationError, match="FalconCloud"):
        made.log_in()

    assert made.wire.hosts == [HOSTS["us-1"]]


def test_a_second_redirect_ends_discovery() -> None:
    made = bench(Api(on_token=in_turn(moved_to("us-2"), moved_to("eu-1"))), "autodiscover")
    with pytest.raises(AuthenticationError, match="belong to eu-1, not us-2"):
        made.log_in()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["us-2"]]


def test_a_token_that_names_another_cloud_is_used_there() -> None:
    made = bench(Api(home="us-2"), "autodiscover").log_in()
    made.create()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["us-2"]]
    assert made.wire.sent[-1].bearer == "token-1"
    assert made.falcon.cloud == "us-2"


@pytest.mark.parametrize("home", ["us-gov-1", "us-gov-2"])
def test_a_token_that_names_a_government_cloud_is_used_where_it_was_issued(home: str) -> None:
    made = bench(Api(home=home), "autodiscover").log_in()

    assert (made.falcon.cloud, made.login.base_url) == ("us-1", FALCON_CLOUDS["us-1"])


def test_a_named_cloud_is_kept_whatever_the_token_names() -> None:
    made = bench(Api(home="us-2"), "us-1").log_in()

    assert (made.falcon.cloud, made.login.base_url) == ("us-1", FALCON_CLOUDS["us-1"])


def test_discovery_begins_where_it_succeeded_before() -> None:
    made = bench(Api(home="eu-1"), "autodiscover").log_in("eu-1")

    assert made.wire.hosts == [HOSTS["eu-1"]]


@pytest.mark.parametrize("hint", ["", "autodiscover", "mars-1", "us-gov-1", "us-gov-2"])
def test_discovery_begins_in_the_first_commercial_cloud_without_a_useful_hint(hint: str) -> None:
    made = bench(Api(home="us-1"), "autodiscover").log_in(hint)

    assert made.wire.hosts == [HOSTS["us-1"]]


def test_an_url_of_the_operator_ends_discovery() -> None:
    made = bench(Api(home="eu-1"), "autodiscover", "https://proxy.example").log_in("us-2")
    made.create()

    assert made.wire.hosts == ["proxy.example", "proxy.example"]
    assert made.falcon.cloud == "eu-1"


def test_a_redirect_by_the_url_of_the_operator_is_not_followed() -> None:
    made = bench(Api(on_token=in_turn(moved_to("eu-1"))), "autodiscover", "https://proxy.example")
    with pytest.raises(AuthenticationError, match="not the cloud behind FalconApiUrl"):
        made.log_in()

    assert made.wire.hosts == ["proxy.example"]


def test_a_redirect_by_a_named_cloud_is_not_followed() -> None:
    made = bench(Api(on_token=in_turn(moved_to("eu-1"))), "us-2")
    with pytest.raises(AuthenticationError, match="belong to eu-1, not us-2: name the right cloud in FalconCloud"):
        made.log_in()

    assert made.wire.hosts == [HOSTS["us-2"]]


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


@pytest.mark.parametrize("header", ["X-Cs-Region", "X-Cs-Traceid", "Location"])
def test_a_secret_that_falcon_echoes_in_a_header_is_not_told(header: str) -> None:
    echo = {"X-Cs-Region": "us-2", header: "the-client-secret"}
    with pytest.raises(AuthenticationError) as caught:
        bench(Api(on_token=in_turn(Reply(308, b"", echo))), "autodiscover").log_in()

    assert "the-client-secret" not in f"{caught.value} {caught.value.trace_id}"


def test_what_falcon_echoes_of_the_credentials_is_not_told() -> None:
    echo = refusal(400, "bad the-client-id:the-client-secret\x1b[2J\n")
    with pytest.raises(AuthenticationError) as caught:
        bench(Api(on_token=in_turn(echo))).log_in()

    assert "bad [redacted]:[redacted]" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_client_shows_neither_credentials_nor_token() -> None:
    shown = repr(bench(Api()).log_in().falcon)

    assert not any(secret in shown for secret in ("the-client-id", "the-client-secret", "token-1"))
