"""Somebody else's text, and the tree of exceptions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core import errors
from registry_connections.core.errors import RegistrationError, sanitize, shorten


@given(st.text(max_size=300), st.integers(10, 80))
def test_somebody_elses_text_becomes_one_short_line_that_can_be_printed(text: str, limit: int) -> None:
    shown = sanitize(text, limit=limit)

    assert shown.isprintable()
    assert len(shown) <= limit
    assert sanitize(shown, limit=limit) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m\r\nnext", "[31mred [0m next"),
        ("  a\t b\x00c  ", "a b c"),
        ("the token is s3cret!", "the token is [redacted]!"),
        (" " * 3997 + "s3cret", "[re"),  # after 4,000 characters the rest is cut
        ("\u202eevil", "evil"),
        (None, "None"),
        ("x" * 3_000_000, "x" * 197 + "..."),
    ],
)
def test_control_characters_secrets_and_excess_length_are_taken_out(text: object, shown: str) -> None:
    assert sanitize(text, secrets=["", "s3cret"]) == shown


@given(st.text(max_size=50), st.integers(-10, 60))
def test_a_text_that_is_shortened_fits_and_shows_that_it_was(text: str, limit: int) -> None:
    shown = shorten(text, limit)

    assert len(shown) <= max(limit, 3)
    assert shown == text or shown.endswith("...")


def test_every_exception_is_one_of_ours_and_has_its_place_in_the_docstring() -> None:
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert all(issubclass(kind, RegistrationError) for kind in own)
    assert all(kind.__name__ in str(errors.__doc__) for kind in own)
