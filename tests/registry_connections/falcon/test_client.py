"""The Falcon client against responses from memory: tokens, pages, payloads and what refusals mean."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import (
    AuthenticationError,
    ConflictError,
    CredentialError,
    FalconError,
    MalformedError,
    NotFalconError,
    ScopeError,
)
from registry_connections.core.model import Deadline, RoleGrant
from registry_connections.falcon.client import IDS_PER_PAGE, IDS_PER_READ, LISTINGS, MOST_PAGES, QUERIES
from tests.registry_connections.fakes import VirtualClock
from tests.registry_connections.falcon.wire import MADE, Api, Reply, Sent, bench, in_turn, refusal
from tests.registry_connections.samples import GRANT, IDENTITY, ROLE

REGISTRY = IDENTITY.registry("eu-west-1")
NOTHING = Reply(200, {"resources": []})
REJECTED = refusal(400, "failed to validate registry credential: no access")
REJECTED_OTHERWISE = refusal(400, "failed to assume the given AWS IAM role: access denied")


# Tokens


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
    pool = ThreadPool(16)
    api = Api(on_entities=accepting("token-2"))
    made = bench(api, pool=pool).log_in()
    results = pool.map(lambda _: made.create(), range(16), Deadline(60, VirtualClock()))
    pool.shutdown()

    assert results == ["id-1"] * 16
    assert api.tokens == 2


# Create, refresh, remove


def test_a_connection_is_made_with_what_the_commercial_cloud_needs_and_no_more() -> None:
    api = Api()
    bench(api).log_in().create()

    assert api.asked[0].json == {
        "type": "ecr",
        "url": "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        "user_defined_alias": "an-alias",
        "credential": {"type": "ecr", "details": {"aws_iam_role": ROLE, "aws_external_id": GRANT.external_id}},
    }


@pytest.mark.parametrize(("partition", "commercial"), [("aws", True), ("aws-us-gov", False)])
def test_a_government_cloud_is_told_what_partition_the_role_is_of(partition: str, *, commercial: bool) -> None:
    api = Api()
    made = bench(api, "us-gov-1").log_in()
    grant = RoleGrant(ROLE, "external", partition, government_cloud=True)
    made.falcon.create(REGISTRY, "an-alias", grant, made.deadline, fresh=False)
    payload = api.asked[0].json

    assert payload["all_repositories_monitored"] is True
    assert payload["credential"]["details"]["aws_gov_using_commercial_connection"] is commercial


@pytest.mark.parametrize(("alias", "sent"), [("", {}), ("new", {"user_defined_alias": "new"})])
def test_a_refresh_names_the_connection_and_sends_the_credential_and_an_alias_only_if_it_changes(
    alias: str, sent: dict[str, str]
) -> None:
    api = Api()
    made = bench(api).log_in()
    made.falcon.refresh("id-7", alias, GRANT, made.deadline, fresh=False)

    assert (api.asked[0].method, api.asked[0].query) == ("PATCH", {"id": ["id-7"]})
    assert api.asked[0].json == {"credential": GRANT.credential(), **sent}


@pytest.mark.parametrize(
    "body", [b"", {"resources": []}, {"resources": [{"id": 5}]}, {"resources": None}, {"resources": {"id": ROLE}}]
)
def test_a_create_accepted_without_an_id_is_looked_for_as_our_own(body: object) -> None:
    with pytest.raises(ConflictError) as caught:
        bench(Api(on_entities=in_turn(Reply(200, body)))).log_in().create()

    assert caught.value.may_have_succeeded


EXISTS = refusal(409, "exists")


@pytest.mark.parametrize(
    ("replies", "own"),
    [([Reply(500), EXISTS], True), ([REJECTED, EXISTS], True), ([EXISTS], False)],
    ids=["after a lost response", "after a refused role", "at once"],
)
def test_a_conflict_may_be_our_own_unless_it_comes_at_once(replies: list[Reply], *, own: bool) -> None:
    with pytest.raises(ConflictError) as caught:
        bench(Api(on_entities=in_turn(*replies))).log_in().create(fresh=True)

    assert caught.value.may_have_succeeded is own


@pytest.mark.parametrize(
    ("refused", "seconds"), [(REJECTED, 120), (REJECTED_OTHERWISE, 60), (refusal(400, "anything else"), 60)]
)
def test_a_fresh_role_that_falcon_refuses_in_any_words_is_tried_again_for_as_long_as_the_words_are_worth(
    refused: Reply, seconds: float
) -> None:
    soon = bench(Api(on_entities=in_turn(refused, refused, refused, MADE))).log_in()
    never = bench(Api(on_entities=in_turn(refused))).log_in()
    with pytest.raises(CredentialError, match="role"):
        never.create(fresh=True)

    assert soon.create(fresh=True) == "id-1"
    assert 0 < soon.clock.now < 10
    soon.wire.respond = Api(on_entities=in_turn(refused, MADE))
    soon.falcon.refresh("id-1", "", GRANT, soon.deadline, fresh=True)
    assert seconds - 15 < never.clock.now <= seconds


@pytest.mark.parametrize("refused", [REJECTED, REJECTED_OTHERWISE])
def test_a_role_that_was_known_before_is_tried_once(refused: Reply) -> None:
    api = Api(on_entities=in_turn(refused))
    made = bench(api).log_in()
    with pytest.raises(CredentialError):
        made.create()

    assert len(api.asked) == 1


def test_a_secret_that_falcon_echoes_anywhere_in_a_connection_is_not_shown() -> None:
    echo = dict.fromkeys(("user_defined_alias", "state", "created_at"), f"x the-client-secret {GRANT.external_id}")
    named = {"id": "the-client-secret", **echo}
    made = bench(Api(on_entities=in_turn(MADE, Reply(200, {"resources": [{"id": "id-1", **echo}, named]})))).log_in()
    made.create()
    (found,) = made.falcon.read(["id-1", "the-client-secret"], made.deadline)

    assert (found.alias, found.state) == ("x [redacted] [redacted]", "x [redacted] [redacted]")
    assert "the-client-secret" not in repr(found)


@pytest.mark.parametrize(
    ("replies", "gone"),
    [
        ([refusal(404, "no such registry")], True),
        *(([Reply(status, {"errors": [{"code": 400, "message": "busy"}]}), NOTHING], True) for status in (400, 200)),
        ([refusal(400, "busy"), Reply(200, {"resources": [{"id": "id-1", "type": "ecr"}]})], False),
    ],
)
def test_a_refused_removal_succeeds_if_there_is_nothing_to_remove(replies: list[Reply], *, gone: bool) -> None:
    api = Api(on_entities=in_turn(*replies))
    made = bench(api).log_in()
    with nullcontext() if gone else pytest.raises(FalconError, match="HTTP 400 busy"):
        made.falcon.remove("id-1", made.deadline)

    asked = [("DELETE", {"ids": ["id-1"]}), ("GET", {"ids": ["id-1"]})][: len(replies)]
    assert [(sent.method, sent.query) for sent in api.asked] == asked


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


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (250, 3 + 3)])
def test_a_tenant_is_listed_whole_in_pages_smaller_than_asked_for_and_an_empty_one_with_one_call(
    count: int, calls: int
) -> None:
    api = Shelf(names(count), largest_page=100).api()
    made = bench(api).log_in()

    assert len(made.falcon.list_all(made.deadline)) == count
    assert len(api.asked) == calls


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


def test_a_listing_that_never_fits_its_own_count_is_taken_after_some_tries() -> None:
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


def test_what_was_not_asked_for_is_not_believed() -> None:
    api = Api(on_entities=in_turn(Reply(200, {"resources": [{"id": "id-1"}, {"id": "id-other"}, "id-1", None]})))
    made = bench(api).log_in()

    assert [connection.id for connection in made.falcon.read(["id-1"], made.deadline)] == ["id-1"]


def test_a_web_page_with_a_404_does_not_make_a_connection_look_gone() -> None:
    made = bench(Api(on_entities=in_turn(Reply(404, b"<html>Not Found</html>")))).log_in()
    orders: list[Callable[[], Any]] = [
        lambda: made.falcon.read(["id-1"], made.deadline),
        lambda: made.falcon.remove("id-1", made.deadline),
        lambda: made.falcon.refresh("id-1", "", GRANT, made.deadline, fresh=True),
    ]
    for order in orders:
        with pytest.raises(NotFalconError, match="not Falcon's"):
            order()


def test_a_listing_may_be_larger_than_other_responses() -> None:
    padding = {"meta": {"padding": "x" * 100_000}}
    listing = bench(Api(on_queries=in_turn(Reply(200, {"resources": [], **padding})))).log_in()
    made = bench(Api(on_entities=in_turn(Reply(200, {"resources": {"id": "id-1"}, **padding})))).log_in()
    with pytest.raises(FalconError, match="larger than 64 KB"):
        made.create()

    assert listing.falcon.list_all(listing.deadline) == []


def test_a_listing_of_more_pages_than_a_tenant_can_have_is_not_begun() -> None:
    page = Reply(200, {"resources": ["id-1"], "meta": {"pagination": {"total": MOST_PAGES + 2}}})
    made = bench(Api(on_queries=in_turn(page))).log_in()
    with pytest.raises(MalformedError, match="1 connections a page"):
        made.falcon.list_all(made.deadline)

    assert len(made.wire.sent) == 2


def test_one_batch_that_fails_fails_the_read() -> None:
    shelf = Shelf(names(250))
    replies = in_turn(refusal(403, "access denied, scope not permitted"))
    api = Api(on_entities=lambda sent: replies(sent) if "id-00150" in sent.query["ids"] else shelf.show(sent))
    made = bench(api).log_in()
    with pytest.raises(ScopeError):
        made.falcon.read(shelf.identifiers, made.deadline)


def test_a_probe_asks_for_one_id() -> None:
    api = Api()
    made = bench(api).log_in()
    made.falcon.probe(made.deadline)

    assert api.asked[0].query == {"limit": ["1"]}
