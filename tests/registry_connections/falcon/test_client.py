"""The Falcon client against answers from memory: clouds, tokens, pages, payloads and what refusals mean."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest

from registry_connections.crew import Crew
from registry_connections.errors import (
    AuthenticationError,
    ConflictError,
    CredentialError,
    FalconError,
    NotFoundError,
    ScopeError,
)
from registry_connections.falcon import ENTITIES, IDS_PER_PAGE, IDS_PER_READ, LISTINGS, QUERIES, Falcon
from registry_connections.model import FALCON_CLOUDS, Credentials, Deadline, Registry, RoleGrant
from tests.fakes import Clock, InlineCrew
from tests.unit.wire import Reply, Sent, Wire, in_turn, transport_on

CREDENTIALS = Credentials("the-client-id", "the-client-secret")
HOSTS = {cloud: url.removeprefix("https://") for cloud, url in FALCON_CLOUDS.items()}
REGISTRY = Registry("eu-west-1", "111122223333", "amazonaws.com")
ROLE = "arn:aws:iam::111122223333:role/connection"
GRANT = RoleGrant(ROLE, "external", "aws", government_cloud=False)
REJECTED = Reply(400, {"errors": [{"code": 400, "message": "failed to validate registry credential: no access"}]})
MADE = Reply(200, {"resources": {"id": "id-1"}})


def refusal(status: int, message: str) -> Reply:
    return Reply(status, {"errors": [{"code": status, "message": message}]})


def moved_to(cloud: str, location: str = "https://elsewhere.example/oauth2/token") -> Reply:
    return Reply(308, headers={"Location": location, "X-Cs-Region": cloud})


@dataclass
class Api:
    """Falcon's operations; each of them may be replaced, and what each was asked is kept."""

    home: str = ""
    on_token: Callable[[Sent], Reply] | None = None
    on_entities: Callable[[Sent], Reply] = lambda _: MADE
    on_queries: Callable[[Sent], Reply] = lambda _: Reply(200, {"resources": []})
    tokens: int = 0
    asked: list[Sent] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, sent: Sent) -> Reply:
        with self._lock:
            if sent.path == "/oauth2/token":
                return self._token(sent)
            self.asked.append(sent)
        return {ENTITIES: self.on_entities, QUERIES: self.on_queries}[sent.path](sent)

    def _token(self, sent: Sent) -> Reply:
        if self.on_token:
            return self.on_token(sent)
        self.tokens += 1
        headers = {"X-Cs-Region": self.home, "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}
        return Reply(201, {"access_token": f"token-{self.tokens}"}, headers)


@dataclass
class Bench:
    """A client and all that is around it."""

    falcon: Falcon
    wire: Wire
    clock: Clock

    @property
    def deadline(self) -> Deadline:
        return Deadline(self.clock.now + 800, self.clock)

    def log_in(self, hint: str = "") -> "Bench":
        self.falcon.log_in(self.deadline, hint)
        return self

    def create(self, grant: RoleGrant = GRANT, patience: float = 0) -> str:
        return self.falcon.create(REGISTRY, grant, self.deadline, patience)


def bench(api: Callable[[Sent], Reply], cloud: str = "us-1", api_url: str = "", crew: Crew | None = None) -> Bench:
    clock, wire = Clock(), Wire(api)
    return Bench(Falcon(transport_on(wire, clock), crew or InlineCrew(clock), CREDENTIALS, cloud, api_url), wire, clock)


# Clouds and tokens


def test_a_named_cloud_is_asked_for_a_token_with_the_credentials_in_the_body() -> None:
    made = bench(Api(), "eu-1").log_in("us-2")

    (sent,) = made.wire.sent
    assert (sent.method, sent.url) == ("POST", f"{FALCON_CLOUDS['eu-1']}/oauth2/token")
    assert parse_qs(sent.body.decode()) == {"client_id": ["the-client-id"], "client_secret": ["the-client-secret"]}
    assert made.falcon.server_time == "2026-01-01T00:00:00+00:00"


def test_discovery_follows_a_redirect_by_the_clouds_name_and_not_by_its_location() -> None:
    api = Api(on_token=in_turn(moved_to("eu-1"), Reply(201, {"access_token": "token"}, {"X-Cs-Region": "eu-1"})))
    made = bench(api, "autodiscover").log_in()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["eu-1"]]
    assert (made.falcon.cloud, made.falcon.base_url) == ("eu-1", FALCON_CLOUDS["eu-1"])


