"""What becomes of a plan in Falcon: one outcome a Region, and what is known to have been made."""

from typing import Any
from unittest.mock import Mock

import pytest

from registry_connections.core.model import Deadline, Outcome, OutcomeKind
from registry_connections.core.plan import Action, ActionKind, Plan, Why
from registry_connections.executor import Executor, Results, keep_all
from tests.registry_connections.fakes import Effect, Fault, InlinePool, Journal, VirtualClock
from tests.registry_connections.samples import EAST, GRANT, IDENTITY, SOUTH, WEST
from tests.registry_connections.tenant import Entry, FakeFalcon, Tenant

K = OutcomeKind


class Bench:
    """An executor on a tenant in memory, and the faults of its calls."""

    def __init__(self, *faults: Fault) -> None:
        self.clock = VirtualClock()
        self.tenant, self.journal = Tenant(self.clock), Journal(self.clock, list(faults))
        self.falcon = FakeFalcon(self.tenant, self.journal)
        self.executor = Executor(self.falcon, InlinePool(self.clock), IDENTITY, GRANT, self.clock)

    def add(self, region: str, alias: str = "theirs", **more: Any) -> Entry:
        return self.tenant.add(Entry(IDENTITY.registry(region).url, alias=alias, **more))

    def execute(self, *actions: Action, seconds: float = 500, **options: bool) -> Results:
        return self.executor.execute(Plan(actions), Deadline(seconds, self.clock), **options)

    def remove(self, *removes: Action) -> Results:
        results = Results()
        self.executor.remove(Plan(removes), results, Deadline(500, self.clock))
        return results


def create(region: str) -> Action:
    return Action(ActionKind.CREATE, IDENTITY.registry(region))


def refresh(region: str, name: str, why: Why = Why.EXPIRED) -> Action:
    return Action(ActionKind.REFRESH, IDENTITY.registry(region), name, why)


def remove(region: str, name: str, why: Why = Why.NOT_WANTED) -> Action:
    return Action(ActionKind.REMOVE, IDENTITY.registry(region), name, why)


def kinds(results: Results) -> dict[str, OutcomeKind]:
    return {region: outcome.kind for region, outcome in results.outcomes.items()}


def test_what_a_plan_creates_refreshes_keeps_and_leaves_is_told_with_its_ids() -> None:
    bench = Bench()
    old = bench.add(WEST, expired=True)
    results = bench.execute(
        create(EAST),
        refresh(WEST, old.id),
        Action(ActionKind.KEEP, IDENTITY.registry(SOUTH), "kept", "it is paused"),
        Action(ActionKind.LEAVE, IDENTITY.registry("us-west-2"), "left", Why.KEPT),
    )
    made = results.outcomes[EAST].connection_id

    assert results == Results(
        {
            EAST: Outcome(EAST, K.CREATED, made, milliseconds=250),
            WEST: Outcome(WEST, K.REFRESHED, old.id, str(Why.EXPIRED), milliseconds=250),
            SOUTH: Outcome(SOUTH, K.UNCHANGED, "kept", "it is paused"),
            "us-west-2": Outcome("us-west-2", K.LEFT, "left", str(Why.KEPT)),
        },
        made={EAST: made},
    )
    assert bench.tenant.entries[made].alias == IDENTITY.created_alias(EAST)
    assert (old.alias, old.role, old.expired) == ("theirs", GRANT.role_arn, False)
    assert [name for name, _ in bench.journal.calls] == ["create", "refresh"]


def test_a_registry_that_somebody_connected_is_adopted_under_our_mark_and_the_oldest_of_several() -> None:
    bench = Bench()
    older = bench.add(EAST, created_at="2025-01-01")
    bench.add(EAST, key="another", created_at="2025-06-01")
    results = bench.execute(create(EAST), create(WEST))

    assert (results.outcomes[EAST].kind, results.outcomes[EAST].connection_id) == (K.ADOPTED, older.id)
    assert (older.alias, set(results.made)) == (IDENTITY.adopted_alias(EAST), {WEST})
    assert bench.journal.made("list") == [""]


IT = {EAST}


