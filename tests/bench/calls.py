"""How many calls Falcon sees, in tenants of different size."""

from typing import Final, Literal

from tests.bench.stage import REGIONS, Stage, stage
from tests.bench.table import Row
from tests.faults.rows import ACCOUNT, Event

TENANTS: Final = (0, 1_000, 85_000)  # connections of other accounts
COUNTED: Final = ("launch", "quiet reconcile", "purge Stack", "adoption", "purge Account")


def measure() -> list[Row]:
    """Return the rows of this benchmark: each operation's calls by the size of the tenant."""
    counts = {size: _in_tenant_of(size) for size in TENANTS}
    return [
        Row("calls", f"{name}, tenant of {size:,}", counts[size][name], _promised(name, size), "calls")
        for name in COUNTED
        for size in TENANTS
    ]


def _promised(name: str, size: int) -> float:
    """Return what the design promises: the same in every tenant, and for two operations one listing on top."""
    flat = {"launch": len(REGIONS) + 2, "quiet reconcile": 2, "purge Stack": len(REGIONS) + 2}
    if name in flat:
        return flat[name]
    pages, reads = -(-(size + len(REGIONS)) // 5_000), -(-(size + len(REGIONS)) // 100)
    own = 2 * len(REGIONS) + 2 if name == "adoption" else len(REGIONS) + 1
    return own + pages + reads


def _in_tenant_of(size: int) -> dict[str, int]:
    with stage(seed=size, requests_per_minute=1_000_000) as scene:
        scene.new_stack()
        counts = {
            "launch": _counted(scene, Event.CREATE),
            "quiet reconcile": _counted(scene, "reconcile"),
            "purge Stack": _counted(scene, Event.DELETE, DeleteConnections="Stack"),
        }
        for region in REGIONS:
            scene.connect(region)
        scene.new_stack()
        counts["adoption"] = _counted(scene, Event.CREATE)
        counts["purge Account"] = _counted(scene, Event.DELETE, DeleteConnections="Account")
        assert scene.falcon.connections_of(ACCOUNT) == []
        return counts


def _counted(scene: Stage, event: Event | Literal["reconcile"], **properties: str) -> int:
    before = scene.falcon.journal.count()
    if event == "reconcile":
        scene.reconcile()
    else:
        scene.send(event, **properties)
    return scene.falcon.journal.count() - before
