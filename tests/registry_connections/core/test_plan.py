"""The plan: one test for each sentence of its rules, then the laws that hold whatever the circumstances."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core.model import (
    AccountRegions,
    Connection,
    DeletePolicy,
    Outcome,
    OutcomeKind,
    Owner,
    RegionFailurePolicy,
    RegionScope,
    RegionUse,
    Settings,
)
from registry_connections.core.plan import (
    Action,
    Create,
    Keep,
    Leave,
    Plan,
    Refresh,
    Remove,
    Scope,
    Why,
    filter_by_use,
    plan,
    purge,
    purge_unfinished,
    recorded,
    scope,
)
from registry_connections.core.record import Record
from tests.registry_connections.samples import (
    EAST,
    IDENTITY,
    OTHER_ACCOUNT,
    SOUTH,
    WEST,
    adopted,
    anothers,
    by_hand,
    created,
    managing,
)

ACCOUNTS_REGIONS = AccountRegions(frozenset({EAST, WEST}), frozenset({SOUTH}))
REGISTRY = IDENTITY.registry(EAST)
OTHERS = {
    "another account": created(EAST, url=f"https://{OTHER_ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"),
    "another Region": by_hand(EAST, url=IDENTITY.registry(WEST).url),
    "another type": created(EAST, type="acr"),
    "a look-alike": created(EAST, url=f"{REGISTRY.url}.evil.example"),
    "a path": created(EAST, url=f"{REGISTRY.url}/team"),
}
"""Connections that the record may name, and that are not of this account's registry in that Region."""


def skipped(*reasons: tuple[str, str]) -> tuple[Outcome, ...]:
    return tuple(Outcome(region, OutcomeKind.SKIPPED, message=reason) for region, reason in reasons)


def choosing(**choices: Any) -> Settings:
    return replace(Settings(), **choices)


# Which Regions are wanted


def test_every_enabled_region_is_wanted_unless_some_are_named() -> None:
    assert scope(Settings(), ACCOUNTS_REGIONS) == Scope((WEST, EAST))


def test_regions_that_are_named_are_wanted_alone() -> None:
    assert scope(choosing(regions=(EAST,)), ACCOUNTS_REGIONS) == Scope((EAST,), skipped((WEST, "not in Regions")))


@pytest.mark.parametrize("named", [(), (EAST, WEST)])
def test_regions_that_are_excluded_are_not_wanted_even_if_they_are_named(named: tuple[str, ...]) -> None:
    settings = choosing(regions=named, excluded=(WEST,))

    assert scope(settings, ACCOUNTS_REGIONS) == Scope((EAST,), skipped((WEST, "in ExcludedRegions")))


NOT_ENABLED = "Regions: ap-south-1 is not enabled in this account: enable it, or take it out."
UNKNOWN = "Regions: AWS knows no Region 'mars-east-1' in this partition."


def test_regions_that_are_named_and_cannot_be_registered_are_problems() -> None:
    chosen = scope(choosing(regions=(EAST, SOUTH, "mars-east-1")), ACCOUNTS_REGIONS)

    assert chosen.problems == (NOT_ENABLED, UNKNOWN)


def test_a_stack_that_reports_failures_skips_a_named_region_that_is_not_enabled_but_not_an_unknown_one() -> None:
    settings = choosing(regions=(EAST, SOUTH, "mars-east-1"), on_region_failure=RegionFailurePolicy.REPORT)
    chosen = scope(settings, ACCOUNTS_REGIONS)

    assert chosen.wanted == (EAST,)
    assert chosen.problems == (UNKNOWN,)
    assert skipped((SOUTH, "not enabled in this account"))[0] in chosen.skipped


def test_a_region_that_was_disabled_since_it_was_accepted_is_skipped() -> None:
    chosen = scope(choosing(regions=(EAST, SOUTH)), ACCOUNTS_REGIONS, accepted=(EAST, SOUTH))

    assert chosen == Scope((EAST,), skipped((SOUTH, "not enabled in this account"), (WEST, "not in Regions")))


