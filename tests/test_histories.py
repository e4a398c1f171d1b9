"""Whole histories of stacks, generated: random events, random faults, and what must hold after each of them.

By default the same 10,000 runs of the function each time. `HISTORY_STEPS` takes more, and new ones; a failure prints
the shortest history that fails, and the `HISTORY_SEED` that finds it again.
"""

import os
import secrets
from typing import Final

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from registry_connections.turns import REMEMBERED, Kind
from tests.fake_tenant import Record
from tests.fakes import Effect, Fault
from tests.histories import ACCOUNT, REGIONS, SUFFIX, Invocation, Stack, World
from tests.judge import Judge

DEFAULT_STEPS: Final = 10_000
STEPS: Final = int(os.environ.get("HISTORY_STEPS", DEFAULT_STEPS))
SEED: Final = int(os.environ.get("HISTORY_SEED", 0 if "HISTORY_STEPS" not in os.environ else secrets.randbits(32)))
HISTORIES_PER_SEED: Final = 40
STEPS_PER_HISTORY: Final = 50

ANYWHERE = (Effect.REFUSED, Effect.KILLED)
WRITING = (Effect.LOST, Effect.HANGS, Effect.HANGS_APPLIED, Effect.KILLED_APPLIED, Effect.DENIED, *ANYWHERE)
EFFECTS = {
    "secret": ANYWHERE,
    "regions": ANYWHERE,
    "load": ANYWHERE,
    "swap": (Effect.LOST, Effect.KILLED_APPLIED, *ANYWHERE),
    "log_in": (Effect.DENIED, Effect.HANGS, *ANYWHERE),
    "probe": (Effect.DENIED, *ANYWHERE),
    "create": (Effect.REPEATED, Effect.REJECTED, *WRITING),
    "refresh": (Effect.VANISHED, Effect.REJECTED, *WRITING),
    "remove": WRITING,
    "read": (Effect.DENIED, Effect.HANGS, *ANYWHERE),
    "list": (Effect.DENIED, Effect.HANGS, *ANYWHERE),
}
FAULT = st.sampled_from(sorted(EFFECTS)).flatmap(
    lambda operation: st.builds(
        Fault,
        st.just(operation),
        st.sampled_from(EFFECTS[operation]),
        skip=st.integers(0, 3),
        times=st.sampled_from((1, 1, 1, 2, 99)),
    )
)
FAULTS = st.lists(FAULT, max_size=2)
SHORT_FAULTS = st.lists(
    FAULT.filter(lambda fault: fault.effect not in {Effect.HANGS, Effect.HANGS_APPLIED}), max_size=2
)
"""For two runs at the same time, whose order is that of their virtual times only as long as these go in small steps."""
SOME_REGIONS = st.lists(st.sampled_from(REGIONS), unique=True, max_size=3).map(",".join)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "Regions": SOME_REGIONS,
        "ExcludedRegions": SOME_REGIONS,
        "DeleteConnections": st.sampled_from(("Keep", "Stack", "Account")),
        "OnRegionFailure": st.sampled_from(("Fail", "Report")),
        "ConnectionRoleArn": st.sampled_from(("role-1", "role-2")),
    },
)
APART = st.floats(0, 12).map(lambda seconds: round(seconds, 1))


