"""What must hold after every single run of the function, whatever happened to it."""

from registry_connections.model import CONNECTED, UNSUCCESSFUL, DeletePolicy
from registry_connections.plan import Why
from registry_connections.report import LONGEST_REASON
from registry_connections.state import LARGEST_STATE
from registry_connections.turns import Kind
from tests.fake_tenant import Record
from tests.histories import ACCOUNT, LATEST_ANSWER, REMAINING, SUFFIX, Invocation, World


class Judge:
    """Looks at each run of the function in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ambiguous: set[str] = set()  # made in a Region where a run of another stack was cut short

    def __call__(self, run: Invocation) -> None:
        assert run.problem is None, f"unforeseen {run.problem!r}"
        assert len(run.reason) <= LONGEST_REASON or not run.report
        assert run.seconds <= REMAINING + LATEST_ANSWER
        assert len(run.stack.parameter.text or "") < LARGEST_STATE
        assert run.stack.parameter.state is not None
        self._nobody_else_was_touched(run)
        self._each_removal_was_asked_for(run)
        if run.succeeded and run.request.kind is not Kind.DELETE and not run.overtaken:
            self._what_is_told_is_so(run)

    def _nobody_else_was_touched(self, run: Invocation) -> None:
        for record in self.world.tenant.records.values():
            if not record.shown().belongs_to(ACCOUNT, SUFFIX):
                assert record.user == record.maker == "somebody"
        assert all(gone.shown().belongs_to(ACCOUNT, SUFFIX) for gone in run.removed)

    def _each_removal_was_asked_for(self, run: Invocation) -> None:
        for gone in run.removed:
            assert gone.id in self.ambiguous or self._reason_to_remove(gone, run), f"removed {gone}"

    def _reason_to_remove(self, gone: Record, run: Invocation) -> str:
        kind, policy = run.request.kind, run.settings.delete_connections
        managed = gone.id in run.managed
        ours = gone.maker.startswith(f"{run.stack.name}/")
        wanted = gone.shown().region in self.wanted(run)
        if gone.maker == run.maker and kind is Kind.CREATE and not run.succeeded:
            return "undone"
        if kind is Kind.DELETE and run.request.ours and run.stack.applied is not None:
            whole = policy is DeletePolicy.ACCOUNT
            return str(Why.PURGE) if whole or (policy is DeletePolicy.STACK and (managed or ours)) else ""
        if kind is Kind.DELETE and run.stack.applied is None:
            return str(Why.UNFINISHED) if ours else ""
        if wanted:
            return ""
        if (managed or ours) and policy is not DeletePolicy.KEEP and (kind is Kind.REPAIR or not self.broken(run)):
            return str(Why.NOT_WANTED)
        return str(Why.UNFINISHED) if ours and f"/{Kind.REPAIR}:" not in gone.maker else ""

    def broken(self, run: Invocation) -> bool:
        """Whether it was told that a wanted Region failed, and the event with it."""
        failed = run.report.of(UNSUCCESSFUL) if run.report else ()
        return bool({outcome.region for outcome in failed} & self.wanted(run)) and not run.succeeded

    def wanted(self, run: Invocation) -> set[str]:
        chosen = set(run.settings.regions) or self.world.enabled
        return (chosen & self.world.enabled) - set(run.settings.excluded)

    def _what_is_told_is_so(self, run: Invocation) -> None:
        assert run.report is not None
        if not run.report.cloud:
            return  # to a late duplicate, of which nothing was done
        state, records = run.stack.parameter.state, self.world.tenant.records
        failed = {outcome.region for outcome in run.report.of(UNSUCCESSFUL)}
        assert {outcome.region for outcome in run.report.of(CONNECTED)} == self.wanted(run) - failed
        assert {name for region, name in state.connections.items() if region not in failed} <= records.keys()
        for region in self.wanted(run) - failed:
            record = records[state.connections[region]]
            assert record.shown().is_for(run.settings.registry(region))
            assert not record.expired
            if record.user.startswith(f"{run.stack.name}/"):
                assert (record.role, record.external_id) == (run.settings.role_arn, run.settings.external_id)
            else:
                assert record.user.startswith("stack-"), "adopted, and not given a credential"
        if not failed:
            self._nothing_is_forgotten(run)

    def _nothing_is_forgotten(self, run: Invocation) -> None:
        managed = set(run.stack.parameter.state.connections.values())
        made = {r.id for r in self.world.tenant.records.values() if r.maker.startswith(f"{run.stack.name}/")}
        assert made <= managed, "made by this stack, and not in its state"
