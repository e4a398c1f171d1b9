"""Every exception that this package raises on purpose.

    RegistrationError                 written for the operator: what failed, where, and what to do
    +-- SettingsError                 the stack's properties are wrong; lists every problem
    +-- AwsError                      an AWS call failed
    |   +-- SecretError               the secret with the Falcon credentials cannot be used
    |   +-- RecordError               the stack's record cannot be read, understood or written
    |   +-- RecordChangedError        another run wrote the record in between
    +-- FalconError                   Falcon refused or could not be reached; carries HTTP status and trace id
    |   +-- AuthenticationError       no token: Falcon refuses the API client, or does not know it in this cloud
    |   |   +-- NotFromHereError      the API client may not be used from this address
    |   +-- ScopeError                403: the API client lacks a scope
    |   +-- ConflictError             409: a connection for this URL exists
    |   +-- CredentialError           400: Falcon could not use the connection role
    |   +-- NotFoundError             404: no such connection
    |   +-- MalformedError            a response that cannot be understood
    |       +-- NotFalconError        a response of something else, such as a proxy's web page
    +-- DeadlineError                 the time of this invocation is used up
        +-- NoResponseError           and a call was under way: its outcome is unknown

No message holds a secret, a token, the external id or a pre-signed URL.
"""

from collections.abc import Sequence
from typing import Final

REDACTED: Final = "[redacted]"
TIME_IS_UP: Final = "the time of this invocation is used up"


class RegistrationError(Exception):
    """Base of all the others; its text is written for the operator of the stack."""


class SettingsError(RegistrationError):
    """The properties of the stack cannot be used; `problems` holds one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


class AwsError(RegistrationError):
    """An AWS call failed for good."""


class SecretError(AwsError):
    """The secret is missing, denied, or not of a shape that holds Falcon credentials."""


class RecordError(AwsError):
    """The stack's record cannot be read, understood or written."""


class RecordChangedError(AwsError):
    """The record was written by another run since it was read."""


class FalconError(RegistrationError):
    """Falcon refused a call, or could not be reached.

    `status` is the HTTP status (0 without a response); `trace_id` is what CrowdStrike's support asks for.
    `may_have_succeeded` tells that an attempt of the call may have been carried out: its outcome is unknown.
    """

    def __init__(self, message: str, *, status: int = 0, trace_id: str = "", may_have_succeeded: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.trace_id = trace_id
        self.may_have_succeeded = may_have_succeeded


class AuthenticationError(FalconError):
    """Falcon refuses the API client: its credentials, its cloud or its tenant."""


class NotFromHereError(AuthenticationError):
    """Falcon refuses the API client at this address, and may accept it at another."""


class ScopeError(FalconError):
    """The API client may not make this call."""


class ConflictError(FalconError):
    """A connection for this URL exists already."""


class CredentialError(FalconError):
    """Falcon could not use the connection role."""


class NotFoundError(FalconError):
    """Falcon knows no such connection."""


class MalformedError(FalconError):
    """Falcon's response cannot be understood."""


class NotFalconError(MalformedError):
    """The response is not Falcon's: a proxy, a firewall or a captive portal gave it."""


class DeadlineError(RegistrationError):
    """The time of this invocation is used up."""


class NoResponseError(DeadlineError):
    """The time is used up, and a call was under way: its outcome is unknown."""


def sanitize(text: object, *, secrets: Sequence[str] = (), limit: int = 200) -> str:
    """Return somebody else's text fit for a log line or a reason: one line, no control characters, no secret.

    The messages of Falcon and AWS may echo what was sent, or hold terminal escapes. `limit` is in characters.
    """
    shown = str(text)
    for secret in secrets:
        shown = shown.replace(secret, REDACTED) if secret else shown
    shown = shown[: limit * 20]  # a huge message must not cost time; a secret that is cut would not be found
    shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return shorten(shown, limit)


def shorten(text: str, limit: int) -> str:
    """Return a text, or the beginning of one that is longer than `limit` characters."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)] + "..."
