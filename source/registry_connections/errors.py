"""Every exception that this package raises on purpose.

    RegistrationError                 what an operator is told: what failed, where, and the way out
    +-- SettingsError                 the stack's properties are wrong; lists every problem
    +-- AwsError                      an AWS call failed
    |   +-- SecretError               the secret with the Falcon credentials cannot be used
    |   +-- StateError                the state parameter cannot be used
    |   |   +-- StateMissingError     there is no state parameter
    |   +-- StateChangedError         somebody else wrote the state in between
    +-- FalconError                   Falcon refused or could not be reached; carries HTTP status and trace id
    |   +-- AuthenticationError      no token: credentials, cloud or network of the API client
    |   +-- ScopeError                403: the API client lacks a scope, or may not be used from here
    |   +-- ConflictError             409: a connection for this URL exists
    |   +-- CredentialError           400: Falcon could not use the connection role
    |   +-- NotFoundError             404: no such connection
    |   +-- MalformedError            an answer that cannot be understood
    +-- DeadlineError                 the time of this invocation is used up
        +-- UnansweredError           and work was under way: nobody knows what came of it

No message holds a secret, a token or a pre-signed URL.
"""

from collections.abc import Sequence


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


class StateError(AwsError):
    """The state parameter cannot be read, understood or written."""


class StateMissingError(StateError):
    """There is no state parameter."""


class StateChangedError(AwsError):
    """The state was written by somebody else since it was read."""


class FalconError(RegistrationError):
    """Falcon refused a call, or could not be reached.

    `status` is the HTTP status (0 if there was no answer); `trace_id` is what CrowdStrike's support asks for.
    """

    def __init__(self, message: str, *, status: int = 0, trace_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.trace_id = trace_id


class AuthenticationError(FalconError):
    """Falcon gave no token."""


class ScopeError(FalconError):
    """The API client may not make this call."""


class ConflictError(FalconError):
    """A connection for this URL exists already.

    `repeated` tells that an earlier attempt of the same call may have made it, because its answer was lost.
    """

    def __init__(self, message: str, *, status: int = 0, trace_id: str = "", repeated: bool = False) -> None:
        super().__init__(message, status=status, trace_id=trace_id)
        self.repeated = repeated


class CredentialError(FalconError):
    """Falcon could not use the connection role."""


class NotFoundError(FalconError):
    """Falcon knows no such connection."""


class MalformedError(FalconError):
    """Falcon's answer cannot be understood."""


class DeadlineError(RegistrationError):
    """The time of this invocation is used up."""


class UnansweredError(DeadlineError):
    """The time is used up, and the answer to what was begun has not come."""


def plain(text: object, *, secrets: Sequence[str] = (), limit: int = 200) -> str:
    """Return somebody else's text fit for a log line or a reason: one line, no control characters, no secret, short.

    Falcon's and AWS's messages are not trusted: they may echo what was sent, or hold terminal escapes.
    """
    shown = str(text)[: limit * 20]  # a huge message must not cost time
    for secret in secrets:
        shown = shown.replace(secret, "[redacted]") if secret else shown
    shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