@pytest.mark.parametrize("spelling", ["us-2", "us2", "US-2"])
def test_discovery_knows_a_cloud_however_falcon_spells_it(spelling: str) -> None:
    api = Api(on_token=in_turn(moved_to(spelling), Reply(201, {"access_token": "token"})))
    made = bench(api, "autodiscover").log_in()

    assert made.wire.hosts == [HOSTS["us-1"], HOSTS["us-2"]]
    assert made.falcon.cloud == "us-2"


@pytest.mark.parametrize("named", ["us-gov-1", "us-gov-2", "mars-1", "", "elsewhere.example"])
def test_discovery_takes_the_credentials_to_no_government_cloud_and_no_unknown_one(named: str) -> None:
    made = bench(Api(on_token=in_turn(moved_to(named))), "autodiscover")
    with pytest.raises(AuthenticationError, match="name the cloud in FalconCloud"):
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

    assert (made.falcon.cloud, made.falcon.base_url) == ("us-1", FALCON_CLOUDS["us-1"])


def test_a_named_cloud_is_kept_whatever_the_token_names() -> None:
    made = bench(Api(home="us-2"), "us-1").log_in()

    assert (made.falcon.cloud, made.falcon.base_url) == ("us-1", FALCON_CLOUDS["us-1"])


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
    with pytest.raises(AuthenticationError, match="belong to eu-1, not us-2: correct FalconCloud"):
        made.log_in()

    assert made.wire.hosts == [HOSTS["us-2"]]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refusal(400, "invalid client"), "the client id is unknown in us-1"),
        (refusal(401, "access denied"), "the client secret is wrong"),
        (refusal(403, "access denied, authorization failed"), "IP allow-list"),
        (refusal(404, "not here"), "gave no token"),
        (Reply(201, {"no": "token"}), "gave no token"),
        (Reply(201, {"access_token": 5}), "gave no token"),
        (Reply(201, {"access_token": "two\nlines"}), "gave no token"),
        (Reply(201, ["token"]), "gave no token"),
    ],
)
def test_a_login_without_a_token_says_what_to_look_at(reply: Reply, told: str) -> None:
    with pytest.raises(AuthenticationError, match=told):
        bench(Api(on_token=in_turn(reply))).log_in()


def test_a_login_that_falcon_never_answers_is_told_as_a_login() -> None:
    with pytest.raises(AuthenticationError, match="Falcon login: HTTP 503: Falcon is in trouble"):
        bench(Api(on_token=in_turn(Reply(503)))).log_in()


def test_what_falcon_echoes_of_the_credentials_is_not_told() -> None:
    echo = refusal(400, "bad the-client-id:the-client-secret\x1b[2J\n")
    with pytest.raises(AuthenticationError) as caught:
        bench(Api(on_token=in_turn(echo))).log_in()

    assert "bad [redacted]:[redacted]" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_client_shows_neither_credentials_nor_token() -> None:
    shown = repr(bench(Api()).log_in().falcon)

    assert not any(secret in shown for secret in ("the-client-id", "the-client-secret", "token-1"))


def accepting(token: str) -> Callable[[Sent], Reply]:
    return lambda sent: MADE if sent.bearer == token else refusal(401, "access denied, invalid bearer token")


def test_a_token_that_is_not_taken_any_more_is_renewed() -> None:
    api = Api(on_entities=accepting("token-2"))
    made = bench(api).log_in()

    assert made.create() == "id-1"
    assert [sent.bearer for sent in api.asked] == ["token-1", "token-2"]


def test_a_token_is_renewed_once_and_no_more() -> None:
    api = Api(on_entities=accepting("none"))
    made = bench(api).log_in()
    for _ in range(3):
        with pytest.raises(AuthenticationError):
            made.create()

    assert api.tokens == 2


