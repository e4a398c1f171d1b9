"""What must hold after every single run of the function, whatever happened to it."""

from registry_connections.core.model import CONNECTED, UNSUCCESSFUL, DeletePolicy, Owner
from registry_connections.core.plan import Why
from registry_connections.core.record import LARGEST_RECORD, Kind
from registry_connections.core.report import LONGEST_REASON
from tests.registry_connections.tenant import Entry
from tests.registry_connections.world import ACCOUNT, LATEST_RESPONSE, REMAINING, SUFFIX, Invocation, World


class Invariants:
    """Looks at each run of the function in a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, run: Invocation) -> None:
        assert run.problem is None, f"unforeseen {run.problem!r}"
        assert len(run.reason) <= LONGEST_REASON
        assert run.seconds <= REMAINING + LATEST_RESPONSE
        assert all(len(text) < LARGEST_RECORD for text in run.stack.parameters.versions)
        assert not run.stack.record.unreadable
        self._nobody_else_was_touched(run)
        self._each_removal_was_asked_for(run)
        rolled_back = run.request.kind is Kind.UPDATE and run.stack.record.dirty
        if run.succeeded and run.request.kind is not Kind.DELETE and not run.idle and not rolled_back:
            self._what_is_reported_is_so(run)

    def _nobody_else_was_touched(self, run: Invocation) -> None:
        for entry in self.world.tenant.entries.values():
            if not entry.shown().belongs_to(ACCOUNT, SUFFIX):
                assert entry.user == entry.maker == "somebody"
        assert all(gone.shown().belongs_to(ACCOUNT, SUFFIX) for gone in run.removed)

    def _each_removal_was_asked_for(self, run: Invocation) -> None:
        for gone in run.removed:
            assert self._reason_to_remove(gone, run), f"removed {gone}"

    def _reason_to_remove(self, gone: Entry, run: Invocation) -> str:
        kind, policy = run.request.kind, run.settings.delete_connections
        owner = run.stack.identity.owner(gone.alias)
        managed = gone.id in run.before.connections.values() and owner is not Owner.OTHER_STACK
        made = gone.maker.startswith(f"{run.stack.name}/") and owner is not Owner.OTHER_STACK
        if run.request.is_purge:
            own = managed or made or owner is Owner.ADOPTED
            asked = policy is DeletePolicy.ACCOUNT or (policy is DeletePolicy.STACK and own)
            return str(Why.PURGED) if asked else ""
        if kind is Kind.DELETE:
            return str(Why.UNFINISHED) if made else ""
        if gone.maker == run.maker and not run.succeeded:
            return "undone"
        if gone.shown().region in self.wanted(run):
            return ""
        if managed and policy is not DeletePolicy.KEEP:
            return str(Why.NOT_WANTED)
        unsure = run.before.dirty or run.before.refused
        return str(Why.UNFINISHED) if made and unsure and not managed else ""

    def wanted(self, run: Invocation) -> set[str]:
        chosen = set(run.settings.regions) or self.world.enabled
        return (chosen & self.world.enabled) - set(run.settings.excluded)

    def _what_is_reported_is_so(self, run: Invocation) -> None:
        assert run.report is not None
        record, entries = run.stack.record, self.world.tenant.entries
        failed = {outcome.region for outcome in run.report.of(UNSUCCESSFUL)}
        connected = {outcome.region: outcome.connection_id for outcome in run.report.of(CONNECTED)}
        taken = {
            region
            for region, identifier in record.connections.items()
            if identifier in entries and run.stack.identity.owner(entries[identifier].alias) is Owner.OTHER_STACK
        }
        assert connected.keys() | (taken & self.wanted(run)) - failed == self.wanted(run) - failed
        for region, identifier in connected.items():
            entry = entries[identifier]
            assert record.connections[region] == identifier
            assert entry.shown().is_for(run.stack.identity.registry(region))
            assert not entry.expired
            # Of one whose alias a person rewrote, nobody can know that another stack took it over.
            assert entry.role == run.stack.identity.role_arn or entry.alias == "renamed"
        if not record.dirty:
            self._nothing_is_forgotten(run)

    def _nothing_is_forgotten(self, run: Invocation) -> None:
        marked = {
            entry.id
            for entry in self.world.tenant.entries.values()
            if entry.maker.startswith(f"{run.stack.name}/")
            and run.stack.identity.owner(entry.alias) is Owner.CREATED
            and entry.shown().region not in run.stack.record.refused
        }
        record = run.stack.record
        assert marked <= set(record.connections.values()), "made by this stack, and not in its record"
