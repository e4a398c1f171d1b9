"""The AWS CLI as a function: a request in, the answer out, and no secret on its command line or on the disk."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any, Final

from launcher.errors import LauncherError

INSTALLATION: Final = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"

# Not with --cli-input-json, whose file the AWS CLI reads twice.
PIPE: Final = "file:///dev/stdin"
"""The value of an option that is read from `piped`."""

_ERROR: Final = re.compile(
    r"An error occurred \((?P<code>[^)]+)\) when calling the \w+ operation[^:]*: (?P<message>.*)", re.DOTALL
)


class AwsCliError(LauncherError):
    """AWS refused a call, or the AWS CLI could not make it.

    `code` is AWS's name of the error, empty if there was no answer; `message` is what AWS or its CLI says.
    """

    def __init__(self, command: str, code: str, message: str) -> None:
        super().__init__(f"aws {command}: {f'{code}: ' if code else ''}{message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class AwsCli:
    """The AWS CLI, version 1 or 2, with the credentials that it finds by itself.

    `secrets` are struck out of everything that it says.
    """

    executable: str
    region: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def call(self, service: str, operation: str, *arguments: str, piped: Any = None) -> Any:
        """Return the JSON answer to one call, None if it is empty.

        The argument `PIPE` stands for `piped`, as JSON: it travels through a pipe, so that neither a list of
        processes nor a file ever shows it.

        Raises AwsCliError.
        """
        ran = self._run(service, operation, "--region", self.region, "--output", "json", *arguments, piped=piped)
        if ran.returncode:
            raise self._error(f"{service} {operation}", ran.stderr)
        return json.loads(ran.stdout) if ran.stdout.strip() else None

    def setting(self, name: str) -> str:
        """Return a setting of the operator's profile, empty if it is not set."""
        return self._run("configure", "get", name).stdout.strip()

    def _run(self, *arguments: str, piped: Any = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.executable, *arguments],
            input="" if piped is None else json.dumps(piped),
            capture_output=True,
            check=False,
            env=_environment(),
            encoding="utf-8",
            errors="replace",
        )

    def _error(self, command: str, said: str) -> AwsCliError:
        for secret in self.secrets:
            said = said.replace(secret, "****")
        if answer := _ERROR.search(said):
            return AwsCliError(command, answer["code"], answer["message"].strip())
        return AwsCliError(command, "", said.strip() or "failed without a message")


def find() -> str | None:
    """Return the path of the AWS CLI, None if there is none on PATH."""
    return shutil.which("aws")


def _environment() -> dict[str, str]:
    """Return our environment without the Falcon credentials, set so that the AWS CLI neither pages nor asks."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FALCON_")}
    return inherited | {"AWS_PAGER": "", "AWS_CLI_AUTO_PROMPT": "off"}