def test_a_region_that_was_accepted_and_that_aws_no_longer_lists_is_skipped_too() -> None:
    settings = choosing(regions=(EAST, "mars-east-1"), on_region_failure=RegionFailurePolicy.REPORT)

    assert scope(settings, ACCOUNTS_REGIONS, accepted=("mars-east-1",)).problems == ()


def test_a_region_that_is_excluded_need_not_be_enabled_but_must_be_known() -> None:
    assert scope(choosing(excluded=(SOUTH,)), ACCOUNTS_REGIONS) == Scope((WEST, EAST))
    assert scope(choosing(regions=(EAST, SOUTH), excluded=(SOUTH,)), ACCOUNTS_REGIONS).problems == ()
    assert scope(choosing(excluded=("mars-east-1",)), ACCOUNTS_REGIONS).problems == (
        "ExcludedRegions: AWS knows no Region 'mars-east-1' in this partition.",
    )


@pytest.mark.parametrize("settings", [choosing(excluded=(EAST, WEST)), choosing(regions=(EAST,), excluded=(EAST,))])
def test_no_region_at_all_is_a_problem(settings: Settings) -> None:
    chosen = scope(settings, ACCOUNTS_REGIONS)

    assert chosen.wanted == ()
    assert chosen.problems == ("Regions and ExcludedRegions leave no enabled Region to register.",)


def test_that_no_region_is_left_is_not_said_beside_the_problem_that_explains_it() -> None:
    assert scope(choosing(regions=(SOUTH,)), ACCOUNTS_REGIONS).problems == (NOT_ENABLED,)


@pytest.mark.parametrize(
    ("use", "region_scope", "wanted"),
    [
        (RegionUse.REPOSITORIES, RegionScope.WITH_REPOSITORIES, True),
        (RegionUse.EMPTY, RegionScope.ENABLED, True),
        (RegionUse.EMPTY, RegionScope.WITH_REPOSITORIES, False),
        (RegionUse.DENIED, RegionScope.ENABLED, False),
        (RegionUse.DENIED, RegionScope.WITH_REPOSITORIES, False),
        (RegionUse.UNKNOWN, RegionScope.WITH_REPOSITORIES, True),
        (None, RegionScope.WITH_REPOSITORIES, True),
    ],
)
def test_a_region_where_ecr_is_denied_or_as_asked_for_unused_is_left_out(
    use: RegionUse | None, region_scope: RegionScope, *, wanted: bool
) -> None:
    before = Scope((WEST, EAST), skipped((SOUTH, "not in Regions"), ("us-west-2", "not in Regions")))
    uses = {} if use is None else {EAST: use}
    chosen = filter_by_use(before, uses, choosing(region_scope=region_scope))

    assert chosen.wanted == ((WEST, EAST) if wanted else (WEST,))
    assert set(chosen.skipped) - set(before.skipped) == (set() if wanted else set(skipped((EAST, str(use)))))
    assert list(chosen.skipped) == sorted(chosen.skipped)


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
    chosen = scope(choosing(regions=tuple(named), excluded=tuple(excluded)), regions, accepted)
    left_out = [outcome.region for outcome in chosen.skipped]

    assert set(chosen.wanted) <= regions.enabled <= set(chosen.wanted) | set(left_out)
    assert not set(chosen.wanted) & {*left_out, *excluded}
    assert list(chosen.wanted) == sorted(set(chosen.wanted))
    assert left_out == sorted(set(left_out))
    assert chosen.wanted or chosen.problems


# What is to be done


def actions(record: Record, *found: Connection, wanted: str = "", repair: bool = False, **choices: Any) -> Any:
    return plan(wanted.split(), found, record, IDENTITY, choosing(**choices), repair=repair).actions


@pytest.mark.parametrize("record", [managing(), managing(EAST)], ids=["never made", "gone from Falcon"])
def test_what_is_wanted_and_absent_is_created(record: Record) -> None:
    assert actions(record, wanted=EAST) == (Create(REGISTRY),)


