"""Whole histories of stacks, generated: random events, random faults, and what must hold after each of them.

By default the same 10,000 runs of the function each time. `HISTORY_STEPS` takes more, and new ones; a failure prints
the shortest history that fails, and the `HISTORY_SEED` that finds it again.
"""

import os
import secrets
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from registry_connections.core.model import Owner
from registry_connections.core.record import BEGUN, REMEMBERED, Kind
from registry_connections.reconciler import EVENT_AGE_SECONDS
from tests.registry_connections import invariants
from tests.registry_connections.fakes import Effect, Fault
from tests.registry_connections.samples import ACCOUNT, OTHER_ACCOUNT, SUFFIX
from tests.registry_connections.tenant import Entry
from tests.registry_connections.world import REGIONS, Invocation, Stack, World

DEFAULT_STEPS: Final = 10_000
STEPS: Final = int(os.environ.get("HISTORY_STEPS", DEFAULT_STEPS))
SEED: Final = int(os.environ.get("HISTORY_SEED", 0 if "HISTORY_STEPS" not in os.environ else secrets.randbits(32)))

ANYWHERE = (Effect.REFUSED, Effect.KILLED)
WRITING = (Effect.LOST, Effect.HANGS, Effect.HANGS_APPLIED, Effect.KILLED_APPLIED, Effect.DENIED, *ANYWHERE)
READING = (Effect.DENIED, Effect.HANGS, *ANYWHERE)
EFFECTS = {
    **dict.fromkeys(("secret", "regions", "get", "holds"), ANYWHERE),
    **dict.fromkeys(("put", "delete_parameter"), (Effect.LOST, Effect.REPEATED, Effect.KILLED_APPLIED, *ANYWHERE)),
    **dict.fromkeys(("log_in", "probe", "read", "list"), READING),
    "create": (Effect.REPEATED, Effect.REJECTED, *WRITING),
    "refresh": (Effect.VANISHED, Effect.REJECTED, *WRITING),
    "remove": WRITING,
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
        "CredentialsVersion": st.sampled_from(("1", "2")),
    },
)
REJECTING = st.sets(st.sampled_from(REGIONS), max_size=2)
LONGEST = st.sampled_from((24, 100))  # characters of an alias
APART = st.floats(0, 12).map(lambda seconds: round(seconds, 1))
Changes = dict[str, str]
Faults = list[Fault]
RECORD_FAULTS = {"get", "put"}
IMPOSSIBLE = ("leave no enabled Region", "is not enabled")


STACK = st.runner().flatmap(lambda machine: st.sampled_from(machine.stacks))
ENTRY = st.runner().flatmap(lambda machine: st.sampled_from(machine.of_account()))
room_for_a_stack = precondition(lambda self: len(self.stacks) < 2)
a_stack = precondition(lambda self: self.stacks)
an_entry = precondition(lambda self: self.of_account())