@pytest.mark.parametrize(
    ("effect", "kind", "made", "refused", "unknown"),
    [
        (Effect.REPEATED, K.CREATED, IT, set(), set()),  # it was sent twice, and is found by its alias
        (Effect.REFUSED, K.FAILED, set(), set(), set()),
        (Effect.REJECTED, K.FAILED, set(), IT, set()),
        (Effect.LOST, K.FAILED, set(), set(), IT),
        (Effect.HANGS_APPLIED, K.FAILED, set(), set(), IT),
    ],
)
def test_of_a_create_it_is_told_whether_it_made_something_or_may_have(
    effect: Effect, kind: K, made: set[str], refused: set[str], unknown: set[str]
) -> None:
    results = Bench(Fault("create", effect)).execute(create(EAST))

    assert kinds(results) == {EAST: kind}
    assert results.made == {region: results.outcomes[region].connection_id for region in made}
    assert (results.refused, results.unknown) == (refused, unknown)
    assert results.outcomes[EAST].message.endswith("so it may have been made") is (effect is Effect.HANGS_APPLIED)


def test_what_this_stack_made_before_and_could_not_record_is_taken_up_and_not_undone() -> None:
    bench = Bench()
    own = bench.add(EAST, IDENTITY.created_alias(EAST), created_at="2026-09-09")
    bench.add(EAST, key="another", created_at="2025-01-01")

    outcome = Outcome(EAST, K.REFRESHED, own.id, str(Why.RECOVERED), milliseconds=250)
    assert bench.execute(create(EAST)) == Results({EAST: outcome}, recovered={EAST})


UNLISTED = "exists; Falcon says that a connection exists, but lists none with this URL"


@pytest.mark.parametrize(
    ("type_", "faults", "message", "status"),
    [("acr", [], UNLISTED, 409), ("ecr", [Fault("list", Effect.DENIED)], "READ is missing", 403)],
)
def test_a_conflict_with_nothing_that_falcon_lists_fails(
    type_: str, faults: list[Fault], message: str, status: int
) -> None:
    bench = Bench(*faults)
    bench.add(EAST, type=type_)

    assert bench.execute(create(EAST)).outcomes == {EAST: Outcome(EAST, K.FAILED, message=message, status=status)}


@pytest.mark.parametrize(("taken", "kind", "status"), [(False, K.CREATED, 0), (True, K.FAILED, 409)])
def test_a_connection_that_is_gone_is_created_again_unless_another_is_there(
    kind: K, status: int, *, taken: bool
) -> None:
    bench = Bench()
    if taken:
        bench.add(EAST)
    results = bench.execute(refresh(EAST, "gone"))

    assert (results.outcomes[EAST].kind, results.outcomes[EAST].status) == (kind, status)
    assert results.made.keys() == (set() if taken else {EAST})


@pytest.mark.parametrize("why", [Why.RECOVERED, Why.REFUSED, Why.EXPIRED, Why.ADOPTED])
@pytest.mark.parametrize("effect", [Effect.REFUSED, Effect.REJECTED])
def test_what_was_made_and_gets_no_credential_is_kept_until_it_has_one(why: Why, effect: Effect) -> None:
    bench = Bench(Fault("refresh", effect))
    own = bench.add(EAST)
    results = bench.execute(refresh(EAST, own.id, why))
    kept = {EAST: own.id} if why in {Why.RECOVERED, Why.REFUSED} else {}

    assert (kinds(results), results.kept, results.refused) == ({EAST: K.FAILED}, kept, set(kept))


def test_without_time_nothing_is_attempted() -> None:
    bench, message = Bench(), "not attempted: the time of this invocation is used up"

    assert bench.execute(create(EAST), refresh(WEST, "id-1"), seconds=0) == Results(
        {EAST: Outcome(EAST, K.NOT_ATTEMPTED, "", message), WEST: Outcome(WEST, K.NOT_ATTEMPTED, "id-1", message)}
    )
    assert bench.journal.calls == []


def test_an_error_that_nobody_foresaw_is_the_failure_of_one_region_and_its_text_is_not_told() -> None:
    bench = Bench()
    bench.falcon.create = Mock(side_effect=[ZeroDivisionError("secret text"), "id-2"])  # type: ignore[method-assign]
    results = bench.execute(create(EAST), create(WEST))

    assert kinds(results) == {EAST: K.FAILED, WEST: K.CREATED}
    assert results.outcomes[EAST].message == "unexpected ZeroDivisionError"
    assert results.unknown == {EAST}


