"""The record in Parameter Store, with compare and swap on the parameter's versions.

Parameter Store has no conditional write, but counts versions. So every text names its base version: the one that its
writer had read. Of several that were written over the same one, only the first stands; the others are void.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from registry_connections.aws.calls import error_code, translate_errors
from registry_connections.core.errors import RecordChangedError, RecordError
from registry_connections.core.record import LARGEST_RECORD, Record, as_json, from_json

PAUSE_SECONDS: Final = 0.5
PAUSES: Final = 8  # for a write that is throttled, or a version that cannot be read yet
WAITS: Final = frozenset({"TooManyUpdates", "ParameterVersionNotFound", "ThrottlingException"})
FAILED_READ: Final = "The stack's record in Parameter Store cannot be read"
FAILED_WRITE: Final = "The stack's record in Parameter Store cannot be written"

Wanted = TypeVar("Wanted")


@dataclass(frozen=True)
class ParameterStore:
    """One parameter. `client` makes a client of SSM; `access` calls again while a fresh policy is not known yet."""

    client: Callable[[], Any]
    name: str
    access: Callable[[Callable[[], Any]], Any]
    sleep: Callable[[float], None] = time.sleep

    def load(self) -> Record | None:
        """Return the record, or None if there is no parameter; raise RecordError."""
        try:
            latest = self._read(self.name)
        except _MissingError:
            return None
        text, version = resolve_writes(*latest, self._text_at)
        try:
            stored = json.loads(text)
        except (ValueError, RecursionError):
            stored = None
        return from_json(stored, version)

    def swap(self, record: Record) -> Record:
        """Write the record if nobody wrote since it was loaded, and return it with its new version.

        Raise RecordChangedError if somebody else was first, RecordError if it cannot be written. A write whose
        response was lost is looked up.
        """
        text = render(record, by=secrets.token_hex(4))
        try:
            latest = text, self._put(text)
        except RecordError:
            written = self._latest()
            if written is None or (written[1] <= record.version and written[0] != text):
                raise
            latest = written
        if latest[1] <= record.version:
            self.delete()  # the stack's record was deleted meanwhile: its Delete succeeded
            raise RecordChangedError("the stack's record was deleted meanwhile")
        stands, version = resolve_writes(*latest, self._text_at)
        if stands != text:
            raise RecordChangedError("another run of this function wrote the stack's record meanwhile")
        return replace(record, version=version)

    def delete(self) -> None:
        """Delete the parameter; one that is gone already is as good. Raise RecordError."""
        try:
            self._call(lambda: self.client().delete_parameter(Name=self.name), FAILED_WRITE)
        except _MissingError:
            return

    def _put(self, text: str) -> int:
        def put() -> int:
            response = self.client().put_parameter(Name=self.name, Value=text, Type="String", Overwrite=True)
            return int(response["Version"])

        return self._call(put, FAILED_WRITE)

    def _latest(self) -> tuple[str, int] | None:
        try:
            return self._read(self.name)
        except (RecordError, _MissingError):
            return None

    def _read(self, name: str) -> tuple[str, int]:
        def read() -> tuple[str, int]:
            parameter = self.client().get_parameter(Name=name)["Parameter"]
            return str(parameter["Value"]), int(parameter["Version"])

        return self._call(read, FAILED_READ)

    def _text_at(self, version: int) -> str:
        return self._read(f"{self.name}:{version}")[0]

    def _call(self, call: Callable[[], Wanted], failure: str) -> Wanted:
        with translate_errors(failure, RecordError, {"ParameterNotFound": _MissingError}):
            result: Wanted = self.access(lambda: self._waiting(call))
            return result

    def _waiting(self, call: Callable[[], Wanted]) -> Wanted:
        """Return what a call returns, once Parameter Store has caught up."""
        for _ in range(PAUSES):
            try:
                return call()
            except (ClientError, BotoCoreError) as error:
                if error_code(error) not in WAITS:
                    raise
            self.sleep(PAUSE_SECONDS)
        return call()


class _MissingError(RecordError):
    """There is no such parameter."""


def render(record: Record, by: str) -> str:
    """Return the parameter's text; raise RecordError if it is too large. `by` makes each writer's text its own."""
    text = json.dumps({**as_json(record), "base": record.version, "by": by}, separators=(",", ":"))
    text = text.replace("{{", "{\\u007b")  # only inside strings, where Parameter Store would see a reference
    if len(text) > LARGEST_RECORD:
        raise RecordError(f"The stack's record would be {len(text)} characters; a parameter holds {LARGEST_RECORD}.")
    return text


def resolve_writes(text: str, version: int, text_at: Callable[[int], str]) -> tuple[str, int]:
    """Return the text that stands and its version, given the latest and the means to read earlier versions."""
    written = [(text, version)]
    while _base_version(*written[-1]) != written[-1][1] - 1:
        version -= 1
        written.append((text_at(version), version))
    stands = written.pop()
    for later in reversed(written):
        if _base_version(*later) == stands[1]:
            stands = later
    return stands


def _base_version(text: str, version: int) -> int:
    """Return the version that the writer of this one had read; one who does not say, as a person, had read the last."""
    try:
        base = json.loads(text)["base"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return version - 1
    return base if isinstance(base, int) and 0 <= base < version else version - 1
