"""The Falcon credentials: where they come from, and how a change of them is noticed without showing them."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from getpass import getpass
from typing import Final, Self

from cli.errors import CliError
from cli.screen import Screen

PARAMETERS: Final[Mapping[str, str]] = {"FALCON_CLIENT_ID": "FalconClientID", "FALCON_CLIENT_SECRET": "FalconSecret"}
"""The secret parameter of the template that takes the value of each environment variable."""

_ROUNDS: Final = 200_000
_VERSION: Final = re.compile(r"(?P<salt>[0-9a-f]{16})-(?P<digest>[0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A Falcon API client; both fields are empty if none was given."""

    client_id: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.client_id)

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Self:
        """Return what the environment holds, and take every FALCON_* out of it: boto3 may run other programs."""
        given = {name: value.strip() for name, value in environ.items() if name in PARAMETERS}
        for name in [name for name in environ if name.startswith("FALCON_")]:
            del environ[name]
        problems = [f"{name} is set, but empty. Give it a value, or unset it." for name in given if not given[name]]
        if len(given) == 1:
            both = " and ".join(PARAMETERS)
            problems.append(f"only one of {both} is set. They belong to one API client: export both, or neither.")
        client_id, client_secret = (given.get(name, "") for name in PARAMETERS)
        return cls(client_id, client_secret, tuple(problems))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        return (self.client_id, self.client_secret) if self else ()

    @property
    def parameters(self) -> dict[str, str]:
        """The secret parameters of the template; none if there are no credentials."""
        return dict(zip(PARAMETERS.values(), self.secrets, strict=False))

    def version(self, current: str) -> str:
        """Return the parameter CredentialsVersion: `current` if it stands for these credentials, else a new one.

        It is a random salt and a slow, salted digest: who reads it learns whether credentials changed, not what they
        are.
        """
        found = _VERSION.fullmatch(current)
        if found and hmac.compare_digest(self._digest(found["salt"]), found["digest"]):
            return current
        salt = secrets.token_hex(8)
        return f"{salt}-{self._digest(salt)}"

    def _digest(self, salt: str) -> str:
        text = "\n".join(self.secrets).encode()
        return hashlib.pbkdf2_hmac("sha256", text, bytes.fromhex(salt), _ROUNDS).hex()[:16]


def ask(screen: Screen) -> Credentials:
    """Return credentials that the operator types. Raises CliError if there is no terminal, or nothing is typed."""
    if not screen.is_terminal:
        raise CliError(*missing())
    client_id, client_secret = (getpass(f"Falcon client {each} (not shown): ").strip() for each in ("id", "secret"))
    if not (client_id and client_secret):
        raise CliError("nothing was typed. Take both from an API client of the Falcon console.")
    return Credentials(client_id, client_secret)


def missing() -> list[str]:
    """Return a problem for each variable that a launch needs and the environment lacks."""
    return [
        f"{variable} is not set. Export it, from an API client of the Falcon console, or name an existing secret: "
        "PARAMETERS=SecretsManagerSecretName=..."
        for variable in PARAMETERS
    ]
