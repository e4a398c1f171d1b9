"""What Falcon's responses mean, of which nothing is sure to have its type."""

from dataclasses import replace
from typing import Any

import pytest

from registry_connections.core import errors
from registry_connections.core.errors import FalconError
from registry_connections.core.model import Connection
from registry_connections.falcon.http import Response
from registry_connections.falcon.responses import LARGEST_TOTAL, connection, identifier, many, only, total, verify

TRACE = "0a1b2c3d-trace"
WRONG: list[Any] = [None, 0, 1, True, 1.5, "text", [], ["text"], [None], [[]], {}, {"a": 1}]


def response(status: int, body: Any = None, *secrets: str, trace: str = TRACE, unknown: bool = False) -> Response:
    return Response(status, body, {"X-Cs-Traceid": trace} if trace else {}, unknown, secrets)


def refused(code: object, words: object = "Words") -> dict[str, Any]:
    return {"errors": [{"code": code, "message": words}]}


def raised(given: Response, method: str = "POST", *, sets_credential: bool = False) -> FalconError:
    with pytest.raises(FalconError) as caught:
        verify(given, method, sets_credential=sets_credential)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize("body", [None, {"resources": []}, {"meta": {}}, {"errors": None}, {"errors": [], "x": 1}])
def test_any_success_without_errors_is_one(status: int, body: Any) -> None:
    verify(response(status, body), "GET")


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, FalconError) for code in (400, 429, 500, 503)),
        (401, errors.AuthenticationError),
        (403, errors.ScopeError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
    ],
)
def test_a_refusal_is_what_its_code_says_also_in_a_200(code: int, kind: type[FalconError], *, unknown: bool) -> None:
    for status in (code, 200):
        error = raised(response(status, refused(code), unknown=unknown))

        assert (type(error), error.status, error.trace_id) == (kind, code, TRACE)
        assert f"HTTP {code} Words" in str(error)
        assert error.may_have_succeeded is (unknown or code >= 500)


NO_CODES: list[Any] = [None, "403", 200, 399, 600, -1, True, 404.0, [], {}]
NO_ERRORS: list[Any] = ["text", 5, True, {"code": 404}, ["text"], [None], [[]], [{}]]


@pytest.mark.parametrize("body", [*map(refused, NO_CODES), *({"errors": each} for each in NO_ERRORS)], ids=repr)
def test_errors_of_no_sense_are_falcons_failure_beside_a_success_and_else_what_the_status_says(body: Any) -> None:
    assert raised(response(200, {"resources": [], **body})).status == 500
    assert raised(response(400, {"resources": [], **body})).status == 400


@pytest.mark.parametrize("body", [*WRONG[1:], "<html>Not Found</html>", {"message": "Forbidden"}], ids=repr)
@pytest.mark.parametrize("status", [200, 302, 403, 404])
def test_what_has_not_falcons_envelope_is_not_falcons_whatever_its_status(status: int, body: object) -> None:
    error = raised(response(status, body))

    assert (type(error), error.status, error.may_have_succeeded) == (errors.NotFalconError, status, status == 200)


@pytest.mark.parametrize("words", ["Failed to validate registry credential", "failed to assume the role", "", None])
def test_a_400_where_a_credential_is_set_is_a_refusal_of_the_role_whatever_its_words(words: object) -> None:
    known = "Falcon cannot use the connection role" if "validate" in str(words) else "Falcon refuses the connection"
    for status in (400, 200):
        error = raised(response(status, refused(400, words)), sets_credential=True)
        assert isinstance(error, errors.CredentialError)
        assert str(error).startswith(known)
    assert type(raised(response(400, refused(400, words)))) is FalconError
    assert type(raised(response(500, refused(500, words)), sets_credential=True)) is FalconError


SCOPE = "scope Falcon Container Image:"
LACKING = response(403, refused(403, "access denied, scope not permitted"))
CHANGES = ["POST", "PATCH", "DELETE"]


@pytest.mark.parametrize(
    ("given", "method", "told"),
    [
        (response(404, trace=""), "GET", "HTTP 404: the response is not Falcon's: "),
        (response(301), "GET", "HTTP 301: Falcon redirects elsewhere, which is not followed"),
        (response(307, refused(307)), "GET", "HTTP 307: Falcon redirects elsewhere"),
        (response(200, {"errors": [*refused(409)["errors"], *refused(403)["errors"]]}), "GET", "HTTP 409 Words"),
        (response(403), "GET", f"access denied: check the {SCOPE} READ (HTTP 403)"),
        (response(403), "POST", f"access denied: check the {SCOPE} WRITE (HTTP 403)"),
        (LACKING, "GET", f"the API client lacks the {SCOPE} READ (HTTP 403 "),
        *((LACKING, each, f"the API client lacks the {SCOPE} WRITE (HTTP 403 ") for each in CHANGES),
    ],
)
def test_an_error_says_what_is_wrong(given: Response, method: str, told: str) -> None:
    assert str(raised(given, method)).startswith(told)


