"""The plan: one test for each sentence of its rules, then the laws that hold whatever the circumstances."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.model import (
    AccountRegions,
    Connection,
    DeletePolicy,
    Outcome,
    OutcomeKind,
    RegionScope,
    RegionUse,
    Settings,
)
from registry_connections.plan import (
    Create,
    Keep,
    Leave,
    Plan,
    Refresh,
    Remove,
    Scope,
    Why,
    made_since,
    narrow,
    plan,
    purge,
    purges,
    scope,
    with_doubts,
    with_recovered,
)
from registry_connections.state import Run, State

ACCOUNT = "111122223333"
SETTINGS = Settings(ACCOUNT, "aws", "amazonaws.com", "arn:aws:iam::111122223333:role/r", "external")
APPLIED = {"ConnectionRoleArn": SETTINGS.role_arn, "ExternalId": SETTINGS.external_id}
EAST, WEST, SOUTH = "us-east-1", "eu-west-1", "ap-south-1"
ACCOUNTS_REGIONS = AccountRegions(frozenset({EAST, WEST}), frozenset({SOUTH}))
EARLY, LATE = "2026-01-01T00:00:00+00:00", "2026-06-01T00:00:00+00:00"


def found(region: str, name: str = "", *, account: str = ACCOUNT, **more: Any) -> Connection:
    """Return a connection that Falcon has, by default of that Region's registry."""
    url = f"https://{account}.dkr.ecr.{region}.amazonaws.com"
    return Connection(**{"id": name or f"id-{region}", "url": url, "type": "ecr", "created_at": EARLY, **more})


def existing(*regions: str) -> dict[str, Connection]:
    return {region: found(region) for region in regions}


def managing(*regions: str, **more: Any) -> State:
    """Return the state of a stack that applied these settings and manages these Regions."""
    return State(settings=APPLIED, connections={region: f"id-{region}" for region in regions}, **more)


def with_policy(policy: DeletePolicy) -> Settings:
    return replace(SETTINGS, delete_connections=policy)


def why(*reasons: tuple[str, str]) -> tuple[Outcome, ...]:
    return tuple(Outcome(region, OutcomeKind.SKIPPED, message=reason) for region, reason in reasons)


# Which Regions are wanted


def test_every_enabled_region_is_wanted_unless_some_are_named() -> None:
    assert scope(SETTINGS, ACCOUNTS_REGIONS) == Scope((WEST, EAST))


def test_regions_that_are_named_are_wanted_alone() -> None:
    settings = replace(SETTINGS, regions=(EAST,))

    assert scope(settings, ACCOUNTS_REGIONS) == Scope((EAST,), why((WEST, "not in Regions")))


def test_regions_that_are_excluded_are_not_wanted() -> None:
    settings = replace(SETTINGS, excluded=(WEST,))

    assert scope(settings, ACCOUNTS_REGIONS) == Scope((EAST,), why((WEST, "in ExcludedRegions")))


def test_what_is_named_and_excluded_is_not_wanted() -> None:
    settings = replace(SETTINGS, regions=(EAST, WEST), excluded=(WEST,))

    assert scope(settings, ACCOUNTS_REGIONS) == Scope((EAST,), why((WEST, "in ExcludedRegions")))


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        (SOUTH, "Regions: ap-south-1 is not enabled in this account: enable it, or take it out."),
        ("mars-east-1", "Regions: AWS knows no Region 'mars-east-1' in this partition."),
    ],
)
def test_a_region_that_is_named_and_cannot_be_registered_is_a_problem(region: str, problem: str) -> None:
    chosen = scope(replace(SETTINGS, regions=(EAST, region)), ACCOUNTS_REGIONS)

    assert chosen.problems == (problem,)


def test_a_region_that_was_disabled_since_it_was_accepted_is_skipped() -> None:
    chosen = scope(replace(SETTINGS, regions=(EAST, SOUTH)), ACCOUNTS_REGIONS, accepted=(EAST, SOUTH))

    assert chosen.problems == ()
    assert chosen.wanted == (EAST,)
    assert chosen.skipped == why((SOUTH, "not enabled in this account"), (WEST, "not in Regions"))