def test_calls_that_are_refused_together_renew_the_token_once() -> None:
    crew = Crew(16)
    api = Api(on_entities=accepting("token-2"))
    made = bench(api, crew=crew).log_in()
    results = crew.each(lambda _: made.create(), range(16), Deadline(60, Clock()))
    crew.dismiss()

    assert results == ["id-1"] * 16
    assert api.tokens == 2


# Create, refresh, remove


def test_a_connection_is_made_with_what_the_commercial_cloud_needs_and_no_more() -> None:
    api = Api()
    bench(api).log_in().create()

    assert api.asked[0].json == {
        "type": "ecr",
        "url": "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        "user_defined_alias": "ecr-111122223333-eu-west-1",
        "credential": {"type": "ecr", "details": {"aws_iam_role": ROLE, "aws_external_id": "external"}},
    }


@pytest.mark.parametrize(("partition", "commercial"), [("aws", True), ("aws-us-gov", False), ("aws-cn", True)])
def test_a_government_cloud_is_told_what_partition_the_role_is_of(partition: str, commercial: object) -> None:
    api = Api()
    bench(api, "us-gov-1").log_in().create(RoleGrant(ROLE, "external", partition, government_cloud=True))
    payload = api.asked[0].json

    assert payload["all_repositories_monitored"] is True
    assert payload["credential"]["details"]["aws_gov_using_commercial_connection"] is commercial


def test_a_refresh_names_the_connection_and_sends_credential_and_alias_only() -> None:
    api = Api()
    made = bench(api).log_in()
    made.falcon.refresh(REGISTRY, "id-7", GRANT, made.deadline, 0)

    assert (api.asked[0].method, api.asked[0].query) == ("PATCH", {"id": ["id-7"]})
    assert api.asked[0].json == {"credential": GRANT.credential(), "user_defined_alias": REGISTRY.alias}


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("resources", [{"id": "id-1"}, [{"id": "id-1"}]], ids=["object", "list"])
def test_the_id_is_found_in_whichever_form_falcon_answers(status: int, resources: object) -> None:
    assert bench(Api(on_entities=in_turn(Reply(status, {"resources": resources})))).log_in().create() == "id-1"


@pytest.mark.parametrize("body", [b"", {}, {"resources": []}, {"resources": [{"id": 5}]}, {"resources": None}])
def test_a_create_accepted_without_an_id_is_looked_for_as_our_own(body: object) -> None:
    with pytest.raises(ConflictError) as caught:
        bench(Api(on_entities=in_turn(Reply(200, body)))).log_in().create()

    assert caught.value.repeated


def test_a_conflict_after_a_lost_answer_may_be_our_own() -> None:
    with pytest.raises(ConflictError) as caught:
        bench(Api(on_entities=in_turn(Reply(500), refusal(409, "exists")))).log_in().create()

    assert caught.value.repeated


def test_a_conflict_at_once_is_somebody_elses() -> None:
    with pytest.raises(ConflictError) as caught:
        bench(Api(on_entities=in_turn(refusal(409, "exists")))).log_in().create()

    assert not caught.value.repeated


def test_errors_beside_a_success_are_errors() -> None:
    body = {"resources": [{"id": "id-1"}], "errors": [{"code": 409, "message": "exists"}]}
    with pytest.raises(ConflictError, match="HTTP 409 exists"):
        bench(Api(on_entities=in_turn(Reply(200, body)))).log_in().create()


def test_a_role_that_is_not_known_everywhere_yet_is_tried_again() -> None:
    made = bench(Api(on_entities=in_turn(REJECTED, REJECTED, REJECTED, MADE))).log_in()

    assert made.create(patience=120) == "id-1"
    assert 0 < made.clock.now < 10


def test_a_role_that_stays_unusable_is_told_within_the_patience() -> None:
    made = bench(Api(on_entities=in_turn(REJECTED))).log_in()
    with pytest.raises(CredentialError, match="Falcon cannot use the connection role"):
        made.create(patience=120)

    assert 100 < made.clock.now <= 120