# A launch


@pytest.mark.parametrize(("effects", "seconds"), [([], 0.25), ([Effect.REFUSED], 0.25), ([Effect.HANGS], 11)])
def test_a_launch_probes_the_scope_to_read_meanwhile_and_only_a_no_counts(
    effects: list[Effect], seconds: float
) -> None:
    bench = Bench(*(Fault("probe", effect) for effect in effects))
    results = bench.execute(create(EAST), launching=True)

    assert [name for name, _ in bench.journal.calls] == ["probe", "create"]
    assert (results.cause, kinds(results)) == ("", {EAST: K.CREATED})
    assert bench.clock.now <= seconds


@pytest.mark.parametrize("rollout", [False, True])
def test_a_launch_without_the_scope_to_read_fails_and_a_rollout_creates_nothing_first(*, rollout: bool) -> None:
    bench = Bench(Fault("probe", Effect.DENIED))
    results = bench.execute(create(EAST), refresh(WEST, bench.add(WEST).id), launching=True, rollout=rollout)

    assert results.cause == "READ is missing"
    assert kinds(results) == {EAST: K.NOT_ATTEMPTED if rollout else K.CREATED, WEST: K.NOT_ATTEMPTED}
    assert bench.journal.made("create") == ([] if rollout else [EAST])


@pytest.mark.parametrize(("careful", "kind"), [(True, K.NOT_ATTEMPTED), (False, K.ADOPTED)])
def test_with_care_a_failed_create_ends_the_attempt_before_others_get_our_role(kind: K, *, careful: bool) -> None:
    bench = Bench(Fault("create", Effect.DENIED))
    other = bench.add(WEST)
    results = bench.execute(create(EAST), create(WEST), careful=careful)

    assert kinds(results) == {EAST: K.FAILED, WEST: kind}
    assert (other.role == GRANT.role_arn) is not careful


# Removing and undoing


def test_what_is_removed_is_told_and_a_region_with_two_connections_fails_with_either() -> None:
    bench = Bench(Fault("remove", Effect.DENIED))
    one, other, third = bench.add(EAST), bench.add(EAST, key="2"), bench.add(WEST)
    results = bench.remove(remove(EAST, one.id), remove(EAST, other.id), remove(WEST, third.id))

    assert results.outcomes == {
        EAST: Outcome(EAST, K.FAILED, one.id, "WRITE is missing", 403),
        WEST: Outcome(WEST, K.REMOVED, third.id, str(Why.NOT_WANTED), milliseconds=250),
    }
    assert list(bench.tenant.entries) == [one.id]


@pytest.mark.parametrize(("why", "unknown"), [(Why.UNFINISHED, {EAST}), (Why.NOT_WANTED, set())])
def test_what_was_unfinished_and_is_not_removed_or_spared_stays_unknown(why: Why, unknown: set[str]) -> None:
    spared, unfinished = Results(), remove(EAST, "id-1", why)
    keep_all(Plan((unfinished,)), spared)

    assert Bench(Fault("remove", Effect.REFUSED)).remove(unfinished).unknown == unknown
    assert spared == Results({EAST: Outcome(EAST, K.LEFT, "id-1", str(Why.SPARED))}, unknown=unknown)


@pytest.mark.parametrize("undone", [False, True])
def test_an_undo_removes_what_was_made_and_nothing_else_and_says_what_is_left(*, undone: bool) -> None:
    bench = Bench(*[Fault("remove", Effect.REFUSED, times=2)] * (not undone))
    other = bench.add(SOUTH)
    results = bench.execute(create(EAST), create(WEST), create(SOUTH))
    results.add([Outcome(WEST, K.FAILED, "id", "it failed")])
    bench.executor.undo(results, Deadline(500, bench.clock))

    assert kinds(results) == {EAST: K.REMOVED if undone else K.LEFT, WEST: K.FAILED, SOUTH: K.ADOPTED}
    assert results.outcomes[EAST].message.startswith("made, and not removed: ") is not undone
    assert results.outcomes[WEST].message == ("it failed" if undone else "it failed; made, and not removed")
    assert results.made.keys() == results.unknown == (set() if undone else {EAST, WEST})
    assert bench.tenant.entries.keys() == {other.id, *results.made.values()}
