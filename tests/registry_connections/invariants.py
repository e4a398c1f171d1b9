"""What must hold after every single run of the function, whatever happened to it."""

from registry_connections.core.model import CONNECTED, UNSUCCESSFUL, DeletePolicy, Owner
from registry_connections.core.plan import Why
from registry_connections.core.record import LARGEST_RECORD, Kind
from registry_connections.core.report import LONGEST_REASON
from tests.registry_connections.samples import ACCOUNT, SUFFIX
from tests.registry_connections.tenant import Entry
from tests.registry_connections.world import LATEST_RESPONSE, REMAINING, Invocation


def check(run: Invocation) -> None:
    record = run.stack.record
    assert len(run.reason) <= LONGEST_REASON
    assert run.seconds <= REMAINING + LATEST_RESPONSE
    assert all(len(text) < LARGEST_RECORD for text in run.stack.parameters.versions)
    assert not record.unreadable
    for entry in run.stack.world.tenant.entries.values():
        if not entry.shown().belongs_to(ACCOUNT, SUFFIX):
            assert entry.user == entry.maker == "somebody"
    for gone in run.removed:
        assert gone.shown().belongs_to(ACCOUNT, SUFFIX)
        assert _reason_to_remove(gone, run), f"removed {gone}"
    rolled_back = run.request.kind is Kind.UPDATE and record.dirty
    if run.succeeded and run.request.kind is not Kind.DELETE and run.journal.made("log_in") and not rolled_back:
        _check_that_what_is_reported_is_so(run)


def _reason_to_remove(gone: Entry, run: Invocation) -> str:
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
    if gone.shown().region in _wanted(run):
        return ""
    if managed and policy is not DeletePolicy.KEEP:
        return str(Why.NOT_WANTED)
    unsure = run.before.dirty or run.before.refused
    return str(Why.UNFINISHED) if made and unsure and not managed else ""


def _wanted(run: Invocation) -> set[str]:
    enabled = run.stack.world.enabled
    return ((set(run.settings.regions) or enabled) & enabled) - set(run.settings.excluded)


def _check_that_what_is_reported_is_so(run: Invocation) -> None:
    assert run.report is not None
    record, entries, identity = run.stack.record, run.stack.world.tenant.entries, run.stack.identity
    failed = {outcome.region for outcome in run.report.of(UNSUCCESSFUL)}
    connected = {outcome.region: outcome.connection_id for outcome in run.report.of(CONNECTED)}
    taken = {
        region
        for region, identifier in record.connections.items()
        if identifier in entries and identity.owner(entries[identifier].alias) is Owner.OTHER_STACK
    }
    assert connected.keys() | (taken & _wanted(run)) - failed == _wanted(run) - failed
    for region, identifier in connected.items():
        entry = entries[identifier]
        assert record.connections[region] == identifier
        assert entry.shown().is_for(identity.registry(region))
        assert not entry.expired
        # Of one whose alias a person rewrote, nobody can know that another stack took it over.
        assert entry.role == identity.role_arn or entry.alias == "renamed"
    if not record.dirty:
        marked = {
            entry.id
            for entry in entries.values()
            if entry.maker.startswith(f"{run.stack.name}/")
            and identity.owner(entry.alias) is Owner.CREATED
            and entry.shown().region not in record.refused
        }
        assert marked <= set(record.connections.values()), "made by this stack, and not in its record"
