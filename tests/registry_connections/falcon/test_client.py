"""The Falcon client against responses from memory: tokens, pages, payloads and what refusals mean."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest

from registry_connections.concurrency import ThreadPool
from registry_connections.core import errors
from registry_connections.core.errors import ConflictError, FalconError
from registry_connections.core.model import Deadline, RoleGrant
from registry_connections.falcon.client import IDS_PER_PAGE, IDS_PER_READ, LISTINGS, MOST_PAGES, QUERIES
from tests.registry_connections.fakes import VirtualClock
from tests.registry_connections.falcon.wire import MADE, NOTHING, Bench, Responding, Sent, in_turn, refusal
from tests.registry_connections.samples import GRANT, ROLE
from tests.simulator.messages import Answer

REJECTED = refusal(400, "failed to validate registry credential: no access")
REJECTED_OTHERWISE = refusal(400, "failed to assume the given AWS IAM role: access denied")
EXISTS = refusal(409, "exists")
GOVERNMENT = replace(GRANT, government_cloud=True)
MONITORED = {"all_repositories_monitored": True}


def accepting(token: str) -> Responding:
    return lambda sent: MADE if sent.bearer == token else refusal(401, "access denied, invalid bearer token")


def test_calls_whose_token_is_not_taken_any_more_renew_it_once_together_and_no_more() -> None:
    pool = ThreadPool(16)
    made, never = Bench(entities=accepting("token-2"), pool=pool).log_in(), Bench(entities=accepting("none")).log_in()
    results = pool.map(lambda _: made.create(), range(16), Deadline(60, VirtualClock()))
    pool.shutdown()
    for _ in range(3):
        with pytest.raises(errors.AuthenticationError):
            never.create()

    assert results == ["id-1"] * 16
    assert {sent.bearer for sent in made.asked} <= {"token-1", "token-2"}
    assert [sent.bearer for sent in never.asked] == ["token-1", *["token-2"] * 3]
    assert made.tokens == never.tokens == 2


@pytest.mark.parametrize(
    ("grant", "more", "details"),
    [
        (GRANT, {}, {}),
        (GOVERNMENT, MONITORED, {"aws_gov_using_commercial_connection": True}),
        (replace(GOVERNMENT, partition="aws-us-gov"), MONITORED, {"aws_gov_using_commercial_connection": False}),
    ],
)
def test_a_create_sends_what_its_cloud_needs(grant: RoleGrant, more: dict[str, bool], details: dict[str, bool]) -> None:
    made = Bench(MADE).log_in()
    made.create(grant)

    role = {"aws_iam_role": ROLE, "aws_external_id": GRANT.external_id}
    assert made.asked[0].json == {
        "type": "ecr",
        "url": "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        "user_defined_alias": "an-alias",
        "credential": {"type": "ecr", "details": {**role, **details}},
        **more,
    }


@pytest.mark.parametrize(("alias", "sent"), [("", {}), ("new", {"user_defined_alias": "new"})])
def test_a_refresh_names_the_connection_and_sends_an_alias_only_if_it_changes(alias: str, sent: dict[str, str]) -> None:
    made = Bench(MADE).log_in()
    made.falcon.refresh("id-7", alias, GRANT, made.deadline, fresh=False)

    assert (made.asked[0].method, made.asked[0].query) == ("PATCH", {"id": ["id-7"]})
    assert made.asked[0].json == {"credential": GRANT.credential(), **sent}


NO_ID: list[object] = [b"", *({"resources": each} for each in ([], [{"id": 5}], None, {"id": ROLE}))]


@pytest.mark.parametrize(
    ("replies", "own"),
    [
        *(([Answer(200, body)], True) for body in NO_ID),  # accepted, and looked for as our own
        ([Answer(500), EXISTS], True),  # after a lost response
        *(([REJECTED, refusal(status, "no")], True) for status in (403, 404, 409, 429)),  # after a refused role
        ([EXISTS], False),
    ],
)
def test_a_create_that_failed_may_have_made_a_connection_of_our_own(replies: list[Answer], *, own: bool) -> None:
    with pytest.raises(FalconError) as caught:
        Bench(*replies).log_in().create(fresh=True)

    assert caught.value.may_have_succeeded is own
    assert isinstance(caught.value, ConflictError) is (replies[-1].status in {200, 409})


def test_a_refused_role_is_what_is_told_if_the_rate_limit_lets_no_other_try_pass() -> None:
    def refuse_and_close(_: Sent) -> Answer:
        made.login.http.limiter._closed_until = 10_000
        return REJECTED

    made = Bench(entities=refuse_and_close).log_in()
    with pytest.raises(errors.CredentialError):
        made.create(fresh=True)


@pytest.mark.parametrize(
    ("refused", "seconds"), [(REJECTED, 120), (REJECTED_OTHERWISE, 60), (refusal(400, "anything else"), 60)]
)
def test_a_fresh_role_is_tried_again_for_as_long_as_the_refusals_words_are_worth(
    refused: Answer, seconds: float
) -> None:
    soon, never, known = Bench(refused, refused, refused, MADE), Bench(refused), Bench(refused)

    assert soon.log_in().create(fresh=True) == "id-1"
    assert 0 < soon.clock.now < 10
    with pytest.raises(errors.CredentialError, match="role"):
        never.log_in().falcon.refresh("id-1", "", GRANT, never.deadline, fresh=True)
    assert seconds - 15 < never.clock.now <= seconds
    with pytest.raises(errors.CredentialError):
        known.log_in().create(fresh=False)
    assert len(known.asked) == 1


def test_neither_secret_nor_token_nor_external_id_is_shown_where_falcon_echoes_it() -> None:
    echo = {"id": "id-1", "user_defined_alias": f"x the-client-secret {GRANT.external_id} token-1"}
    made = Bench(MADE, Answer(200, {"resources": [echo, {"id": "the-client-secret"}]})).log_in()
    made.create()
    (found,) = made.falcon.read(["id-1", "the-client-secret"], made.deadline)

    assert found.alias == "x [redacted] [redacted] [redacted]"


BUSY = {"errors": [{"code": 400, "message": "busy"}]}
ONE = Answer(200, {"resources": [{"id": "id-1"}]})


@pytest.mark.parametrize(
    ("replies", "gone"),
    [
        ([refusal(404, "no such registry")], True),
        ([Answer(400, BUSY), NOTHING], True),
        ([Answer(200, BUSY), NOTHING], True),
        ([Answer(400, BUSY), ONE], False),
    ],
)
def test_a_refused_removal_succeeds_if_there_is_nothing_to_remove(replies: list[Answer], *, gone: bool) -> None:
    made = Bench(*replies).log_in()
    with nullcontext() if gone else pytest.raises(FalconError, match="HTTP 400 busy"):
        made.falcon.remove("id-1", made.deadline)

    asked = [("DELETE", {"ids": ["id-1"]}), ("GET", {"ids": ["id-1"]})][: len(replies)]
    assert [(sent.method, sent.query) for sent in made.asked] == asked


def names(count: int) -> list[str]:
    return [f"id-{number:05d}" for number in range(count)]


@dataclass
class Shelf:
    """The connections of a tenant, as Falcon lists and shows them."""

    identifiers: list[str]
    unknown: Answer | None = None
    largest_page: int = IDS_PER_PAGE
    before_page: Callable[[int], object] = lambda _: None

    def show(self, sent: Sent) -> Answer:
        asked = sent.query["ids"]
        assert len(asked) <= IDS_PER_READ
        known: list[object] = [{"id": name, "type": "ecr"} for name in asked if name in self.identifiers]
        unasked = [{"id": "id-other"}, "id-1", None]
        return self.unknown if self.unknown and len(known) < len(asked) else Answer(200, {"resources": known + unasked})

    def listed(self, sent: Sent) -> Answer:
        limit, offset = int(sent.query["limit"][0]), int(sent.query["offset"][0])
        assert limit <= IDS_PER_PAGE
        self.before_page(offset)
        page = self.identifiers[offset : offset + min(limit, self.largest_page)]
        return Answer(200, {"resources": page, "meta": {"pagination": {"total": len(self.identifiers)}}})

    def bench(self) -> Bench:
        return Bench(entities=self.show, queries=self.listed).log_in()


def read(made: Bench, *asked: str) -> list[str]:
    return [found.id for found in made.falcon.read(asked, made.deadline)]


def listing(made: Bench) -> tuple[list[str], list[str]]:
    """List a tenant; return the ids, and the offsets that were asked for."""
    found = made.falcon.list_all(made.deadline)
    return [each.id for each in found], [sent.query["offset"][0] for sent in made.asked if sent.path == QUERIES]


@pytest.mark.parametrize(
    ("count", "largest_page", "offsets", "reads"),
    [
        (0, IDS_PER_PAGE, ["0"], 0),
        (10_001, IDS_PER_PAGE, ["0", "5000", "10000"], 101),
        (250, 100, ["0", "100", "200"], 3),  # pages smaller than asked for
    ],
)
def test_a_tenant_is_listed_whole(count: int, largest_page: int, offsets: list[str], reads: int) -> None:
    made = Shelf(names(count), largest_page=largest_page).bench()

    assert listing(made) == (names(count), offsets)
    assert len(made.asked) == len(offsets) + reads


def test_a_listing_that_shifts_under_the_pages_is_listed_again() -> None:
    """When somebody removes a connection of the first page, one slips out of sight from the second to the first."""
    shelf = Shelf(names(6_000))
    shelf.before_page = lambda offset: offset and "id-00000" in shelf.identifiers and shelf.identifiers.pop(0)

    assert listing(shelf.bench()) == (names(6_000)[1:], ["0", "5000"] * 2)


def listing_of(*identifiers: str, count: int = 0, padding: str = "") -> Answer:
    meta = {"pagination": {"total": count}, "padding": padding}
    return Answer(200, {"resources": identifiers, "meta": meta})


def test_a_listing_that_never_fits_its_own_count_is_taken_and_one_of_too_many_pages_not_begun() -> None:
    small = Bench(ONE, queries=in_turn(listing_of("id-1", count=2))).log_in()
    large = Bench(queries=in_turn(listing_of("id-1", count=MOST_PAGES + 2))).log_in()

    assert listing(small) == (["id-1"], ["0", "1"] * LISTINGS)
    with pytest.raises(errors.MalformedError, match="1 connections a page"):
        listing(large)
    assert len(large.asked) == 1


def test_a_listing_may_be_larger_than_other_responses() -> None:
    large = listing_of(padding="x" * 100_000)
    made = Bench(large, queries=in_turn(large)).log_in()

    assert listing(made) == ([], ["0"])
    with pytest.raises(FalconError, match="larger than 64 KB"):
        made.create()


@pytest.mark.parametrize(("unknown", "calls"), [(None, 2), (refusal(404, "registry not found"), 2 + 2 * 6)])
def test_unknown_ids_hide_no_others_and_what_was_not_asked_for_is_not_believed(
    unknown: Answer | None, calls: int
) -> None:
    made = Shelf(names(150), unknown).bench()

    assert read(made, *names(150), "id-unknown") == names(150)
    assert len(made.asked) == calls


def test_one_batch_that_fails_fails_the_read() -> None:
    with pytest.raises(errors.ScopeError):
        read(Shelf(names(150), refusal(403, "scope not permitted")).bench(), *names(151))


def test_a_web_page_with_a_404_does_not_make_a_connection_look_gone() -> None:
    made = Bench(Answer(404, b"<html>Not Found</html>")).log_in()
    orders: list[Callable[[], Any]] = [
        lambda: read(made, "id-1"),
        lambda: made.falcon.remove("id-1", made.deadline),
        lambda: made.falcon.refresh("id-1", "", GRANT, made.deadline, fresh=True),
    ]
    for order in orders:
        with pytest.raises(errors.NotFalconError, match="not Falcon's"):
            order()
