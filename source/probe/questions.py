"""What is asked, and what our code and the simulator assume. Data only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

KNOWN_REFUSAL: Final = "failed to validate registry credential"
LONG_ALIAS: Final = 255
"""Characters of the alias that is tried besides one of our own length."""


@dataclass(frozen=True)
class Question:
    """One question, and the answers that surprise nobody."""

    name: str
    text: str
    assumed: frozenset[str]

    def is_as_assumed(self, answers: Collection[str]) -> bool:
        """Whether every answer is one that is assumed."""
        return self.assumed.issuperset(answers)


def _question(name: str, text: str, *assumed: str) -> Question:
    return Question(name, text, frozenset(assumed))


QUESTIONS: Final[Sequence[Question]] = (
    _question("token", "What is the status of a token request that succeeds?", "201"),
    _question("states", "In which states are connections?", "active", "pending", "paused"),
    _question("details", "What does a read show as credential.details?", "{}"),
    _question("read-unknown", "What is the response to a read of an unknown id?", "200 without resources"),
    _question("delete-unknown", "What is the response to a delete of an unknown id?", "404"),
    _question("refused-role", "What is the response to a create with a role that cannot be assumed?", "400"),
    _question("refused-role-text", "And what does it say?", KNOWN_REFUSAL),
    _question("refused-role-record", "Does a create that is refused leave a connection?", "no"),
    _question("create", "What is the status of a create that succeeds?", "200"),
    _question("alias", "Does our alias come back as it was sent?", "as sent"),
    _question("alias-length", f"Does an alias of {LONG_ALIAS} characters?", "as sent"),
    _question("duplicate", "What is the response to a second create of the same URL?", "409"),
    _question("duplicate-key", "And with another url_uniqueness_key?", "accepted"),
    _question("patch", "What is the response to a PATCH without credential?", "400"),
    _question("delete-several", "Does one delete remove several ids?", "all of them"),
    _question("create-again", "What is the response to a create right after the delete?", "accepted"),
    _question("retry-after", "In which unit is X-Ratelimit-Retryafter?", "seconds"),
)