def test_what_falcon_echoes_is_told_without_secrets_on_one_short_line() -> None:
    words = f"role \x1b[31m\r\n the-external-id of {'x' * 500}"
    error = raised(response(400, refused(400, words), "the-external-id", "", trace="x the-external-id\n" + "y" * 90))

    assert "the-external-id" not in str(error)
    assert "[redacted]" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) <= 130
    assert error.trace_id.startswith("x [redacted] yyy")
    assert len(error.trace_id) == 64


ONE = {"id": "1"}
NO_LISTS: list[Any] = [{}, "text", 0, False]


@pytest.mark.parametrize(
    ("body", "listed", "made"),
    [
        *(({"resources": resources}, resources, {}) for resources in ([], [ONE, ONE], ["1"])),
        ({"resources": [ONE]}, [ONE], ONE),
        ({"resources": None}, [], {}),
        ({"resources": ONE}, "malformed", ONE),
        *(({"resources": wrong}, "malformed", {}) for wrong in NO_LISTS),
        *((body, "malformed", {}) for body in WRONG),
    ],
)
def test_resources_are_a_list_or_the_one_of_a_create_and_never_missing(
    body: object, listed: object, made: object
) -> None:
    try:
        found: object = many(body)
    except errors.MalformedError:
        found = "malformed"

    assert (found, only(body)) == (listed, made)


def test_a_listing_says_how_many_there_are_and_what_makes_no_sense_is_none() -> None:
    counts: list[Any] = [0, 1, 34, LARGEST_TOTAL, None, "34", -1, LARGEST_TOTAL + 1, 1.0, [], {}]
    found = [total({"meta": {"pagination": {"total": count}}}) for count in counts]

    assert found == [0, 1, 34, LARGEST_TOTAL, *[0] * 7]
    for wrong in WRONG:
        assert total(wrong) == total({"meta": wrong}) == total({"meta": {"pagination": wrong}}) == 0


CREDENTIAL: dict[str, Any] = {"expired": True, "expired_at": "2026-01-04T00:00:00Z"}
ITEM: dict[str, Any] = {
    "id": "2f6b1c3e-9d0a-4e55-8c7b-0123456789ab",
    "url": "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com",
    "type": "ecr",
    "user_defined_alias": "an-alias",
    "state": "active",
    "created_at": "2026-01-01T00:00:00Z",
    "last_refreshed_at": "2026-01-02T00:00:00Z",
    "next_refresh_at": "2026-01-03T00:00:00Z",
}


def parsed(*secrets: str, **changed: object) -> Connection:
    found = connection({**ITEM, "credential": {**CREDENTIAL, "details": {}}, "anything_else": [1], **changed}, secrets)
    assert found
    return found


def test_a_registry_object_is_a_connection_and_what_people_may_write_in_it_one_short_line() -> None:
    fields = {"alias" if name == "user_defined_alias" else name: value for name, value in ITEM.items()}

    assert parsed() == Connection(**fields, **CREDENTIAL)
    written = parsed(user_defined_alias="a\x1b[2J\n" + "x" * 500, state="y" * 500)
    assert written.alias.isprintable()
    assert (len(written.alias), len(written.state)) == (100, 40)


@pytest.mark.parametrize("name", [*ITEM, "credential"][1:])
def test_a_field_of_another_type_counts_as_absent_and_only_a_clear_word_makes_a_credential_expired(name: str) -> None:
    absent = {each: value for each, value in {**ITEM, "credential": CREDENTIAL}.items() if each != name}
    wrong = [each for each in WRONG if not isinstance(each, str)]

    assert [parsed(**{name: each}) for each in wrong] == [connection(absent, ())] * len(wrong)
    assert not any(
        parsed(credential={"expired": each}).expired for each in [*wrong[1:], "true", False] if each is not True
    )


@pytest.mark.parametrize(
    "wrong", [None, "", 5, ["a"], "a b", "a/b", "../a", "a&ids=b", "a\n", "x" * 37, "ä", "x-s3cret-x"]
)
def test_an_id_that_cannot_be_one_or_echoes_a_secret_is_none(wrong: object) -> None:
    assert identifier(wrong, ("s3cret",)) == ""
    assert connection({**ITEM, "id": wrong}, ("s3cret",)) is None


@pytest.mark.parametrize("echo", ["0a1b2c3d", "0A1B2C3D"])
def test_a_url_that_echoes_a_secret_is_that_of_no_registry(echo: str) -> None:
    url = f"https://111122223333.dkr.ecr.{echo}.amazonaws.com"
    found = parsed("0a1B2c3D", url=url)

    assert (found.url, found.region) == ("", "")
    assert parsed("another", url=url) == replace(found, url=url)