def test_a_region_that_is_excluded_need_not_be_enabled_but_known() -> None:
    assert scope(replace(SETTINGS, excluded=(SOUTH,)), ACCOUNTS_REGIONS).problems == ()
    assert scope(replace(SETTINGS, excluded=("mars-east-1",)), ACCOUNTS_REGIONS).problems == (
        "ExcludedRegions: AWS knows no Region 'mars-east-1' in this partition.",
    )


@pytest.mark.parametrize(
    "settings", [replace(SETTINGS, excluded=(EAST, WEST)), replace(SETTINGS, regions=(EAST,), excluded=(EAST,))]
)
def test_no_region_at_all_is_a_problem(settings: Settings) -> None:
    chosen = scope(settings, ACCOUNTS_REGIONS)

    assert chosen.wanted == ()
    assert chosen.problems == ("Regions and ExcludedRegions leave no enabled Region to register.",)


@pytest.mark.parametrize(
    ("use", "region_scope", "wanted"),
    [
        (RegionUse.REPOSITORIES, RegionScope.ENABLED, True),
        (RegionUse.REPOSITORIES, RegionScope.WITH_REPOSITORIES, True),
        (RegionUse.EMPTY, RegionScope.ENABLED, True),
        (RegionUse.EMPTY, RegionScope.WITH_REPOSITORIES, False),
        (RegionUse.DENIED, RegionScope.ENABLED, False),
        (RegionUse.DENIED, RegionScope.WITH_REPOSITORIES, False),
        (RegionUse.UNKNOWN, RegionScope.ENABLED, True),
        (RegionUse.UNKNOWN, RegionScope.WITH_REPOSITORIES, True),
        (None, RegionScope.ENABLED, True),
        (None, RegionScope.WITH_REPOSITORIES, True),
    ],
)
def test_a_region_where_ecr_is_denied_or_as_asked_for_unused_is_taken_out(
    use: RegionUse | None, region_scope: RegionScope, *, wanted: bool
) -> None:
    uses = {} if use is None else {EAST: use}
    chosen = narrow(Scope((WEST, EAST)), uses, replace(SETTINGS, region_scope=region_scope))

    assert chosen.wanted == ((WEST, EAST) if wanted else (WEST,))
    assert chosen.skipped == (() if wanted else why((EAST, str(use))))


names = st.sampled_from([EAST, WEST, SOUTH, "eu-north-1", "me-south-1", "mars-east-1"])
region_sets = st.frozensets(names)


@st.composite
def account_regions(draw: st.DrawFn) -> AccountRegions:
    enabled = draw(region_sets)
    return AccountRegions(enabled, draw(region_sets) - enabled)


@given(account_regions(), st.lists(names, max_size=3), st.lists(names, max_size=3), st.lists(names, max_size=3))
def test_law_every_region_of_the_account_is_wanted_or_skipped_and_never_both(
    regions: AccountRegions, named: list[str], excluded: list[str], accepted: list[str]
) -> None:
    chosen = scope(replace(SETTINGS, regions=tuple(named), excluded=tuple(excluded)), regions, accepted)
    skipped = [outcome.region for outcome in chosen.skipped]

    assert set(chosen.wanted) <= regions.enabled
    assert set(chosen.wanted) | set(skipped) >= regions.enabled
    assert not set(chosen.wanted) & {*skipped, *excluded}
    assert list(chosen.wanted) == sorted(set(chosen.wanted))
    assert skipped == sorted(set(skipped))
    assert chosen.wanted or chosen.problems or accepted


# What is to be done


def actions(state: State, *wanted: str, settings: Settings = SETTINGS, **there: Connection) -> tuple[Any, ...]:
    by_region = {name.replace("_", "-"): each for name, each in there.items()}
    return plan(wanted, by_region, state, settings).actions


def test_what_is_wanted_and_absent_is_created() -> None:
    assert actions(managing(), EAST) == (Create(SETTINGS.registry(EAST)),)


def test_what_is_wanted_managed_and_gone_is_created_again() -> None:
    assert actions(managing(EAST), EAST) == (Create(SETTINGS.registry(EAST)),)


def test_what_is_wanted_present_and_right_is_kept() -> None:
    assert actions(managing(EAST), EAST, us_east_1=found(EAST)) == (Keep(SETTINGS.registry(EAST), "id-us-east-1"),)