@pytest.mark.parametrize("found", [created(EAST), adopted(EAST), by_hand(EAST)])
def test_what_is_wanted_managed_and_right_is_kept_whatever_a_person_called_it(found: Connection) -> None:
    assert actions(managing(EAST), found, wanted=EAST) == (Keep(REGISTRY, "id-us-east-1"),)


def test_a_problem_that_no_call_mends_is_kept_with_the_connection() -> None:
    paused = created(EAST, state="paused")

    assert actions(managing(EAST), paused, wanted=EAST) == (Keep(REGISTRY, "id-us-east-1", paused.problem),)


def test_a_credential_that_expired_is_set_again() -> None:
    expired = created(EAST, expired=True)

    assert actions(managing(EAST), expired, wanted=EAST) == (Refresh(REGISTRY, "id-us-east-1", Why.EXPIRED),)


def test_what_another_stack_took_over_is_taken_back_by_a_stack_event_and_left_by_a_repair_unless_it_expired() -> None:
    theirs = anothers(EAST)
    left = (Leave(REGISTRY, "id-us-east-1", Why.OTHER_STACK),)

    assert actions(managing(EAST), theirs, wanted=EAST) == (Refresh(REGISTRY, "id-us-east-1", Why.ADOPTED),)
    assert actions(managing(EAST), theirs, wanted=EAST, repair=True) == left
    assert actions(managing(EAST), anothers(EAST, expired=True), wanted=EAST, repair=True) == (
        Refresh(REGISTRY, "id-us-east-1", Why.ADOPTED),
    )
    assert actions(managing(EAST), theirs, delete_connections=DeletePolicy.ACCOUNT) == left


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        (DeletePolicy.KEEP, Leave(REGISTRY, "id-us-east-1", Why.KEPT)),
        (DeletePolicy.STACK, Remove(REGISTRY, "id-us-east-1", Why.NOT_WANTED)),
        (DeletePolicy.ACCOUNT, Remove(REGISTRY, "id-us-east-1", Why.NOT_WANTED)),
    ],
)
@pytest.mark.parametrize("found", [created(EAST), adopted(EAST), by_hand(EAST)])
def test_what_is_managed_and_no_longer_wanted_is_removed_or_left_as_the_policy_says(
    found: Connection, policy: DeletePolicy, action: Action
) -> None:
    assert actions(managing(EAST), found, delete_connections=policy) == (action,)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_an_id_in_the_record_that_is_another_registrys_counts_as_absent(other: Connection) -> None:
    record = managing(EAST)

    assert recorded(record, [other], IDENTITY) == {}
    assert actions(record, other, wanted=EAST) == (Create(REGISTRY),)
    assert actions(record, other, delete_connections=DeletePolicy.ACCOUNT) == ()
    assert purge(record, [other], IDENTITY, DeletePolicy.STACK) == Plan(())


# After a run that could not record what it did


def test_what_the_stack_created_and_did_not_record_is_taken_up_if_it_is_wanted() -> None:
    assert actions(managing(dirty=True), created(EAST), wanted=EAST) == (
        Refresh(REGISTRY, "id-us-east-1", Why.RECOVERED),
    )


@pytest.mark.parametrize("policy", DeletePolicy)
def test_what_the_stack_created_and_did_not_record_is_removed_if_it_is_not_wanted(policy: DeletePolicy) -> None:
    assert actions(managing(dirty=True), created(EAST), delete_connections=policy) == (
        Remove(REGISTRY, "id-us-east-1", Why.UNFINISHED),
    )


@pytest.mark.parametrize("found", [adopted(EAST), anothers(EAST), by_hand(EAST), *OTHERS.values()])
def test_what_the_stack_did_not_create_is_nothing_to_recover(found: Connection) -> None:
    assert actions(managing(dirty=True), found) == ()
    assert actions(managing(dirty=True), found, wanted=EAST) == (Create(REGISTRY),)


