"""The plan: one case for each sentence of its rules, then the laws that hold whatever the circumstances."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core import plan as planning
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
from registry_connections.core.plan import Action, ActionKind, Plan, Scope, Why, plan, purge, purge_unfinished, recorded
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

CREATE, REFRESH, REMOVE, KEEP, LEAVE = ActionKind
MARS = "mars-east-1"
ACCOUNTS_REGIONS = AccountRegions(frozenset({EAST, WEST}), frozenset({SOUTH}))
OTHERS = {
    "another account": created(EAST, url=f"https://{OTHER_ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"),
    "another Region": by_hand(EAST, url=IDENTITY.registry(WEST).url),
    "another type": created(EAST, type="acr"),
    "a look-alike": created(EAST, url=f"{IDENTITY.registry(EAST).url}.evil.example"),
    "a path": created(EAST, url=f"{IDENTITY.registry(EAST).url}/team"),
}
"""Connections that the record may name, and that are not of this account's registry in that Region."""


def skipped(reasons: dict[str, str]) -> tuple[Outcome, ...]:
    return tuple(Outcome(region, OutcomeKind.SKIPPED, message=reason) for region, reason in sorted(reasons.items()))


def choosing(**choices: Any) -> Settings:
    return replace(Settings(), **choices)


# Which Regions are wanted

NOT_NAMED, EXCLUDED, DISABLED = "not in Regions", "in ExcludedRegions", "not enabled in this account"
NOT_ENABLED = "Regions: ap-south-1 is not enabled in this account: enable it, or take it out."
UNKNOWN = "Regions: AWS knows no Region 'mars-east-1' in this partition."
UNKNOWN_EXCLUDED = "ExcludedRegions: AWS knows no Region 'mars-east-1' in this partition."
NONE_LEFT = "Regions and ExcludedRegions leave no enabled Region to register."
SCOPES: dict[str, tuple[dict[str, Any], str, dict[str, str], list[str]]] = {
    "every enabled Region": ({}, f"{WEST} {EAST}", {}, []),
    "those that are named": ({"regions": (EAST,)}, EAST, {WEST: NOT_NAMED}, []),
    "without those that are excluded": ({"excluded": (WEST,)}, EAST, {WEST: EXCLUDED}, []),
    "even if they are named": ({"regions": (EAST, WEST), "excluded": (WEST,)}, EAST, {WEST: EXCLUDED}, []),
    "excluded need not be enabled": ({"regions": (EAST, SOUTH), "excluded": (SOUTH,)}, EAST, {WEST: NOT_NAMED}, []),
    "but known": ({"excluded": (MARS,)}, f"{WEST} {EAST}", {}, [UNKNOWN_EXCLUDED]),
    "named must be enabled and known": (
        {"regions": (EAST, SOUTH, MARS)}, EAST, {WEST: NOT_NAMED, SOUTH: DISABLED, MARS: DISABLED},
        [NOT_ENABLED, UNKNOWN],
    ),
    "for a stack that reports, only known": (
        {"regions": (EAST, SOUTH, MARS), "on_region_failure": RegionFailurePolicy.REPORT},
        EAST, {WEST: NOT_NAMED, SOUTH: DISABLED, MARS: DISABLED}, [UNKNOWN],
    ),
    "disabled since it was accepted": (
        {"regions": (EAST, SOUTH), "accepted": (EAST, SOUTH)}, EAST, {WEST: NOT_NAMED, SOUTH: DISABLED}, []
    ),
    "no longer listed since it was accepted": (
        {"regions": (EAST, MARS), "accepted": (MARS,), "on_region_failure": RegionFailurePolicy.REPORT},
        EAST, {WEST: NOT_NAMED, MARS: DISABLED}, [],
    ),
    "none": ({"excluded": (EAST, WEST)}, "", {EAST: EXCLUDED, WEST: EXCLUDED}, [NONE_LEFT]),
    "none with an explanation": ({"regions": (SOUTH,)}, "", dict.fromkeys((EAST, WEST), NOT_NAMED) | {SOUTH: DISABLED},
                                 [NOT_ENABLED]),
}  # fmt: skip


@pytest.mark.parametrize(("choices", "wanted", "left_out", "problems"), SCOPES.values(), ids=SCOPES)
def test_the_regions_that_are_wanted_are(
    choices: dict[str, Any], wanted: str, left_out: dict[str, str], problems: list[str]
) -> None:
    accepted = choices.get("accepted", ())
    settings = choosing(**{name: value for name, value in choices.items() if name != "accepted"})

    assert planning.scope(settings, ACCOUNTS_REGIONS, accepted) == Scope(
        tuple(wanted.split()), skipped(left_out), tuple(problems)
    )