class Histories(RuleBasedStateMachine):
    """One or two stacks in one account, and whatever happens to them."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World(check=invariants.check)
        self.stacks: list[Stack] = []
        for number, (host, kind) in enumerate(NEIGHBOURS):
            self.world.tenant.add(Entry(host, kind, role=f"neighbour-{number}"))

    def teardown(self) -> None:
        type(self).steps += self.world.steps

    # What the operator does

    @room_for_a_stack
    @rule(changes=CHANGES, faults=FAULTS, later=FAULTS, told=st.booleans())
    def launch(self, changes: Changes, faults: Faults, later: Faults, *, told: bool) -> None:
        stack = self.world.new_stack()
        self._settle_launch(stack, stack.launch(*faults, told=told, **changes), later, told=told)

    @room_for_a_stack
    @rule(changes=CHANGES, faults=SHORT_FAULTS, apart=APART)
    def launch_and_cancel(self, changes: Changes, faults: Faults, apart: float) -> None:
        stack = self.world.new_stack()
        stack.applied, stack.held = stack.properties(**changes), "made-up"
        create, delete = stack.begin(Kind.CREATE, stack.applied, faults), stack.begin(Kind.DELETE, stack.applied)
        self.world.invoke_both(create, delete, apart)
        self._roll_back(stack, [], deleted=delete.succeeded)

    @room_for_a_stack
    @rule(changes=CHANGES, faults=SHORT_FAULTS, late=st.floats(0, EVENT_AGE_SECONDS - 10))
    def launch_delivered_after_its_delete(self, changes: Changes, faults: Faults, late: float) -> None:
        stack = self.world.new_stack()
        stack.applied, stack.held = stack.properties(**changes), "made-up"
        faults = [fault for fault in faults if fault.operation not in RECORD_FAULTS | {"delete_parameter"}]
        sent = self.world.clock.now
        self.world.clock.sleep(5)
        delete = stack.begin(Kind.DELETE, stack.applied)
        create = stack.begin(Kind.CREATE, stack.applied, faults, sent=sent)
        self.world.invoke_both(delete, create, round(late, 1))
        self._roll_back(stack, [], deleted=delete.succeeded)

    @room_for_a_stack
    @rule(changes=CHANGES, faults=SHORT_FAULTS, later=SHORT_FAULTS, apart=APART, told=st.booleans())
    def launch_twice(self, changes: Changes, faults: Faults, later: Faults, apart: float, *, told: bool) -> None:
        stack, request = self.world.new_stack(), self.world.new_id()
        stack.applied = stack.properties(**changes)
        # Who cannot read the record cannot know that the same event is being answered already.
        faults, later = ([f for f in given if f.operation not in RECORD_FAULTS] for given in (faults, later))
        first, second = (stack.begin(Kind.CREATE, stack.applied, given, request=request) for given in (faults, later))
        self.world.invoke_both(first, second, apart)
        run = min(first, second, key=lambda run: (not run.answered, run.ended))  # whose response came first
        stack.hold(run, told=told)
        self._settle_launch(stack, run, [], told=told)

    @a_stack
    @rule(stack=STACK, changes=CHANGES, faults=FAULTS, later=FAULTS, told=st.booleans())
    def update(self, stack: Stack, changes: Changes, faults: Faults, later: Faults, *, told: bool) -> None:
        self._settle_update(stack, stack.update(*faults, **changes), later, told=told)

    @a_stack
    @rule(stack=STACK, changes=CHANGES)
    def update_delivered_after_its_rollback(self, stack: Stack, changes: Changes) -> None:
        sent = self.world.clock.now
        self.world.clock.sleep(1200)
        rollback = stack.roll_back()
        assert rollback.succeeded or any(why in rollback.reason for why in IMPOSSIBLE), rollback.reason
        before = dict(self.world.tenant.entries)
        late = self.world.run(stack.begin(Kind.UPDATE, stack.properties(**changes), sent=sent))
        stack.events.pop()
        assert late.answered
        assert not late.succeeded
        assert self.world.tenant.entries == before

    @a_stack
    @rule(stack=STACK, changes=CHANGES, faults=SHORT_FAULTS, apart=APART, update_first=st.booleans())
    def update_while_repairing(
        self, stack: Stack, changes: Changes, faults: Faults, apart: float, *, update_first: bool
    ) -> None:
        repair = stack.begin(Kind.REPAIR, stack.applied, faults)
        update = stack.begin(Kind.UPDATE, stack.properties(**changes))
        self.world.invoke_both(*((update, repair) if update_first else (repair, update)), apart)
        self._settle_update(stack, update, [], told=True)

    @a_stack
    @rule(stack=STACK, faults=FAULTS)
    def repair(self, stack: Stack, faults: Faults) -> None:
        if stack.repair(*faults).succeeded:
            self._again(stack)

    @a_stack
    @rule(stack=STACK, faults=FAULTS, told=st.booleans())
    def delete(self, stack: Stack, faults: Faults, *, told: bool) -> None:
        self.stacks.remove(stack)
        managed = set(stack.record.connections.values())
        run = stack.delete(*faults)
        if not (run.succeeded and told):
            repair = stack.repair()
            assert stack.record.applied or not repair.journal.made("create")
            run = stack.delete()
        assert run.succeeded, run.reason
        policy = stack.applied.get("DeleteConnections", "Keep")
        left = self.world.tenant.entries
        if policy == "Account":
            assert not self.of_account()
        elif policy == "Stack":
            assert all(stack.identity.owner(left[name].alias) is Owner.OTHER_STACK for name in managed & left.keys())
            assert not self._made_by(stack)
        else:
            assert left == run.present
            assert not run.journal.made("secret", "log_in")

    @a_stack
    @rule(stack=STACK, data=st.data())
    def a_duplicate_comes_late(self, stack: Stack, data: st.DataObject) -> None:
        late = stack.events[-data.draw(st.integers(1, min(REMEMBERED, len(stack.events))))]
        known = {event.request: event.outcome for event in stack.record.events}
        if known.get(late.request.id, BEGUN) == BEGUN:
            return  # it could leave no trace in the record, and CloudFormation has gone on without it
        before = set(self.world.tenant.entries)
        again = self.world.run(replace(stack.begin(late.request.kind, late.properties), request=late.request))
        stack.events.pop()
        assert again.succeeded == (known[late.request.id] == "")
        assert before == self.world.tenant.entries.keys()
        assert not again.journal.made("create", "refresh", "remove")

    # What others do

    @rule(region=st.sampled_from(REGIONS), key=st.sampled_from(("", "other")))
    def somebody_connects(self, region: str, key: str) -> None:
        url = f"https://{ACCOUNT}.dkr.ecr.{region}.{SUFFIX}"
        if not self.world.tenant.find(url, key):
            self.world.tenant.add(Entry(url, key=key, role="their-role"))

    @an_entry
    @rule(entry=ENTRY)
    def somebody_removes(self, entry: Entry) -> None:
        self.world.tenant.remove(entry.id)

    @an_entry
    @rule(entry=ENTRY)
    def somebody_renames(self, entry: Entry) -> None:
        entry.alias = "renamed"

    @an_entry
    @rule(entry=ENTRY)
    def a_credential_expires(self, entry: Entry) -> None:
        entry.expired = True

    @rule(region=st.sampled_from(REGIONS))
    def a_region_is_enabled_or_disabled(self, region: str) -> None:
        self.world.enabled ^= {region}
        self.world.enabled |= {REGIONS[0]}

    @rule(delay=st.integers(0, 100), rejecting=REJECTING, leaves_entry=st.booleans(), longest=LONGEST)
    def falcon_behaves_otherwise(self, delay: float, rejecting: set[str], longest: int, *, leaves_entry: bool) -> None:
        tenant = self.world.tenant
        tenant.role_delay, tenant.rejecting, tenant.longest_alias = delay, rejecting, longest
        tenant.rejects_leave_entry = leaves_entry

    @invariant()
    def time_passes_and_the_neighbours_are_there(self) -> None:
        self.world.clock.sleep(600)
        hosts = [(found.url, found.type) for found in self.world.tenant.entries.values()]
        assert all(neighbour in hosts for neighbour in NEIGHBOURS)

    def of_account(self) -> list[Entry]:
        return [found for found in self.world.tenant.entries.values() if found.shown().belongs_to(ACCOUNT, SUFFIX)]

    def _made_by(self, stack: Stack) -> list[Entry]:
        """Return what a stack made, and can know to have made."""
        own = [found for found in self.world.tenant.entries.values() if found.maker.startswith(f"{stack.name}/")]
        return [found for found in own if stack.identity.owner(found.alias) is Owner.CREATED]

    # What CloudFormation does next

    def _settle_launch(self, stack: Stack, run: Invocation, faults: Faults, *, told: bool) -> None:
        if run.succeeded and told:
            self.stacks.append(stack)
            self._again(stack)
        else:
            self._roll_back(stack, faults)

    def _roll_back(self, stack: Stack, faults: Faults, *, deleted: bool = False) -> None:
        # CloudFormation not saying what it holds leaves everything: that is accepted.
        silent = [fault for fault in faults if fault.operation != "holds"]
        assert deleted or stack.delete(*silent).succeeded or stack.delete().succeeded
        assert not self._made_by(stack)

    def _settle_update(self, stack: Stack, run: Invocation, faults: Faults, *, told: bool) -> None:
        if run.succeeded and told:
            stack.applied = run.properties
            self._again(stack)
            return
        if not run.succeeded and run.answered:
            managed = set(run.before.connections.values())
            assert {gone.id for gone in run.removed} & run.present.keys() <= managed
        for attempt in (faults, []):
            if not attempt:
                self.world.tenant.rejecting.clear()  # the operator corrects what made it fail
            back = stack.roll_back(*attempt)
            applied = back.before.applied
            if applied and applied.digest == back.request.digest and back.answered:
                assert back.succeeded or any(fault.operation in RECORD_FAULTS for fault in attempt), back.reason
            if back.succeeded:
                self._again(stack)
                return
        assert any(why in back.reason for why in IMPOSSIBLE), back.reason

    def _again(self, stack: Stack) -> None:
        """Repeat what succeeded: nothing is left to do, unless some Regions failed and that was accepted."""
        run, again = stack.repair(), stack.repair()
        waits = again.report is not None and again.report.note  # for the lease of a run that could not give it back
        if run.succeeded and again.succeeded and not waits:
            assert not again.journal.made("create", "refresh", "remove", "list")
            assert not stack.record.dirty


NEIGHBOURS = (
    (f"https://{OTHER_ACCOUNT}.dkr.ecr.us-east-1.{SUFFIX}", "ecr"),
    (f"https://{ACCOUNT}.dkr.ecr.sa-east-1.{SUFFIX}", "harbor"),
    (f"https://harbor.example.com/{ACCOUNT}", "harbor"),
    (f"https://{ACCOUNT}4.dkr.ecr.us-east-1.{SUFFIX}", "ecr"),
    (f"https://{ACCOUNT}.dkr.ecr.us-east-1.{SUFFIX}.example.com", "ecr"),
    (f"https://{ACCOUNT}.dkr.ecr.us-east-1.{SUFFIX}/team", "ecr"),
)


PROFILE = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.hypothesis
@pytest.mark.timeout(0)
def test_whatever_happens_every_response_is_true_and_nobody_else_is_touched() -> None:
    Histories.steps, number = 0, SEED
    while Histories.steps < STEPS:
        print(f"HISTORY_SEED={number}")  # noqa: T201 - shown with a failure
        run_state_machine_as_test(seed(number)(Histories), settings=PROFILE)
        number += 1

    assert Histories.steps >= STEPS