@pytest.mark.parametrize("changed", [{"role_arn": "arn:aws:iam::111122223333:role/s"}, {"external_id": "another"}])
def test_if_the_role_or_the_external_id_changed_the_credential_is_set(changed: dict[str, str]) -> None:
    settings = replace(SETTINGS, **changed)  # type: ignore[arg-type] # both are text

    assert actions(managing(EAST), EAST, settings=settings, us_east_1=found(EAST)) == (
        Refresh(settings.registry(EAST), "id-us-east-1", Why.ROLE_CHANGED),
    )


def test_if_nothing_was_applied_yet_the_credential_is_set() -> None:
    state = replace(managing(EAST), settings=None)

    assert actions(state, EAST, us_east_1=found(EAST)) == (
        Refresh(SETTINGS.registry(EAST), "id-us-east-1", Why.ROLE_CHANGED),
    )


def test_if_it_is_in_doubt_which_role_a_connection_has_its_credential_is_set_and_no_others() -> None:
    state = managing(EAST, WEST, doubtful=frozenset({EAST}))

    assert plan((EAST, WEST), existing(EAST, WEST), state, SETTINGS).actions == (
        Keep(SETTINGS.registry(WEST), "id-eu-west-1"),
        Refresh(SETTINGS.registry(EAST), "id-us-east-1", Why.ROLE_CHANGED),
    )


def test_if_falcon_says_that_the_credential_expired_it_is_set() -> None:
    assert actions(managing(EAST), EAST, us_east_1=found(EAST, expired=True)) == (
        Refresh(SETTINGS.registry(EAST), "id-us-east-1", Why.EXPIRED),
    )


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        (DeletePolicy.KEEP, Leave(SETTINGS.registry(EAST), "id-us-east-1", Why.KEPT)),
        (DeletePolicy.STACK, Remove(SETTINGS.registry(EAST), "id-us-east-1", Why.NOT_WANTED)),
        (DeletePolicy.ACCOUNT, Remove(SETTINGS.registry(EAST), "id-us-east-1", Why.NOT_WANTED)),
    ],
)
def test_what_is_managed_and_no_longer_wanted_is_removed_or_left_as_the_policy_says(
    policy: DeletePolicy, action: Any
) -> None:
    assert actions(managing(EAST), settings=with_policy(policy), us_east_1=found(EAST)) == (action,)


@pytest.mark.parametrize("policy", DeletePolicy)
def test_what_an_update_made_that_failed_is_removed_whatever_the_policy(policy: DeletePolicy) -> None:
    state = managing(EAST, unfinished=frozenset({EAST}))

    assert actions(state, settings=with_policy(policy), us_east_1=found(EAST)) == (
        Remove(SETTINGS.registry(EAST), "id-us-east-1", Why.UNFINISHED),
    )


def test_what_a_launch_made_of_which_nobody_knows_whether_it_was_heard_is_the_policys() -> None:
    state = managing(EAST, unfinished=frozenset({EAST}), unconfirmed=True)

    assert actions(state, us_east_1=found(EAST)) == (Leave(SETTINGS.registry(EAST), "id-us-east-1", Why.KEPT),)


