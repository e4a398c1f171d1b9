"""What one run of the function sees of AWS, in memory, and the means of all fakes.

Time is virtual, calls can be made to fail or to be the last thing that a function does, and every call is recorded.
The record is kept by the package's own `ParameterStore`, in a Parameter Store of versions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError

from registry_connections.aws.calls import FreshPolicy
from registry_connections.aws.parameter_store import ParameterStore
from registry_connections.concurrency import ThreadPool
from registry_connections.core import errors
from registry_connections.core.model import AccountRegions, Credentials, Deadline, RegionUse
from registry_connections.core.record import Record

Item = TypeVar("Item")
Result = TypeVar("Result")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LATENCY = 0.25  # seconds of a call that nothing keeps


class KilledError(BaseException):
    """The function is gone: nothing of it catches this."""


class Effect(StrEnum):
    """What becomes of a call that does not go well."""

    REFUSED = "refused, and not carried out"
    LOST = "carried out, and the response lost"
    REPEATED = "carried out, the response lost, and sent again"
    REJECTED = "the connection role cannot be used"
    DENIED = "a scope or a permission is missing"
    VANISHED = "no such connection"
    HANGS = "no response until the time is up"
    HANGS_APPLIED = "carried out, and no response until the time is up"
    KILLED = "the function dies before it"
    KILLED_APPLIED = "the function dies after it"


@dataclass
class Fault:
    """Strikes the calls of one operation (`*` is any) after `skip` of them, `times` times."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1

    def strikes(self, operation: str) -> bool:
        """Whether it strikes this call; counts it."""
        if self.operation not in {operation, "*"} or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class VirtualClock:
    """Virtual seconds. Whenever they pass, `on_pass` may let somebody else work meanwhile."""

    now: float = 0.0
    on_pass: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_pass()

    def moment(self) -> str:
        """Return the time as Falcon writes it."""
        return datetime.fromtimestamp(self.wall(), UTC).isoformat()


class InlinePool(ThreadPool):
    """Does one thing after the other, in an order that never varies, in the virtual time of doing all at once."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock

    def submit_each(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Callable[[Deadline], list[Result | Exception]]:
        start = self.clock.now
        ended: list[tuple[Result | Exception, float]] = []
        for item in items:
            self.clock.now = start
            try:
                result: Result | Exception = work(item)
            except Exception as error:  # noqa: BLE001 - as the real one: errors are results
                result = error
            ended.append((result, self.clock.now))
        self.clock.now = start

        def results(deadline: Deadline) -> list[Result | Exception]:
            last = max((end for _, end in ended), default=start)
            self.clock.now = max(self.clock.now, min(last, deadline.at))
            late = errors.NoResponseError("no response before the time was up")
            return [result if end <= max(deadline.at, start) else late for result, end in ended]

        return results

    def shutdown(self) -> None:
        """There is no thread to end."""


@dataclass
class Journal:
    """The calls of one function, in order, and the faults that strike them."""

    clock: VirtualClock
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    latency: float = LATENCY

    def enter(self, operation: str, subject: str = "") -> Effect | None:
        """Record a call and let its time pass; return what is to become of it."""
        self.calls.append((operation, subject))
        effect = next((fault.effect for fault in self.faults if fault.strikes(operation)), None)
        if effect is Effect.KILLED:
            raise KilledError
        self.clock.sleep(self.latency)
        return effect

    def made(self, *operations: str) -> list[str]:
        """Return the subjects of the calls of these operations."""
        return [subject for operation, subject in self.calls if operation in operations]


@dataclass
class Parameters:
    """One parameter of Parameter Store, with its versions; none if it does not exist."""

    versions: list[str] = field(default_factory=list)

    @property
    def record(self) -> Record:
        """The record that it holds."""
        store = ParameterStore(lambda: FakeSsm(self, Journal(VirtualClock(), latency=0)), "/falcon-ecr", FreshPolicy(0))
        return store.load() or Record()


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")


@dataclass
class FakeSsm:
    """A client of Parameter Store."""

    parameters: Parameters
    journal: Journal

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803 - AWS's spelling
        self._enter("get")
        versions = self.parameters.versions
        version = int(Name.partition(":")[2] or len(versions))
        if not versions:
            raise client_error("ParameterNotFound")
        return {"Parameter": {"Value": versions[version - 1], "Version": version}}

    def put_parameter(self, Name: str, Value: str, Type: str, Overwrite: bool) -> dict[str, int]:  # noqa: ARG002, N803
        effect = self._enter("put")
        self.parameters.versions += [Value] * (2 if effect is Effect.REPEATED else 1)
        self._lose(effect)
        return {"Version": len(self.parameters.versions)}

    def delete_parameter(self, Name: str) -> None:  # noqa: ARG002, N803
        effect = self._enter("delete_parameter")
        if not self.parameters.versions:
            raise client_error("ParameterNotFound")
        self.parameters.versions.clear()
        self._lose(effect)

    def _enter(self, operation: str) -> Effect | None:
        effect = self.journal.enter(operation)
        if effect is Effect.REFUSED:
            raise client_error("InternalServerError")
        return effect

    def _lose(self, effect: Effect | None) -> None:
        if effect is Effect.KILLED_APPLIED:
            raise KilledError
        if effect is Effect.LOST:
            raise ReadTimeoutError(endpoint_url="https://ssm")


@dataclass
class FakeAccount:
    """What one function sees of an AWS account: `snapshot.Account`. `held` is the id that CloudFormation holds."""

    journal: Journal
    enabled: frozenset[str] = frozenset({"us-east-1", "eu-west-1"})
    disabled: frozenset[str] = frozenset()
    uses: dict[str, RegionUse] = field(default_factory=dict)
    secret: Credentials = field(default_factory=lambda: Credentials("id", "secret"))
    held: str = ""

    def credentials(self) -> Credentials:
        check(self.journal.enter("secret"), errors.SecretError("The secret cannot be read."))
        return self.secret

    def regions(self) -> AccountRegions:
        check(self.journal.enter("regions"), errors.AwsError("The Regions cannot be listed."))
        return AccountRegions(self.enabled, self.disabled)

    def region_use(self, region: str) -> RegionUse:
        self.journal.enter("region_use", region)
        return self.uses.get(region, RegionUse.REPOSITORIES)

    def holds(self, logical_id: str, physical_id: str) -> bool:
        check(self.journal.enter("holds", logical_id), errors.AwsError("The stack's resource cannot be described."))
        return self.held == physical_id


def check(effect: Effect | None, denial: errors.RegistrationError) -> None:
    """Raise what becomes of a call that is not carried out."""
    if effect is Effect.REFUSED and isinstance(denial, errors.FalconError):
        raise errors.FalconError("HTTP 500: in trouble", status=500)
    if effect in {Effect.DENIED, Effect.REFUSED}:
        raise denial