@pytest.mark.parametrize("region_scope", RegionScope)
@pytest.mark.parametrize("use", [*RegionUse, None])
def test_a_region_where_ecr_is_denied_or_as_asked_for_unused_is_left_out(
    use: RegionUse | None, region_scope: RegionScope
) -> None:
    unused = use is RegionUse.EMPTY and region_scope is RegionScope.WITH_REPOSITORIES
    before = {SOUTH: NOT_NAMED, "us-west-2": NOT_NAMED}
    uses = {} if use is None else {EAST: use}
    chosen = planning.filter_by_use(Scope((WEST, EAST), skipped(before)), uses, choosing(region_scope=region_scope))

    if unused or use is RegionUse.DENIED:
        assert chosen == Scope((WEST,), skipped(before | {EAST: str(use)}))
    else:
        assert chosen == Scope((WEST, EAST), skipped(before))


# What is to be done


def act(kind: ActionKind, why: str = "", region: str = EAST, name: str = f"id-{EAST}") -> Action:
    return Action(kind, IDENTITY.registry(region), "" if kind is CREATE else name, why)


def actions(record: Record, *found: Connection, wanted: str = "", repair: bool = False, **choices: Any) -> Any:
    return plan(wanted.split(), found, record, IDENTITY, choosing(**choices), repair=repair).actions


EXPIRED: dict[str, Any] = {"expired": True}
PAUSED = created(EAST, state="paused")
ANYBODYS = [created(EAST), adopted(EAST), by_hand(EAST)]


@pytest.mark.parametrize(
    ("record", "found", "repair", "action"),
    [
        (managing(), [], False, act(CREATE)),
        (managing(EAST), [], False, act(CREATE)),
        *[(managing(EAST), [found], False, act(KEEP)) for found in ANYBODYS],
        (managing(EAST), [PAUSED], False, act(KEEP, PAUSED.problem)),
        (managing(EAST), [created(EAST, **EXPIRED)], False, act(REFRESH, Why.EXPIRED)),
        (managing(EAST, refused=(EAST,)), [created(EAST)], True, act(REFRESH, Why.REFUSED)),
        (managing(EAST, refused=(EAST,)), [], True, act(CREATE)),
        (managing(EAST), [anothers(EAST)], False, act(REFRESH, Why.ADOPTED)),
        (managing(EAST), [anothers(EAST)], True, act(LEAVE, Why.OTHER_STACK)),
        (managing(EAST), [anothers(EAST, **EXPIRED)], True, act(REFRESH, Why.ADOPTED)),
        *[(managing(EAST), [other], False, act(CREATE)) for other in OTHERS.values()],
        (managing(dirty=True), [created(EAST)], False, act(REFRESH, Why.RECOVERED)),
        (managing(EAST, dirty=True), [adopted(EAST), created(EAST, "second")], False, act(KEEP)),
    ],
)  # fmt: skip
def test_what_is_wanted_is_created_kept_or_given_its_credential(
    record: Record, found: list[Connection], action: Action, *, repair: bool
) -> None:
    assert actions(record, *found, wanted=EAST, repair=repair) == (action,)


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        (DeletePolicy.KEEP, act(LEAVE, Why.KEPT)),
        (DeletePolicy.STACK, act(REMOVE, Why.NOT_WANTED)),
        (DeletePolicy.ACCOUNT, act(REMOVE, Why.NOT_WANTED)),
    ],
)
@pytest.mark.parametrize("found", ANYBODYS)
def test_what_is_no_longer_wanted_goes_by_the_policy(found: Connection, policy: DeletePolicy, action: Action) -> None:
    assert actions(managing(EAST), found, delete_connections=policy) == (action,)
    assert actions(managing(EAST), anothers(EAST), delete_connections=policy) == (act(LEAVE, Why.OTHER_STACK),)
    assert actions(managing(dirty=True), found, delete_connections=policy) == (
        (act(REMOVE, Why.UNFINISHED),) * (found == created(EAST))
    )


@pytest.mark.parametrize("found", [adopted(EAST), anothers(EAST), by_hand(EAST), *OTHERS.values()])
def test_what_the_stack_did_not_create_is_nothing_to_recover_and_an_id_proves_nothing(found: Connection) -> None:
    assert actions(managing(dirty=True), found) == ()
    assert actions(managing(dirty=True), found, wanted=EAST) == (act(CREATE),)
    assert actions(managing(), created(EAST)) == ()
    if found in OTHERS.values():
        assert recorded(managing(EAST), [found], IDENTITY) == {}
        assert actions(managing(EAST), found, delete_connections=DeletePolicy.ACCOUNT) == ()
        assert purge(managing(EAST), [found], IDENTITY, DeletePolicy.STACK) == Plan(())