def test_a_record_that_is_not_dirty_is_believed_whatever_else_falcon_has() -> None:
    assert actions(managing(), created(EAST)) == ()


def test_what_the_record_names_comes_before_a_second_connection_that_the_stack_created() -> None:
    found = (adopted(EAST), created(EAST, "second"))

    assert actions(managing(EAST, dirty=True), *found, wanted=EAST) == (Keep(REGISTRY, "id-us-east-1"),)


def test_a_plan_tells_its_actions_apart_and_sorts_them_by_region() -> None:
    found = (created(EAST, expired=True), created(WEST))
    wanted, policy = f"{SOUTH} {EAST}", DeletePolicy.STACK
    todo = plan(wanted.split(), found, managing(EAST, WEST), IDENTITY, choosing(delete_connections=policy), repair=True)

    assert todo.actions == (*todo.creates, *todo.removes, *todo.refreshes)
    assert todo.creates == (Create(IDENTITY.registry(SOUTH)),)
    assert todo.removes == (Remove(IDENTITY.registry(WEST), f"id-{WEST}", Why.NOT_WANTED),)
    assert todo.refreshes == (Refresh(REGISTRY, f"id-{EAST}", Why.EXPIRED),)


def test_each_reason_is_told_in_words_of_its_own() -> None:
    """`plan` and the log show them, and scripts may look for them."""
    assert [str(why) for why in Why] == [
        "a connection for this registry existed already",
        "it was made, but the response was lost or a refusal",
        "this stack made it, and its record did not name it",
        "Falcon says that its credential expired",
        "the Region is no longer wanted",
        "it was made by a stack event that did not succeed",
        "the stack is deleted",
        "the Region is no longer wanted, and DeleteConnections is Keep",
        "the Region is no longer wanted, but others failed",
        "another stack took it over",
    ]


# Laws of the plan

MAKERS = [created, adopted, anothers, by_hand]
ids = st.integers(0, 9).map(lambda number: f"id-{number}")
own = st.builds(
    lambda make, region, name, *, expired: make(region, name, expired=expired),
    st.sampled_from(MAKERS),
    names,
    ids,
    expired=st.booleans(),
)
foreign = st.builds(lambda other, name: replace(other, id=name), st.sampled_from(list(OTHERS.values())), ids)
tenants = st.lists(own | own | foreign, max_size=10, unique_by=lambda found: found.id)
records = st.builds(
    lambda connections, *, dirty: Record(connections=connections, dirty=dirty),
    st.dictionaries(names, ids),
    dirty=st.booleans(),
)
policies = st.sampled_from(DeletePolicy)


@given(region_sets, tenants, records, policies, st.booleans())
def test_law_a_plan_touches_only_what_is_recorded_or_created_of_this_account_and_no_wanted_region_is_removed(
    wanted: frozenset[str], tenant: list[Connection], record: Record, policy: DeletePolicy, repair: bool
) -> None:
    by_id = {found.id: found for found in tenant}
    todo = plan(sorted(wanted), tenant, record, IDENTITY, choosing(delete_connections=policy), repair=repair)
    regions = [action.registry.region for action in todo.actions]
    changes: tuple[Refresh | Remove, ...] = (*todo.refreshes, *todo.removes)

    assert regions == sorted(set(regions))
    assert wanted <= set(regions)
    for change in changes:
        found = by_id[change.connection_id]
        assert found.is_for(change.registry)
        assert change.registry.account == IDENTITY.account
        is_recorded = record.connections.get(change.registry.region) == change.connection_id
        assert is_recorded or (record.dirty and IDENTITY.owner(found.alias) is Owner.CREATED)
    for remove in todo.removes:
        assert IDENTITY.owner(by_id[remove.connection_id].alias) is not Owner.OTHER_STACK
        assert remove.registry.region not in wanted
        assert policy is not DeletePolicy.KEEP or remove.why is Why.UNFINISHED


