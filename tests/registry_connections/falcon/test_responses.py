"""What Falcon's responses mean, of which nothing is sure to have its type."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core.errors import (
    AuthenticationError,
    ConflictError,
    CredentialError,
    FalconError,
    MalformedError,
    NotFalconError,
    NotFoundError,
    ScopeError,
)
from registry_connections.core.model import Connection
from registry_connections.falcon.http import Response
from registry_connections.falcon.responses import (
    LARGEST_TOTAL,
    connection,
    identifier,
    is_falcons,
    many,
    only,
    text,
    total,
    verify,
)

TRACE = "0a1b2c3d-trace"
WRONG: list[object] = [None, 0, 1, True, 1.5, "text", [], ["text"], [None], [[]], {}, {"a": 1}]


def response(status: int, body: Any = None, *secrets: str, unknown: bool = False) -> Response:
    return Response(status, body, {"X-Cs-Traceid": TRACE}, unknown, secrets)


def refused(code: object, words: object = "Falcon's own words") -> dict[str, Any]:
    return {"errors": [{"code": code, "message": words}]}


def raised(given: Response, method: str = "POST", *, sets_credential: bool = False) -> FalconError:
    with pytest.raises(FalconError) as caught:
        verify(given, method, sets_credential=sets_credential)
    return caught.value


# Which error


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize("body", [None, {"resources": []}, {"errors": None}, {"errors": [], "resources": {"id": "1"}}])
def test_any_success_without_errors_is_one(status: int, body: Any) -> None:
    verify(response(status, body), "GET")


KINDS = [
    (400, FalconError),
    (401, AuthenticationError),
    (403, ScopeError),
    (404, NotFoundError),
    (409, ConflictError),
    (429, FalconError),
    (500, FalconError),
]


@pytest.mark.parametrize(("code", "kind"), KINDS)
def test_a_refusal_is_what_its_status_says_also_beside_a_success(code: int, kind: type[FalconError]) -> None:
    for error in (raised(response(code, refused(code))), raised(response(200, refused(code)))):
        assert type(error) is kind
        assert (error.status, error.trace_id) == (code, TRACE)
        assert f"HTTP {code}" in str(error)


@pytest.mark.parametrize("code", [None, "403", 200, -1, 99999, True, 404.0, [], {}])
def test_an_error_beside_a_success_whose_code_makes_no_sense_is_falcons_failure(code: object) -> None:
    assert raised(response(200, refused(code))).status == 500


@pytest.mark.parametrize("errors", ["text", 5, True, {"code": 404}, ["text"], [None], [[]], [{}]])
def test_errors_beside_a_success_that_are_of_another_type_are_still_a_failure(errors: object) -> None:
    assert raised(response(200, {"errors": errors, "resources": []})).status == 500


def test_of_an_error_is_told_the_first_its_redirect_and_whether_an_earlier_attempt_may_have_been_carried_out() -> None:
    two = raised(response(200, {"errors": [{"code": 409, "message": "One"}, {"code": 403, "message": "Two"}]}))

    assert (type(two), str(two), two.may_have_succeeded) == (ConflictError, "HTTP 409 One", False)
    assert raised(response(409, refused(409), unknown=True)).may_have_succeeded
    for status in (301, 307):
        assert "redirects elsewhere, which is not followed" in str(raised(response(status, refused(status))))


PAGE = "<html>Not Found</html>"


@pytest.mark.parametrize("body", [*(each for each in WRONG if each is not None), PAGE, {"message": "Forbidden"}])
@pytest.mark.parametrize("status", [200, 302, 403, 404])
def test_what_has_not_falcons_envelope_is_not_falcons_whatever_its_status(status: int, body: object) -> None:
    error = raised(response(status, body))

    assert not is_falcons(response(status, body))
    assert isinstance(error, NotFalconError)
    assert (error.status, error.may_have_succeeded) == (status, status == 200)


def test_a_refusal_without_a_body_is_falcons_only_with_its_header() -> None:
    assert isinstance(raised(response(404)), NotFoundError)
    assert isinstance(raised(Response(404, None, {})), NotFalconError)


@pytest.mark.parametrize(
    ("method", "access"), [("GET", "READ"), ("POST", "WRITE"), ("PATCH", "WRITE"), ("DELETE", "WRITE")]
)
def test_a_missing_scope_is_named_with_the_access_that_the_call_needs(method: str, access: str) -> None:
    missing = raised(response(403, refused(403, "access denied, scope not permitted")), method)
    denied = raised(response(403), method)

    assert str(missing).startswith(f"the API client lacks the scope Falcon Container Image: {access} (HTTP 403 ")
    assert str(denied) == f"access denied: check the scope Falcon Container Image: {access} (HTTP 403)"


@pytest.mark.parametrize("words", ["failed to validate registry credential", "failed to assume the role", "", None])
def test_a_400_where_a_credential_is_set_is_a_refusal_of_the_role_whatever_its_words(words: object) -> None:
    assert isinstance(raised(response(400, refused(400, words)), sets_credential=True), CredentialError)
    assert isinstance(raised(response(200, refused(400, words)), sets_credential=True), CredentialError)
    assert type(raised(response(400, refused(400, words)))) is FalconError
    assert type(raised(response(500, refused(500, words)), sets_credential=True)) is FalconError


def test_what_falcon_echoes_is_told_without_secrets_on_one_short_line() -> None:
    words = f"role \x1b[31m\r\n the-external-id of {'x' * 500}"
    told = str(raised(response(400, refused(400, words), "the-external-id", "")))

    assert "the-external-id" not in told
    assert "[redacted]" in told
    assert told.isprintable()
    assert len(told) <= 130


def test_a_trace_id_that_echoes_a_secret_is_not_told() -> None:
    echo = Response(404, refused(404), {"X-Cs-Traceid": "x s3cret\n" + "y" * 90}, secrets=("s3cret",))
    error = raised(echo)

    assert error.trace_id.startswith("x [redacted] yyy")
    assert len(error.trace_id) == 64


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["errors", "resources", "code", "message", "meta", "pagination", "total", "id", "credential"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.integers(100, 599), json_values, st.sampled_from(["GET", "POST", "PATCH", "DELETE"]))
def test_whatever_comes_it_is_a_success_or_an_error_of_ours(status: int, body: Any, method: str) -> None:
    failure: FalconError | None = None
    try:
        verify(response(status, body, "secret"), method)
    except FalconError as error:
        failure = error

    if failure is None:
        assert status in range(200, 300)
    else:
        assert str(failure).isprintable()
        assert failure.status not in range(200, 300) or isinstance(failure, MalformedError)


@given(json_values)
def test_whatever_a_body_holds_reading_it_raises_nothing_but_that_it_cannot_be_understood(body: Any) -> None:
    assert 0 <= total(body) <= LARGEST_TOTAL
    assert isinstance(only(body), dict)
    found = connection(body, ())
    assert found is None or found.id
    try:
        assert isinstance(many(body), list)
    except MalformedError:
        assert not isinstance(body, dict) or not isinstance(body.get("resources", "missing"), list | None)


# Resources


@pytest.mark.parametrize(
    "body", [*WRONG, {"resources": {}}, {"resources": "text"}, {"resources": 0}, {"resources": False}]
)
def test_a_response_without_a_list_of_resources_is_not_taken_for_nothing_found(body: object) -> None:
    with pytest.raises(MalformedError):
        many(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        *(({"resources": resources}, {"id": "1"}) for resources in ({"id": "1"}, [{"id": "1"}])),
        *((body, {}) for body in WRONG),
        *(({"resources": resources}, {}) for resources in (None, [], [{"id": "1"}, {"id": "2"}], ["1"])),
    ],
)
def test_the_resource_of_a_create_is_an_object_or_a_list_of_one_and_else_none(body: object, found: object) -> None:
    assert only(body) == found


NO_COUNT: list[object] = [None, "34", -1, LARGEST_TOTAL + 1, 1.0, [], {}]


@pytest.mark.parametrize(
    ("count", "believed"),
    [
        *((count, count) for count in (0, 1, 34, LARGEST_TOTAL)),
        *((wrong, 0) for wrong in NO_COUNT),
    ],
)
def test_a_listing_says_how_many_there_are_and_what_makes_no_sense_is_none(count: object, believed: int) -> None:
    assert total({"meta": {"pagination": {"total": count}}}) == believed


# Connections


ITEM = {
    "id": "2f6b1c3e-9d0a-4e55-8c7b-0123456789ab",
    "url": "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com",
    "type": "ecr",
    "user_defined_alias": "an-alias",
    "state": "active",
    "created_at": "2026-01-01T00:00:00Z",
    "last_refreshed_at": "2026-01-02T00:00:00Z",
    "next_refresh_at": "2026-01-03T00:00:00Z",
    "credential": {"expired": True, "expired_at": "2026-01-04T00:00:00Z", "details": {}},
    "anything_else": [1],
}


def test_a_registry_object_is_a_connection() -> None:
    assert connection(ITEM, ()) == Connection(
        id=ITEM["id"],  # type: ignore[arg-type] # all of these are text
        url=ITEM["url"],  # type: ignore[arg-type]
        type="ecr",
        alias="an-alias",
        state="active",
        expired=True,
        expired_at="2026-01-04T00:00:00Z",
        created_at="2026-01-01T00:00:00Z",
        last_refreshed_at="2026-01-02T00:00:00Z",
        next_refresh_at="2026-01-03T00:00:00Z",
    )


@pytest.mark.parametrize("name", [name for name in ITEM if name not in {"id", "anything_else"}])
@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if not isinstance(wrong, str)], ids=repr)
def test_a_field_of_another_type_counts_as_absent(name: str, wrong: object) -> None:
    absent = {each: value for each, value in ITEM.items() if each != name}

    assert connection({**ITEM, name: wrong}, ()) == connection(absent, ())
    assert text({name: wrong}, name) == text({}, name) == ""


@pytest.mark.parametrize(
    "wrong", [None, "", 5, ["a"], "a b", "a/b", "../a", "a&ids=b", "a\n", "x" * 37, "ä", "x-s3cret-x"]
)
def test_an_id_that_cannot_be_one_or_echoes_a_secret_is_none(wrong: object) -> None:
    assert identifier(wrong, ("s3cret",)) == ""
    assert connection({**ITEM, "id": wrong}, ("s3cret",)) is None


@pytest.mark.parametrize("expired", [None, False, 0, 1, "true", "false", [True]])
def test_only_a_clear_word_makes_a_credential_expired(expired: object) -> None:
    found = connection({**ITEM, "credential": {"expired": expired}}, ())

    assert found
    assert found.expired is False


def test_what_falcon_lets_people_write_is_shown_on_one_short_line() -> None:
    found = connection({**ITEM, "user_defined_alias": "a\x1b[2J\n" + "x" * 500, "state": "y" * 500}, ())

    assert found
    assert found.alias.isprintable()
    assert (len(found.alias), len(found.state)) == (100, 40)


@pytest.mark.parametrize("echo", ["0a1b2c3d", "0A1B2C3D"])
def test_a_url_that_echoes_a_secret_is_that_of_no_registry(echo: str) -> None:
    url = f"https://111122223333.dkr.ecr.{echo}.amazonaws.com"
    found = connection({**ITEM, "url": url}, ("0a1B2c3D",))

    assert found
    assert (found.url, found.region) == ("", "")
    assert connection({**ITEM, "url": url}, ("another",)) == replace(found, url=url)