def test_each_reason_is_told_in_words_of_its_own() -> None:
    """`plan` and the log show them, and scripts may look for them."""
    assert [str(why) for why in Why] == [
        "a connection for this registry existed already",
        "it was made, but the response was lost or a refusal",
        "this stack made it, and its record did not name it",
        "this stack made it, and it has no credential yet",
        "Falcon says that its credential expired",
        "the Region is no longer wanted",
        "it was made by a stack event that did not succeed",
        "the stack is deleted",
        "the Region is no longer wanted, and DeleteConnections is Keep",
        "the Region is no longer wanted, but others failed",
        "another stack took it over",
    ]
    assert [str(kind) for kind in ActionKind] == ["create", "refresh", "remove", "keep", "leave"]


# Laws of the plan

names = st.sampled_from([EAST, WEST, SOUTH, "eu-north-1", "me-south-1", MARS])
region_sets = st.frozensets(names)
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

    assert regions == sorted(set(regions))
    assert wanted <= set(regions)
    for change in (*todo.of(REFRESH), *todo.of(REMOVE)):
        found = by_id[change.connection_id]
        assert found.is_for(change.registry)
        assert change.registry.account == IDENTITY.account
        is_recorded = record.connections.get(change.registry.region) == change.connection_id
        assert is_recorded or (record.dirty and IDENTITY.owner(found.alias) is Owner.CREATED)
    for remove in todo.of(REMOVE):
        assert IDENTITY.owner(by_id[remove.connection_id].alias) is not Owner.OTHER_STACK
        assert remove.registry.region not in wanted
        assert policy is not DeletePolicy.KEEP or remove.why == Why.UNFINISHED


@given(region_sets, tenants, records, policies, st.booleans())
def test_law_once_it_is_done_a_plan_has_nothing_more_to_do(
    wanted: frozenset[str], tenant: list[Connection], record: Record, policy: DeletePolicy, repair: bool
) -> None:
    settings = choosing(delete_connections=policy)
    todo = plan(sorted(wanted), tenant, record, IDENTITY, settings, repair=repair)
    gone = {remove.connection_id for remove in todo.of(REMOVE)}
    after = {region: found for region, found in recorded(record, tenant, IDENTITY).items() if found.id not in gone}
    after |= {create.registry.region: created(create.registry.region, "new") for create in todo.of(CREATE)}
    for refresh in todo.of(REFRESH):
        renewed = adopted if refresh.why == Why.ADOPTED else created
        after[refresh.registry.region] = renewed(refresh.registry.region, refresh.connection_id)
    unique = {region: replace(found, id=f"{region}-{found.id}") for region, found in after.items()}
    now = Record(connections={region: found.id for region, found in unique.items()})
    again = plan(sorted(wanted), list(unique.values()), now, IDENTITY, settings, repair=repair)

    assert {action.kind for action in again.actions} <= {KEEP, LEAVE}


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
ALL_OF_THE_ACCOUNT = [f"id-{SOUTH}", "never-ours", "adopted", "id-me-south-1", "fips", f"id-{EAST}"]


@pytest.mark.parametrize(
    ("record", "policy", "removed"),
    [
        (managing(EAST, SOUTH, "me-south-1"), DeletePolicy.KEEP, []),
        (managing(EAST, SOUTH, "me-south-1"), DeletePolicy.STACK, [f"id-{SOUTH}", "adopted", f"id-{EAST}"]),
        (managing(EAST, SOUTH, "me-south-1"), DeletePolicy.ACCOUNT, ALL_OF_THE_ACCOUNT),
        (Record(), DeletePolicy.STACK, ["adopted", f"id-{EAST}"]),
    ],
)
def test_the_policy_says_what_leaves_with_the_stack(record: Record, policy: DeletePolicy, removed: list[str]) -> None:
    todo = purge(record, TENANT, IDENTITY, policy)

    assert [remove.connection_id for remove in todo.of(REMOVE)] == removed
    assert {action.why for action in todo.actions} <= {Why.PURGED}
    assert all(remove.registry.account == IDENTITY.account for remove in todo.actions)


def test_a_launch_that_did_not_succeed_takes_away_what_it_created_and_nothing_that_was_there_before() -> None:
    assert purge_unfinished([created(WEST, "second"), *TENANT], IDENTITY).actions == (
        act(REMOVE, Why.UNFINISHED, WEST, "second"),
        act(REMOVE, Why.UNFINISHED),
    )


@given(tenants, records, policies)
def test_law_a_purge_takes_only_what_exists_and_is_of_this_account_and_another_has_nothing_to_do(
    tenant: list[Connection], record: Record, policy: DeletePolicy
) -> None:
    by_id = {found.id: found for found in tenant}
    removes = purge(record, tenant, IDENTITY, policy).of(REMOVE)
    rest = [found for found in tenant if found.id not in {remove.connection_id for remove in removes}]

    assert all(by_id[each.connection_id].belongs_to(IDENTITY.account, "amazonaws.com") for each in removes)
    assert list(removes) == sorted(removes, key=lambda each: (each.registry.region, each.connection_id))
    assert purge(record, rest, IDENTITY, policy) == Plan(())