@given(region_sets, tenants, records, policies, st.booleans())
def test_law_once_it_is_done_a_plan_has_nothing_more_to_do(
    wanted: frozenset[str], tenant: list[Connection], record: Record, policy: DeletePolicy, repair: bool
) -> None:
    settings = choosing(delete_connections=policy)
    todo = plan(sorted(wanted), tenant, record, IDENTITY, settings, repair=repair)
    gone = {remove.connection_id for remove in todo.removes}
    after = {region: found for region, found in recorded(record, tenant, IDENTITY).items() if found.id not in gone}
    after |= {create.registry.region: created(create.registry.region, "new") for create in todo.creates}
    for refresh in todo.refreshes:
        renewed = adopted if refresh.why is Why.ADOPTED else created
        after[refresh.registry.region] = renewed(refresh.registry.region, refresh.connection_id)
    unique = {region: replace(found, id=f"{region}-{found.id}") for region, found in after.items()}
    now = Record(connections={region: found.id for region, found in unique.items()})
    again = plan(sorted(wanted), list(unique.values()), now, IDENTITY, settings, repair=repair)

    assert (again.creates, again.refreshes, again.removes) == ((), (), ())


# Deleting the stack

TENANT = [
    created(EAST),
    adopted(WEST, "adopted"),
    by_hand(SOUTH),
    by_hand("eu-north-1", "never-ours"),
    anothers("me-south-1"),
    created("sa-east-1", "fips", url=f"https://{IDENTITY.account}.dkr.ecr-fips.sa-east-1.amazonaws.com"),
    created("us-west-2", "theirs", url=f"https://{OTHER_ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"),
    created("us-west-2", "mirror", url=f"https://{IDENTITY.account}.dkr.ecr.us-west-2.mirror.example"),
    created("us-west-2", "another-type", type="acr"),
]


@pytest.mark.parametrize(
    ("policy", "removed"),
    [
        (DeletePolicy.KEEP, []),
        (DeletePolicy.STACK, [f"id-{SOUTH}", "adopted", f"id-{EAST}"]),
        (DeletePolicy.ACCOUNT, [f"id-{SOUTH}", "never-ours", "adopted", "id-me-south-1", "fips", f"id-{EAST}"]),
    ],
)
def test_what_leaves_falcon_with_the_stack_is_what_the_policy_says(policy: DeletePolicy, removed: list[str]) -> None:
    todo = purge(managing(EAST, SOUTH, "me-south-1"), TENANT, IDENTITY, policy)

    assert [remove.connection_id for remove in todo.removes] == removed
    assert {remove.why for remove in todo.removes} <= {Why.PURGED}
    assert all(remove.registry.account == IDENTITY.account for remove in todo.removes)


def test_without_a_record_the_stacks_mark_tells_what_it_created_or_adopted() -> None:
    todo = purge(Record(), TENANT, IDENTITY, DeletePolicy.STACK)

    assert [remove.connection_id for remove in todo.removes] == ["adopted", f"id-{EAST}"]


def test_a_launch_that_did_not_succeed_takes_away_what_it_created_and_nothing_that_was_there_before() -> None:
    assert purge_unfinished([created(WEST, "second"), *TENANT], IDENTITY).actions == (
        Remove(IDENTITY.registry(WEST), "second", Why.UNFINISHED),
        Remove(REGISTRY, f"id-{EAST}", Why.UNFINISHED),
    )


@given(tenants, records, policies)
def test_law_a_purge_takes_only_what_exists_and_is_of_this_account_and_another_has_nothing_to_do(
    tenant: list[Connection], record: Record, policy: DeletePolicy
) -> None:
    by_id = {found.id: found for found in tenant}
    todo = purge(record, tenant, IDENTITY, policy)
    rest = [found for found in tenant if found.id not in {remove.connection_id for remove in todo.removes}]

    assert all(by_id[each.connection_id].belongs_to(IDENTITY.account, "amazonaws.com") for each in todo.removes)
    assert list(todo.removes) == sorted(todo.removes, key=lambda each: (each.registry.region, each.connection_id))
    assert purge(record, rest, IDENTITY, policy) == Plan(())