def test_a_role_that_was_known_before_is_tried_once() -> None:
    api = Api(on_entities=in_turn(REJECTED))
    made = bench(api).log_in()
    with pytest.raises(CredentialError):
        made.create(patience=0)

    assert len(api.asked) == 1


def test_a_conflict_after_a_rejected_role_may_be_our_own() -> None:
    with pytest.raises(ConflictError) as caught:
        bench(Api(on_entities=in_turn(REJECTED, refusal(409, "exists")))).log_in().create(patience=60)

    assert caught.value.repeated


@pytest.mark.parametrize(("method", "access"), [("read", "READ"), ("create", "WRITE")])
def test_a_missing_scope_is_named(method: str, access: str) -> None:
    api = Api(on_entities=in_turn(refusal(403, "access denied, scope not permitted")))
    made = bench(api).log_in()
    order: Callable[[], Any] = made.create if method == "create" else lambda: made.falcon.read(["id"], made.deadline)
    with pytest.raises(ScopeError, match=f"lacks the scope Falcon Container Image: {access}"):
        order()

    assert len(api.asked) == 1


def test_removing_what_is_gone_succeeds() -> None:
    api = Api(on_entities=in_turn(refusal(404, "no such registry")))
    made = bench(api).log_in()
    made.falcon.remove("id-1", made.deadline)

    assert [(sent.method, sent.query) for sent in api.asked] == [("DELETE", {"ids": ["id-1"]})]


def test_a_refused_removal_of_what_is_gone_succeeds() -> None:
    made = bench(Api(on_entities=in_turn(refusal(400, "unknown id"), Reply(200, {"resources": []})))).log_in()
    made.falcon.remove("id-1", made.deadline)

    assert [sent.method for sent in made.wire.sent[1:]] == ["DELETE", "GET"]


def test_a_refused_removal_of_what_is_there_fails() -> None:
    there = Reply(200, {"resources": [{"id": "id-1"}]})
    made = bench(Api(on_entities=in_turn(refusal(400, "busy"), there))).log_in()
    with pytest.raises(FalconError, match="HTTP 400 busy"):
        made.falcon.remove("id-1", made.deadline)


# Read and list


@dataclass
class Shelf:
    """The connections of a tenant, as Falcon lists and shows them."""

    identifiers: list[str]
    unknown_is_404: bool = False
    largest_page: int = IDS_PER_PAGE
    before_page: Callable[[int], None] = lambda _: None

    def show(self, sent: Sent) -> Reply:
        asked = sent.query["ids"]
        assert len(asked) <= IDS_PER_READ
        known = [{"id": name, "type": "ecr"} for name in asked if name in self.identifiers]
        if self.unknown_is_404 and len(known) < len(asked):
            return refusal(404, "registry not found")
        return Reply(200, {"resources": known})

    def listed(self, sent: Sent) -> Reply:
        limit, offset = int(sent.query["limit"][0]), int(sent.query["offset"][0])
        assert limit <= IDS_PER_PAGE
        self.before_page(offset)
        page = self.identifiers[offset : offset + min(limit, self.largest_page)]
        pagination = {"limit": limit, "offset": offset, "total": len(self.identifiers)}
        return Reply(200, {"resources": page, "meta": {"pagination": pagination}})

    def api(self) -> Api:
        return Api(on_entities=self.show, on_queries=self.listed)


def names(count: int) -> list[str]:
    return [f"id-{number:05d}" for number in range(count)]


def test_a_tenant_of_more_than_a_page_is_listed_whole() -> None:
    shelf = Shelf(names(10_001))
    api = shelf.api()
    made = bench(api).log_in()
    found = made.falcon.list_all(made.deadline)

    offsets = [sent.query["offset"] for sent in api.asked if sent.path == QUERIES]
    assert sorted(connection.id for connection in found) == shelf.identifiers
    assert offsets == [["0"], ["5000"], ["10000"]]
    assert len(api.asked) == 3 + 101