OTHERS = {
    "another account": found(EAST, "id-us-east-1", account="444455556666"),
    "another Region": found(WEST, "id-us-east-1"),
    "another type": found(EAST, type="acr"),
    "a look-alike": found(EAST, url=f"https://{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com.evil.example"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_connection_of_another_registry_counts_as_absent_whatever_the_state_says(other: Connection) -> None:
    settings = with_policy(DeletePolicy.ACCOUNT)

    assert actions(managing(EAST), EAST, us_east_1=other) == (Create(SETTINGS.registry(EAST)),)
    assert actions(managing(EAST), settings=settings, us_east_1=other) == ()


def test_a_plan_that_only_keeps_and_leaves_is_quiet() -> None:
    keeps = plan((EAST,), existing(EAST, WEST), managing(EAST, WEST), SETTINGS)

    assert keeps.quiet
    assert not plan((EAST,), {}, managing(), SETTINGS).quiet
    assert not plan((EAST,), existing(EAST), managing(EAST, doubtful=frozenset({EAST})), SETTINGS).quiet
    assert not plan((), existing(EAST), managing(EAST), with_policy(DeletePolicy.STACK)).quiet


# Laws of the plan


@st.composite
def states(draw: st.DrawFn) -> State:
    connections = draw(st.dictionaries(names, st.sampled_from([f"id-{n}" for n in range(8)])))
    known = st.frozensets(st.sampled_from(sorted(connections))) if connections else st.just(frozenset[str]())
    return State(
        settings=draw(st.sampled_from([None, APPLIED, {**APPLIED, "ExternalId": "another"}])),
        connections=connections,
        unfinished=draw(known),
        unconfirmed=draw(st.booleans()),
        doubtful=draw(known),
    )


settings_of_any_policy = st.sampled_from([with_policy(policy) for policy in DeletePolicy])
accounts = st.sampled_from([ACCOUNT, ACCOUNT, ACCOUNT, "444455556666"])
connections = st.builds(
    lambda number, region, account, kind, *, expired: found(
        region, f"id-{number}", account=account, type=kind, expired=expired
    ),
    st.integers(0, 9),
    names,
    accounts,
    st.sampled_from(["ecr", "ecr", "ecr", "acr"]),
    expired=st.booleans(),
)
tenants = st.lists(connections, max_size=10, unique_by=lambda each: each.id)


def of_state(state: State, tenant: Iterable[Connection]) -> dict[str, Connection]:
    """Return what is read of a tenant: those of the state's connections that exist."""
    by_id = {each.id: each for each in tenant}
    return {region: by_id[name] for region, name in state.connections.items() if name in by_id}


@given(region_sets, tenants, states(), settings_of_any_policy)
def test_law_a_plan_has_one_action_for_each_region_that_is_wanted_or_managed_sorted(
    wanted: frozenset[str], tenant: list[Connection], state: State, settings: Settings
) -> None:
    there = of_state(state, tenant)
    regions = [action.registry.region for action in plan(sorted(wanted), there, state, settings).actions]

    assert regions == sorted(set(regions))
    assert wanted <= set(regions) <= wanted | there.keys()


@given(region_sets, tenants, states(), settings_of_any_policy, st.randoms())
def test_law_the_order_of_what_is_read_makes_no_difference(
    wanted: frozenset[str], tenant: list[Connection], state: State, settings: Settings, random: Any
) -> None:
    there = of_state(state, tenant)
    shuffled_wanted, shuffled_there = list(wanted), list(there.items())
    random.shuffle(shuffled_wanted)
    random.shuffle(shuffled_there)

    assert plan(sorted(wanted), there, state, settings) == plan(shuffled_wanted, dict(shuffled_there), state, settings)


@given(region_sets, tenants, states(), settings_of_any_policy)
def test_law_nothing_is_touched_that_is_not_managed_and_of_the_regions_own_registry(
    wanted: frozenset[str], tenant: list[Connection], state: State, settings: Settings
) -> None:
    by_id = {each.id: each for each in tenant}
    todo = plan(sorted(wanted), of_state(state, tenant), state, settings)

    changes: tuple[Refresh | Remove, ...] = (*todo.refreshes, *todo.removes)
    for action in changes:
        region = action.registry.region
        assert state.connections[region] == action.connection_id
        assert by_id[action.connection_id].is_for(SETTINGS.registry(region))
    assert not {remove.registry.region for remove in todo.removes} & wanted


@given(region_sets, tenants, states())
def test_law_with_keep_nothing_is_removed_but_what_failed_events_made(
    wanted: frozenset[str], tenant: list[Connection], state: State
) -> None:
    removed = plan(sorted(wanted), of_state(state, tenant), state, with_policy(DeletePolicy.KEEP)).removes

    assert {remove.registry.region for remove in removed} <= (set() if state.unconfirmed else state.unfinished)


def carried_out(todo: Plan, state: State, there: Mapping[str, Connection]) -> tuple[State, dict[str, Connection]]:
    """Return what is after a plan went well: the state and its connections in Falcon."""
    after = {region: each for region, each in there.items() if each.is_for(SETTINGS.registry(region))}
    after |= {create.registry.region: found(create.registry.region) for create in todo.creates}
    for refresh in todo.refreshes:
        after[refresh.registry.region] = replace(after[refresh.registry.region], expired=False)
    for remove in todo.removes:
        del after[remove.registry.region]
    by_region = {region: each.id for region, each in after.items()}
    return replace(state, settings=APPLIED, connections=by_region, unfinished=frozenset(), doubtful=frozenset()), after


@given(region_sets, tenants, states(), settings_of_any_policy)
def test_law_once_applied_a_plan_has_nothing_more_to_do(
    wanted: frozenset[str], tenant: list[Connection], state: State, settings: Settings
) -> None:
    there = of_state(state, tenant)
    state, there = carried_out(plan(sorted(wanted), there, state, settings), state, there)
    again = plan(sorted(wanted), there, state, settings)

    assert again.quiet
    assert {each.registry.region for each in again.actions if isinstance(each, Keep)} == wanted


# Deleting the stack


@pytest.mark.parametrize(
    ("policy", "removed"),
    [
        (DeletePolicy.KEEP, []),
        (DeletePolicy.STACK, ["id-us-east-1"]),
        (DeletePolicy.ACCOUNT, ["by-hand", "fips", "id-us-east-1"]),
    ],
)
def test_what_leaves_falcon_with_the_stack_is_what_the_policy_says(policy: DeletePolicy, removed: list[str]) -> None:
    tenant = [
        found(EAST),
        found(WEST, "by-hand"),
        found(EAST, "fips", url=f"https://{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com"),
        found(EAST, "theirs", account="444455556666"),
        found(EAST, "mirror", url=f"https://{ACCOUNT}.dkr.ecr.us-east-1.mirror.example"),
        found(EAST, "another-type", type="acr"),
    ]
    todo = purge(with_policy(policy), managing(EAST), tenant, ours=True)

    assert sorted(remove.connection_id for remove in todo.removes) == removed
    assert {remove.why for remove in todo.removes} <= {Why.PURGE}


@pytest.mark.parametrize("policy", DeletePolicy)
def test_a_delete_that_is_not_about_our_resource_removes_nothing_of_a_stack_that_succeeded(
    policy: DeletePolicy,
) -> None:
    state = managing(EAST, unfinished=frozenset({EAST}))

    assert purge(with_policy(policy), state, [found(EAST)], ours=False) == Plan(())
    assert not purges(with_policy(policy), state, ours=False)


@pytest.mark.parametrize("policy", DeletePolicy)
@pytest.mark.parametrize("ours", [True, False])
def test_a_launch_that_failed_takes_away_what_it_made_and_leaves_what_was_there(
    policy: DeletePolicy, *, ours: bool
) -> None:
    state = State(connections={EAST: "id-us-east-1", WEST: "id-eu-west-1"}, unfinished=frozenset({EAST}))
    tenant = [found(EAST), found(WEST), found(EAST, "by-hand")]

    assert purges(with_policy(policy), state, ours=ours)
    assert purge(with_policy(policy), state, tenant, ours=ours).actions == (
        Remove(SETTINGS.registry(EAST), "id-us-east-1", Why.UNFINISHED),
    )


def test_a_launch_whose_success_was_never_heard_is_undone_by_a_delete_with_a_made_up_id() -> None:
    state = managing(EAST, unfinished=frozenset({EAST}), unconfirmed=True)

    assert purge(SETTINGS, state, [found(EAST)], ours=False).actions == (
        Remove(SETTINGS.registry(EAST), "id-us-east-1", Why.UNFINISHED),
    )
    assert purge(SETTINGS, state, [found(EAST)], ours=True) == Plan(())


@pytest.mark.parametrize(
    ("policy", "needed"), [(DeletePolicy.KEEP, False), (DeletePolicy.STACK, True), (DeletePolicy.ACCOUNT, True)]
)
def test_a_delete_needs_falcon_only_where_the_policy_removes_something(policy: DeletePolicy, *, needed: bool) -> None:
    assert purges(with_policy(policy), managing(EAST), ours=True) is needed


@pytest.mark.parametrize(
    ("state", "needed"),
    [
        (State(), False),
        (State(unfinished=frozenset({EAST})), True),
        (State(run=Run("Create:1", 0)), False),
        (State(run=Run("Create:1", 0, (EAST,))), True),
    ],
)
@pytest.mark.parametrize("policy", DeletePolicy)
def test_the_delete_of_a_failed_launch_needs_falcon_only_if_something_was_begun(
    policy: DeletePolicy, state: State, *, needed: bool
) -> None:
    assert purges(with_policy(policy), state, ours=False) is needed


@given(tenants, states(), settings_of_any_policy, st.booleans())
def test_law_a_purge_is_sorted_and_takes_only_what_exists_once(
    tenant: list[Connection], state: State, settings: Settings, ours: bool
) -> None:
    removes = purge(settings, state, tenant, ours=ours).removes
    ids = [remove.connection_id for remove in removes]

    assert [(each.registry, each.connection_id) for each in removes] == sorted(
        (each.registry, each.connection_id) for each in removes
    )
    assert len(ids) == len(set(ids))
    assert set(ids) <= {each.id for each in tenant}


@given(tenants, states(), settings_of_any_policy, st.booleans())
def test_law_a_purge_never_takes_what_is_not_of_this_account_nor_more_than_the_policy_says(
    tenant: list[Connection], state: State, settings: Settings, ours: bool
) -> None:
    by_id = {each.id: each for each in tenant}
    removed = [by_id[remove.connection_id] for remove in purge(settings, state, tenant, ours=ours).removes]

    assert all(each.belongs_to(ACCOUNT, "amazonaws.com") for each in removed)
    if settings.delete_connections is not DeletePolicy.ACCOUNT:
        assert {each.id for each in removed} <= set(state.connections.values())
    if not purges(settings, state, ours=ours):
        assert removed == []


@given(tenants, states(), settings_of_any_policy, st.booleans())
def test_law_the_delete_of_a_failed_launch_never_takes_what_was_there_before(
    tenant: list[Connection], state: State, settings: Settings, ours: bool
) -> None:
    launch = replace(state, settings=None)
    made = {launch.connections[region] for region in launch.unfinished}

    assert {each.connection_id for each in purge(settings, launch, tenant, ours=ours).removes} <= made


@given(tenants, states(), settings_of_any_policy, st.booleans())
def test_law_after_a_purge_another_has_nothing_to_do(
    tenant: list[Connection], state: State, settings: Settings, ours: bool
) -> None:
    gone = {remove.connection_id for remove in purge(settings, state, tenant, ours=ours).removes}
    rest = [each for each in tenant if each.id not in gone]

    assert purge(settings, state, rest, ours=ours).quiet


# What a run made that could not say so


def test_a_run_that_ended_before_it_could_say_so_made_what_is_younger_than_it() -> None:
    run = Run("Create:1", 0, (EAST, WEST), EARLY)
    tenant = [found(EAST, "new", created_at=LATE), found(WEST, "old", created_at="2025-12-31T23:59:59Z")]
    state = with_recovered(State(run=run), run, tenant, SETTINGS)

    assert state.connections == {EAST: "new"}
    assert state.unfinished == {EAST}
    assert state.doubtful == {EAST}


def test_what_it_made_anew_where_there_was_one_before_is_finished() -> None:
    run = Run("reconcile:1", 0, (EAST,), EARLY)
    state = with_recovered(managing(EAST), run, [found(EAST, "new", created_at=LATE)], SETTINGS)

    assert state.connections == {EAST: "new"}
    assert state.unfinished == frozenset()


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_connection_of_another_registry_was_not_made_by_it(other: Connection) -> None:
    run = Run("Create:1", 0, (EAST,), EARLY)

    assert with_recovered(State(), run, [replace(other, created_at=LATE)], SETTINGS) == State()


def test_without_a_run_there_is_nothing_to_recover() -> None:
    state = managing(EAST)

    assert with_recovered(state, None, [found(WEST, created_at=LATE)], SETTINGS) == state


@pytest.mark.parametrize(
    ("created", "since", "younger"),
    [
        (EARLY, EARLY, True),
        (LATE, EARLY, True),
        (EARLY, LATE, False),
        ("2026-01-01T01:00:00+02:00", EARLY, False),
        ("2026-01-01T00:00:00.123456789Z", EARLY, True),
        ("2026-01-01T00:00:00", EARLY, False),
        ("", EARLY, False),
        ("yesterday", EARLY, False),
        (EARLY, "", False),
    ],
)
def test_a_connection_that_does_not_tell_its_age_is_no_younger(created: str, since: str, *, younger: bool) -> None:
    assert made_since(found(EAST, created_at=created), since) is younger


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_moment_or_none(created: str, since: str) -> None:
    assert made_since(found(EAST, created_at=created), since) in {True, False}


# Doubts


@given(states())
def test_law_with_the_same_role_there_are_no_more_doubts_and_with_another_there_are_all(state: State) -> None:
    doubts = with_doubts(state, SETTINGS)

    if state.settings == APPLIED:
        assert doubts == state
    else:
        assert doubts == replace(state, doubtful=frozenset(state.connections))
    assert with_doubts(doubts, SETTINGS) == doubts