class Histories(RuleBasedStateMachine):
    """One or two stacks in one account, and whatever happens to them."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.judge = Judge(self.world)
        self.world.judge = self.judge
        self.stacks: list[Stack] = []
        for number, (host, kind) in enumerate(NEIGHBOURS):
            self.world.tenant.add(Record(host, kind, role=f"neighbour-{number}"))

    def teardown(self) -> None:
        type(self).steps += self.world.steps

    # What the operator does

    @precondition(lambda self: len(self.stacks) < 2)
    @rule(changes=CHANGES, faults=FAULTS, later=FAULTS, told=st.booleans())
    def launch(self, changes: dict[str, str], faults: list[Fault], later: list[Fault], *, told: bool) -> None:
        stack = self.world.new_stack()
        before = dict(self.world.tenant.records)
        run = self.world.invoke(stack, Kind.CREATE, stack.properties(**changes), faults, heard=told)
        self._settle_launch(stack, run, before, later, told=told)

    @precondition(lambda self: len(self.stacks) < 2)
    @rule(changes=CHANGES, faults=SHORT_FAULTS, apart=APART)
    def launch_and_cancel(self, changes: dict[str, str], faults: list[Fault], apart: float) -> None:
        stack = self.world.new_stack()
        before = dict(self.world.tenant.records)
        create = self.world.begin(stack, Kind.CREATE, stack.properties(**changes), faults, heard=True)
        delete = self.world.begin(stack, Kind.DELETE, stack.properties(**changes), ours=False)
        self.world.invoke_both(create, delete, apart)
        if create.succeeded and create.ended <= delete.began and not delete.removed:
            self._settle_launch(stack, create, before, [], told=True)
        else:
            self._roll_back(stack, create, before, [], ours=False, deleted=delete.succeeded)

    @precondition(lambda self: len(self.stacks) < 2)
    @rule(changes=CHANGES, faults=SHORT_FAULTS, later=SHORT_FAULTS, apart=APART, told=st.booleans())
    def launch_delivered_twice(
        self, changes: dict[str, str], faults: list[Fault], later: list[Fault], apart: float, *, told: bool
    ) -> None:
        stack, request = self.world.new_stack(), self.world.new_id()
        before = dict(self.world.tenant.records)
        # Who cannot read the state cannot know that the same event is being answered already.
        faults, later = ([f for f in given if f.operation not in {"load", "swap"}] for given in (faults, later))
        first = self.world.begin(stack, Kind.CREATE, stack.properties(**changes), faults, request=request, heard=told)
        second = self.world.begin(stack, Kind.CREATE, stack.properties(**changes), later, request=request, heard=told)
        self.world.invoke_both(first, second, apart)
        self._settle_launch(stack, heard([first, second]), before, [], told=told)

    @precondition(lambda self: self.stacks)
    @rule(data=st.data(), changes=CHANGES, faults=FAULTS, later=FAULTS, told=st.booleans())
    def update(
        self, data: st.DataObject, changes: dict[str, str], faults: list[Fault], later: list[Fault], *, told: bool
    ) -> None:
        stack = self._one_of(data)
        wanted = stack.properties(**changes)
        run = self.world.invoke(stack, Kind.UPDATE, wanted, faults)
        self._settle_update(stack, run, wanted, later, told=told)

    @precondition(lambda self: self.stacks)
    @rule(data=st.data(), changes=CHANGES, faults=SHORT_FAULTS, apart=APART)
    def update_while_repairing(
        self, data: st.DataObject, changes: dict[str, str], faults: list[Fault], apart: float
    ) -> None:
        stack = self._one_of(data)
        wanted = stack.properties(**changes)
        repair = self.world.begin(stack, Kind.REPAIR, stack.applied or {}, faults)
        update = self.world.begin(stack, Kind.UPDATE, wanted)
        self.world.invoke_both(*((repair, update) if data.draw(st.booleans()) else (update, repair)), apart)
        self._settle_update(stack, update, wanted, [], told=True)

    @precondition(lambda self: self.stacks)
    @rule(data=st.data(), faults=FAULTS)
    def repair(self, data: st.DataObject, faults: list[Fault]) -> None:
        stack = self._one_of(data)
        run = self.world.invoke(stack, Kind.REPAIR, stack.applied or {}, faults)
        if run.succeeded:
            self._again(stack)

    @precondition(lambda self: self.stacks)
    @rule(data=st.data(), faults=FAULTS, told=st.booleans())
    def delete(self, data: st.DataObject, faults: list[Fault], *, told: bool) -> None:
        stack = self._one_of(data)
        self.stacks.remove(stack)
        applied = stack.applied or {}
        run = self.world.invoke(stack, Kind.DELETE, applied, faults)
        if not (run.succeeded and told):
            run = self.world.invoke(stack, Kind.DELETE, applied)
        assert run.succeeded, run.reason
        policy = applied.get("DeleteConnections", "Keep")
        left = {found.id: found for found in self.world.tenant.records.values()}
        if policy == "Account":
            assert not [found for found in left.values() if found.shown().belongs_to(ACCOUNT, SUFFIX)]
        elif policy == "Stack":
            assert not [found for found in left.values() if found.maker.startswith(f"{stack.name}/")]
            assert not left.keys() & set(run.before.connections.values())
        else:
            assert left == run.present
            assert {operation for operation, _ in run.journal.calls} <= {"load", "swap"}

    @precondition(lambda self: self.stacks)
    @rule(data=st.data())
    def a_duplicate_comes_late(self, data: st.DataObject) -> None:
        stack = self._one_of(data)
        late = stack.events[-data.draw(st.integers(1, min(REMEMBERED, len(stack.events))))]
        if late.request.id not in dict(stack.parameter.state.handled):
            return  # it could leave no trace in the state, and is done like any other
        request, before = late.request, set(self.world.tenant.records)
        runs = [run for run in stack.events if run.request.id == request.id]
        late = heard(runs)
        is_latest = request.id == stack.parameter.state.handled[-1][0]
        again = self.world.invoke(stack, request.kind, late.properties, request=request.id, ours=request.ours)
        stack.events.pop()
        if not (is_latest and late.succeeded):  # the latest success is done again, which may repair
            assert again.succeeded == late.succeeded or not late.answered or len(runs) > 1
            assert before == self.world.tenant.records.keys()
            assert not again.journal.made("create", "refresh", "remove")

    # What others do

    @rule(region=st.sampled_from(REGIONS), key=st.sampled_from(("", "other")))
    def somebody_connects(self, region: str, key: str) -> None:
        url = f"https://{ACCOUNT}.dkr.ecr.{region}.{SUFFIX}"
        if not self.world.tenant.find(url, key):
            made = self.world.tenant.add(Record(url, key=key, role="their-role"))
            if any(run and region in run.creating for run in (s.parameter.state.run for s in self.stacks)):
                self.judge.ambiguous.add(made.id)

    @rule(data=st.data())
    def somebody_removes(self, data: st.DataObject) -> None:
        mine = [n for n, found in self.world.tenant.records.items() if found.shown().belongs_to(ACCOUNT, SUFFIX)]
        if mine:
            self.world.tenant.remove(data.draw(st.sampled_from(sorted(mine))))

    @rule(data=st.data())
    def a_credential_expires(self, data: st.DataObject) -> None:
        mine = [n for n, found in self.world.tenant.records.items() if found.shown().belongs_to(ACCOUNT, SUFFIX)]
        if mine:
            self.world.tenant.records[data.draw(st.sampled_from(sorted(mine)))].expired = True

    @rule(region=st.sampled_from(REGIONS))
    def a_region_is_enabled_or_disabled(self, region: str) -> None:
        self.world.enabled ^= {region}
        self.world.enabled |= {REGIONS[0]}

    @rule(after=st.integers(0, 100))
    def falcon_needs_time_for_new_roles(self, after: float) -> None:
        self.world.tenant.role_delay = after

    @rule()
    def falcon_keeps_what_it_rejects_or_not(self) -> None:
        self.world.tenant.rejects_leave_record ^= True

    @invariant()
    def time_passes_and_the_neighbours_are_there(self) -> None:
        self.world.clock.sleep(600)
        hosts = [(found.url, found.type) for found in self.world.tenant.records.values()]
        assert all(neighbour in hosts for neighbour in NEIGHBOURS)

    def _one_of(self, data: st.DataObject) -> Stack:
        return self.stacks[data.draw(st.integers(0, len(self.stacks) - 1))]

    # What CloudFormation does next

    def _settle_launch(
        self, stack: Stack, run: Invocation, before: dict[str, Record], faults: list[Fault], *, told: bool
    ) -> None:
        if run.succeeded and told:
            stack.applied = stack.properties(**self._changes(run))
            self.stacks.append(stack)
            self._again(stack)
        else:
            self._roll_back(stack, run, before, faults, ours=run.answered and told)

    def _roll_back(
        self,
        stack: Stack,
        run: Invocation,
        before: dict[str, Record],
        faults: list[Fault],
        *,
        ours: bool,
        deleted: bool = False,
    ) -> None:
        properties = stack.properties(**self._changes(run))
        # With Keep, a state that cannot be read does not keep a stack from being deleted, whatever it would have told.
        readable = [fault for fault in faults if fault.operation != "load"]
        for attempt in (readable, []):
            if not deleted:
                deleted = self.world.invoke(stack, Kind.DELETE, properties, attempt, ours=ours).succeeded
        assert deleted
        after = self.world.tenant.records
        assert not [found for found in after.values() if found.maker.startswith(f"{stack.name}/")]
        assert before.keys() - self._gone_by_others() <= after.keys()

    def _settle_update(
        self, stack: Stack, run: Invocation, wanted: dict[str, str], faults: list[Fault], *, told: bool
    ) -> None:
        if run.succeeded and told:
            stack.applied = wanted
            self._again(stack)
            return
        there = run.present.keys()
        asked = set() if self.judge.broken(run) else run.managed
        assert {gone.id for gone in run.removed} & there <= asked, "a failed update removed what was there"
        for attempt in (faults, []):
            back = self.world.invoke(stack, Kind.UPDATE, stack.applied or {}, attempt)
            if run.answered and not run.succeeded:  # what an update adopted is the stack's own, unless it failed
                own = run.managed | set(run.before.connections.values())
                assert {gone.id for gone in back.removed} & there <= own, "rolled back too far"
            if back.succeeded:
                self._again(stack)
                return
        impossible = ("leave no enabled Region", "is not enabled")
        assert any(why in back.reason for why in impossible), back.reason

    def _gone_by_others(self) -> set[str]:
        return {gone.id for gone, by in self.world.tenant.removed if by == "somebody"}

    def _again(self, stack: Stack) -> None:
        """Repeat what succeeded: nothing is left to do, unless some Regions failed and that was accepted."""
        run = self.world.invoke(stack, Kind.REPAIR, stack.applied or {})
        again = self.world.invoke(stack, Kind.REPAIR, stack.applied or {})
        if run.succeeded and again.succeeded:
            assert not again.journal.made("create", "refresh", "remove", "swap")

    def _changes(self, run: Invocation) -> dict[str, str]:
        names = ("Regions", "ExcludedRegions", "DeleteConnections", "OnRegionFailure", "ConnectionRoleArn")
        return {name: run.settings.properties[name] for name in names if name in run.settings.properties}


OTHER = "444455556666"
NEIGHBOURS = (
    (f"https://{OTHER}.dkr.ecr.us-east-1.{SUFFIX}", "ecr"),
    (f"https://{ACCOUNT}.dkr.ecr.sa-east-1.{SUFFIX}", "harbor"),
    (f"https://harbor.example.com/{ACCOUNT}", "harbor"),
    (f"https://{ACCOUNT}4.dkr.ecr.us-east-1.{SUFFIX}", "ecr"),
    (f"https://{ACCOUNT}.dkr.ecr.us-east-1.{SUFFIX}.example.com", "ecr"),
    (f"https://{ACCOUNT}.dkr.ecr.us-east-1.{SUFFIX}/team", "ecr"),
)


def heard(runs: list[Invocation]) -> Invocation:
    """Return the run of several for one event whose answer came first."""
    return min(runs, key=lambda run: (not run.answered, run.ended))


PROFILE = settings(
    max_examples=HISTORIES_PER_SEED,
    stateful_step_count=STEPS_PER_HISTORY,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0)
@pytest.mark.hypothesis  # so that `make histories` runs it
def test_whatever_happens_every_answer_is_true_and_nobody_else_is_touched() -> None:
    Histories.steps, number = 0, SEED
    while Histories.steps < STEPS:
        print(f"HISTORY_SEED={number}")  # noqa: T201 - shown with a failure
        run_state_machine_as_test(seed(number)(Histories), settings=PROFILE)
        number += 1

    assert Histories.steps >= STEPS
