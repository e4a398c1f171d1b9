"""The stage of a benchmark: the harness of the fault matrix, without faults, for an account with 34 Regions."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.faults.harness import Harness, event_of
from tests.faults.rows import Event
from tests.sandbox.known_regions import KNOWN_REGIONS
from tests.sandbox.lambda_runtime import PROJECT, Invocation
from tests.sandbox.tls import Authority

REGIONS: Final = KNOWN_REGIONS[:34]
MEMORY_MB: Final = int(re.findall(r"MemorySize: (\d+)", (PROJECT / "template.yaml").read_text())[0])


class Stage(Harness):
    """One account with 34 Regions, and the function in it."""

    @property
    def process(self) -> Path:
        """Where Linux tells about the function's process."""
        return Path(f"/proc/{self.container(0).pid}")

    def new_stack(self) -> None:
        """Begin anew: a stack that has applied nothing."""
        self.aws.parameters.clear()

    def send(self, kind: Event, **properties: str) -> Invocation:
        """Send an event of CloudFormation; raise AssertionError unless it is answered with SUCCESS."""
        delivery = self.deliver(event_of(kind, properties), remaining=300)
        assert delivery.answer.get("Status") == "SUCCESS", delivery.answers
        return delivery.invocation

    def reconcile(self) -> Invocation:
        """Send the schedule's event."""
        invocation = self.container(0).invoke({"action": "reconcile"}, remaining_seconds=300)
        assert invocation.status == "response", invocation
        return invocation


@contextmanager
def stage(*, seed: int = 0, processor_share: bool = False, **behaviour: object) -> Iterator[Stage]:
    """Set the stage, with a Falcon of this behaviour and `seed` connections of other accounts, and clear it away.

    With `processor_share` the function has what its memory entitles it to.
    """
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        # With all public authorities, as on Lambda: loading them takes longer than a handshake.
        trust = authority.bundle_file
        with Stage(authority, memory_mb=MEMORY_MB, trust=trust, processor_share=processor_share) as scene:
            scene.restore_secret()
            scene.falcon.change(**behaviour)
            scene.falcon.seed(seed)
            scene.aws.regions = dict.fromkeys(REGIONS, "opted-in")
            yield scene