def test_pages_smaller_than_asked_for_are_all_listed() -> None:
    shelf = Shelf(names(250), largest_page=100)
    made = bench(shelf.api()).log_in()

    assert len(made.falcon.list_all(made.deadline)) == 250


def test_an_empty_tenant_costs_one_call() -> None:
    api = Shelf([]).api()
    made = bench(api).log_in()

    assert made.falcon.list_all(made.deadline) == []
    assert len(api.asked) == 1


def test_a_listing_that_shifts_under_the_pages_is_listed_again() -> None:
    """When somebody removes a connection of the first page, one slips out of sight from the second to the first."""
    shelf = Shelf(names(6_000))
    left = ["id-00000"]

    def remove_one(offset: int) -> None:
        if offset and left:
            shelf.identifiers.remove(left.pop())

    shelf.before_page = remove_one
    api = shelf.api()
    made = bench(api).log_in()
    found = {connection.id for connection in made.falcon.list_all(made.deadline)}

    assert found == set(shelf.identifiers)
    assert "id-05000" in found
    assert sum(sent.path == QUERIES for sent in api.asked) == 4


def test_a_listing_that_never_fits_its_own_count_is_taken_after_some_attempts() -> None:
    page = Reply(200, {"resources": ["id-00000"], "meta": {"pagination": {"total": 2}}})
    api = Api(on_entities=Shelf(names(1)).show, on_queries=lambda _: page)
    made = bench(api).log_in()

    assert [connection.id for connection in made.falcon.list_all(made.deadline)] == ["id-00000"]
    assert sum(sent.path == QUERIES for sent in api.asked) == 2 * LISTINGS


@pytest.mark.parametrize("unknown_is_404", [False, True], ids=["left out", "404"])
def test_unknown_ids_do_not_hide_the_known_ones(unknown_is_404: object) -> None:
    shelf = Shelf(names(150), unknown_is_404=bool(unknown_is_404))
    api = shelf.api()
    made = bench(api).log_in()
    found = made.falcon.read([*shelf.identifiers, "id-unknown"], made.deadline)

    assert sorted(connection.id for connection in found) == shelf.identifiers
    assert len(api.asked) == (2 + 2 * 6 if unknown_is_404 else 2)


def test_an_id_that_is_unknown_alone_is_nothing_found() -> None:
    made = bench(Shelf([], unknown_is_404=True).api()).log_in()

    assert made.falcon.read(["id-unknown"], made.deadline) == []


def test_what_was_not_asked_for_is_not_believed() -> None:
    api = Api(on_entities=in_turn(Reply(200, {"resources": [{"id": "id-1"}, {"id": "id-other"}, "id-1", None]})))
    made = bench(api).log_in()

    assert [connection.id for connection in made.falcon.read(["id-1"], made.deadline)] == ["id-1"]


@pytest.mark.parametrize("body", [{}, [], "text", {"resources": {"id": "id-1"}}])
def test_an_answer_without_a_list_is_no_proof_of_absence(body: object) -> None:
    made = bench(Api(on_entities=in_turn(Reply(200, body)))).log_in()
    with pytest.raises(FalconError):
        made.falcon.read(["id-1"], made.deadline)


def test_one_batch_that_fails_fails_the_read() -> None:
    shelf = Shelf(names(250))
    replies = in_turn(refusal(403, "access denied, scope not permitted"))
    api = Api(on_entities=lambda sent: replies(sent) if "id-00150" in sent.query["ids"] else shelf.show(sent))
    made = bench(api).log_in()
    with pytest.raises(ScopeError):
        made.falcon.read(shelf.identifiers, made.deadline)


def test_a_refresh_of_what_is_gone_says_so() -> None:
    made = bench(Api(on_entities=in_turn(refusal(404, "registry not found")))).log_in()
    with pytest.raises(NotFoundError):
        made.falcon.refresh(REGISTRY, "id-1", GRANT, made.deadline, 60)


def test_a_probe_asks_for_one_id() -> None:
    api = Api()
    made = bench(api).log_in()
    made.falcon.probe(made.deadline)

    assert api.asked[0].query == {"limit": ["1"]}
